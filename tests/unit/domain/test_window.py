"""Windows are half-open and never overlap; flooring is exact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.domain.window import DAY, HOUR, MINUTE, Window, floor

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=zones)  # noqa: DTZ001 (the strategy adds it)
steps = st.sampled_from([timedelta(seconds=1), MINUTE, 5 * MINUTE, HOUR, 3 * HOUR, DAY, 7 * DAY])


@given(moments, steps)
@example(datetime(9998, 12, 30, 23, 59, 59, 999999, tzinfo=UTC), DAY)
@example(datetime(5000, 1, 1, 0, 59, 59, 999999, tzinfo=UTC), HOUR)
def test_flooring_gives_the_last_multiple_that_is_not_after_the_moment(moment: datetime, step: timedelta) -> None:
    floored = floor(moment, step)
    assert floored <= moment < floored + step
    assert (floored - EPOCH) % step == timedelta(0)
    assert floored.tzinfo is UTC
    assert floor(floored, step) == floored


@given(moments, moments, steps)
def test_flooring_keeps_the_order(one: datetime, other: datetime, step: timedelta) -> None:
    first, last = sorted([one, other])
    assert floor(first, step) <= floor(last, step)


@given(moments, st.timedeltas(timedelta(0), timedelta(days=100)))
def test_a_window_and_the_previous_one_are_of_one_length_and_meet(end: datetime, length: timedelta) -> None:
    window = Window.before(end, length)
    assert window.end == end
    assert window.length == length
    assert window.previous() == Window(window.start - length, window.start)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (datetime(2026, 11, 1), datetime(2026, 11, 2, tzinfo=UTC)),  # noqa: DTZ001 (that is the fault)
        (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2)),  # noqa: DTZ001
        (datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_naive_or_reversed_times_are_no_window(start: datetime, end: datetime) -> None:
    with pytest.raises(ValueError, match="window"):
        Window(start, end)
