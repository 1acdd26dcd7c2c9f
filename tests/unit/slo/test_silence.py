"""What a silence must be, and what it covers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.domain.window import DAY, HOUR, Window
from monitor.slo.silence import MAX_LENGTH, MAX_TEXT, Silence, checked, named

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WINDOW = Window(NOW, NOW + HOUR)


def test_a_silence_covers_its_begin_and_not_its_end() -> None:
    one = Silence(1, "exam-*", WINDOW, "ann", "disks")
    ticks = [NOW - timedelta(minutes=1), NOW, NOW + timedelta(minutes=59), NOW + HOUR]
    assert [one.covers("exam-accuracy", tick) for tick in ticks] == [False, True, True, False]
    assert not one.covers("other", NOW)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("*", "ab"), ("a", "a"), ("?", "ab"), ("[b-z]", "b"), ("A", ""), ("", "")],
)
def test_a_pattern_names_slos(pattern: str, names: str) -> None:
    assert "".join(one for one in "ab" if named(pattern, one)) == names


@pytest.mark.parametrize(
    ("slos", "window", "by", "reason", "fault"),
    [
        (" ", WINDOW, "ann", "x", "pattern of SLO names"),
        ("*", WINDOW, "", "x", "name"),
        ("*", WINDOW, "ann", "x" * (MAX_TEXT + 1), "reason"),
        ("*", Window(NOW, NOW), "ann", "x", "longer than nothing"),
        ("*", Window(NOW, NOW + MAX_LENGTH + HOUR), "ann", "x", "at most 31 days"),
        ("*", Window(NOW - DAY, NOW), "ann", "x", "over already"),
    ],
)
def test_what_is_no_silence_is_refused(slos: str, window: Window, by: str, reason: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        checked(slos, window, by, reason, NOW)
    checked("*", WINDOW, "ann", "x" * MAX_TEXT, NOW)
