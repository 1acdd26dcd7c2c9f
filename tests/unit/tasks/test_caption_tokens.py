"""Words of captions against Stanford's PTBTokenizer as the COCO evaluation runs it (see coco_reference.json)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.tasks.captions.tokens import MAX_CHARACTERS, words
from tests.pace import cost

REFERENCE = json.loads((Path(__file__).parent / "coco_reference.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("text", "expected"), REFERENCE["tokens"], ids=lambda value: str(value)[:30])
def test_tokens_are_those_of_the_official_tokenizer(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \t\n", []),
        ("... ?! --", ["?!"]),  # a run of marks is one token, and not on the list of what goes
        ("ein großer HUND", ["ein", "großer", "hund"]),
        ("日本の猫", ["日本の猫"]),  # no word breaks: one token
        ("👩‍🚀 on the moon", ["on", "the", "moon"]),
        ("I ❤️ cats ☀️", ["i", "cats"]),  # a heart and U+FE0F, which asks for it in colour
        ("1️⃣ cat, 2️⃣ dogs", ["1", "cat", "2", "dogs"]),
        ("cafe\u0301", ["caf\u00e9"]),  # an accent that is a character of its own
        ("x\u0301y \u0301 z", ["x\u0301y", "z"]),
        ("हिन्दी शब्द", ["हिन्दी", "शब्द"]),  # vowel signs are such characters
        ("re\u00addis\u00adcov\u00ader", ["rediscover"]),
    ],
)
def test_text_without_english_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text(max_size=60))
def test_any_text_is_cut_without_space_in_any_word(text: str) -> None:
    found = words(text)
    assert all(word and not word.isspace() and word == "".join(word.split()) for word in found)
    assert words(f"  {text}\n") == found


@pytest.mark.parametrize(
    "unit", ["a", "a.", "'", "n't", "-a", "(", "1,", "a@", "a@b.", ".", "' ", "www.", "<a", "\u0301"]
)
def test_hostile_repetition_costs_no_more_than_a_page(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    assert cost(lambda: words(text)) < 20


def test_what_is_beyond_the_limit_is_not_read() -> None:
    assert words("a " * MAX_CHARACTERS) == ["a"] * (MAX_CHARACTERS // 2)
