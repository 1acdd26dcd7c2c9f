from __future__ import annotations

import pytest

from monitor.slo import duration


@pytest.mark.parametrize(
    ("shorthand", "minutes"),
    [("1m", 1), ("90m", 90), ("1h", 60), ("1d", 1440), ("4w", 40320), ("1M", 43200), ("1Q", 129600), ("1Y", 525600)],
)
def test_openslo_units(shorthand: str, minutes: int) -> None:
    assert duration.minutes(shorthand) == minutes


@pytest.mark.parametrize(
    "text", ["", "5", "m", "0m", "-5m", "1.5h", "5s", "5 m", "5m ", "5mm", "1h30m", "٥m", "1234567m"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        duration.minutes(text)


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0.4, "24 s"),
        (1, "1 min"),
        (59, "59 min"),
        (60, "1 h"),
        (90, "1 h 30 min"),
        (145.2, "2 h 25 min"),
        (6062.4, "4 d 5 h"),
        (1440, "1 d"),
        (10080, "7 d"),
        (40320, "28 d"),
    ],
)
def test_words(minutes: float, words: str) -> None:
    assert duration.words(minutes) == words
