"""What charts draw at the edges of a range."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dashboards.charts.axes import closed, with_gaps
from dashboards.words import briefly
from monitor.domain.window import MINUTE, Window

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def test_the_only_minute_of_a_range_is_drawn_to_its_end() -> None:
    """Steps run from point to point, and of one point there would be nothing to see."""
    window = Window(START, START + MINUTE)
    rows = closed(with_gaps({START: {"rate": 2.0}}, window, MINUTE), window)
    assert [(row["at"], row["rate"]) for row in rows] == [(START, 2.0), (START + MINUTE, 2.0)]


def test_a_range_that_ends_within_a_bucket_is_drawn_no_further() -> None:
    window = Window(START, START + timedelta(minutes=90))
    rows = closed(with_gaps({}, window, timedelta(hours=1)), window)
    assert [row["at"] for row in rows] == [START, START + timedelta(hours=1), window.end]


def test_long_names_keep_what_tells_them_apart_at_both_ends() -> None:
    assert len(briefly("m" * 200)) <= 40
