"""Synthesised times: even, in order, and the same at every run. Pace: how long a record has to wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitor.mapping.times import RowTimes, Synthesis, duration
from monitor.replay.pace import Pace

START = datetime(2026, 11, 21, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


@given(st.integers(1, 10**6), st.integers(1, 10**9), st.data())
def test_times_are_even_and_stay_inside_the_span(rows: int, milliseconds: int, data: st.DataObject) -> None:
    span = timedelta(milliseconds=milliseconds)
    times = RowTimes(START, span, rows)
    number = data.draw(st.integers(1, rows))
    assert START <= times.at(number) < START + span
    exact = span / timedelta(microseconds=1) * (number - 1) / rows
    assert abs((times.at(number) - START) / timedelta(microseconds=1) - exact) <= 1


def test_spacing_is_kept_exactly_from_row_to_row() -> None:
    synthesis = Synthesis.model_validate({"spacing": "250ms"})
    times = RowTimes(START, synthesis.span(40), 40)
    assert [times.at(row) - START for row in (1, 2, 40)] == [timedelta(milliseconds=250 * n) for n in (0, 1, 39)]


@pytest.mark.parametrize("text", ["0s", "1", "s", "1.5h", "-1s", "1y", 7, None])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        duration(text)


@pytest.mark.parametrize(
    "content", [{}, {"spacing": "1s", "over": "7d"}, {"over": "7d", "start": "2026-01-01T00:00:00"}]
)
def test_a_synthesis_needs_one_length_and_an_aware_start(content: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Synthesis.model_validate(content)


def test_at_speed_sixty_an_hour_of_events_takes_a_minute() -> None:
    pace = Pace(60.0)
    assert pace.wait_s(START, now=START) == 0
    assert pace.wait_s(START + HOUR, now=START) == 60
    assert pace.wait_s(START + HOUR, now=START + timedelta(seconds=20)) == 40
    assert pace.wait_s(START + HOUR, now=START + HOUR) == 0
    assert pace.wait_s(START - HOUR, now=START) == 0


def test_at_full_speed_nothing_waits() -> None:
    pace = Pace(None)
    assert pace.wait_s(START, START) == pace.wait_s(START + 1000 * HOUR, START) == 0
    assert pace.longest_chunk == timedelta.max


def test_what_is_stored_is_looked_at_every_few_seconds() -> None:
    assert Pace(60.0).longest_chunk == timedelta(minutes=5)
    assert Pace(1e300).longest_chunk == timedelta.max
