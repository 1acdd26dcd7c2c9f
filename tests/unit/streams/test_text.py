"""Text features against values counted by hand."""

from __future__ import annotations

import math

import pytest

from monitor.streams.text import MOST_CHARACTERS, TEXT_UNITS, text_features


def test_an_english_question_counted_by_hand() -> None:
    found = text_features("How many RED mugs, 12 or 3?")  # 27 characters, 7 words, 6 spaces: 21 others
    assert found["characters"] == pytest.approx(math.log(28))
    assert found["words"] == pytest.approx(math.log(8))
    assert found["word_length"] == pytest.approx(math.log(1 + 21 / 7))
    assert found["digits"] == pytest.approx(3 / 21)
    assert found["punctuation"] == pytest.approx(2 / 21)
    assert found["upper_case"] == pytest.approx(4 / 16)
    assert found["latin"] == 1.0
    assert found["distinct_words"] == 1.0


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Сколько кружек?", "cyrillic"),
        ("كم عدد الأكواب؟", "arabic_hebrew"),
        ("כמה ספלים?", "arabic_hebrew"),
        ("杯子有几个?", "east_asian"),
        ("コップはいくつ?", "east_asian"),
        ("컵이 몇 개?", "east_asian"),
        ("Πόσες κούπες;", "other_scripts"),
        ("Wie viele Tassen?", "latin"),
    ],
)
def test_the_script_of_letters_is_told(text: str, script: str) -> None:
    found = text_features(text)
    shares = {name: found[name] for name in ("latin", "cyrillic", "arabic_hebrew", "east_asian", "other_scripts")}
    # The sound mark of Japanese and Korean words has letters of its own kind, never of another script.
    assert max(shares, key=lambda name: shares[name]) == script
    assert shares[script] > 0.8


def test_repetition_and_entropy() -> None:
    assert text_features("aaaa")["repeated"] == 1.0
    assert text_features("abab")["repeated"] == 0.0
    assert text_features("abab")["entropy"] == pytest.approx(1.0)
    assert text_features("abcd")["entropy"] == pytest.approx(2.0)
    assert text_features("no No NO")["distinct_words"] == pytest.approx(1 / 3)
    assert text_features("a+b = 2€")["symbols"] == pytest.approx(3 / 6)


def test_an_empty_text_has_features_of_nothing() -> None:
    assert set(text_features("").values()) == {0.0}
    assert list(text_features("")) != []
    assert set(text_features("")) == set(TEXT_UNITS)


def test_a_long_text_counts_in_its_length() -> None:
    long = "word " * MOST_CHARACTERS
    assert text_features(long)["characters"] == pytest.approx(math.log1p(len(long)))
    assert text_features(long)["words"] == pytest.approx(math.log(MOST_CHARACTERS), abs=1e-2)
