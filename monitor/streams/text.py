"""Streams of text: its length, its characters and its script, which every language has."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import Final

import numpy as np

from monitor.streams.stream import Categories, Observed, Vector

TEXT_UNITS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "characters": 0.5,
        "words": 0.5,
        "word_length": 0.25,
        "lines": 0.5,
        "digits": 0.1,
        "upper_case": 0.1,
        "punctuation": 0.1,
        "symbols": 0.1,
        "latin": 0.25,
        "cyrillic": 0.25,
        "arabic_hebrew": 0.25,
        "east_asian": 0.25,
        "other_scripts": 0.25,
        "repeated": 0.1,
        "entropy": 0.5,
        "distinct_words": 0.25,
    }
)
"""Feature -> how much of it is one unit of the stream's vectors, about its spread in traffic of one kind.

`characters`, `words`, `word_length` (mean) and `lines` are logarithms of 1 + the count; `digits`, `punctuation` and
`symbols` (Unicode categories N, P and S) are shares of all characters that are no space; `upper_case` and the scripts
are shares of letters; `repeated` is the share of characters equal to the one before; `entropy` that of the characters
in bits; `distinct_words` the share of words that come for the first time, without case.
"""

MOST_CHARACTERS: Final = 4096
"""What stands behind them counts in the length alone."""

_SHORT: Final = 500
_SCRIPTS: Final = {
    "LATIN": "latin", "FULLWIDTH": "latin", "CYRILLIC": "cyrillic", "ARABIC": "arabic_hebrew",
    "HEBREW": "arabic_hebrew", "CJK": "east_asian", "HIRAGANA": "east_asian", "KATAKANA": "east_asian",
    "KATAKANA-HIRAGANA": "east_asian", "HANGUL": "east_asian", "BOPOMOFO": "east_asian",
}  # fmt: skip
"""First word of a letter's Unicode name -> feature; letters of others are `other_scripts`."""
_CLASSES: Final = {"N": "digits", "P": "punctuation", "S": "symbols"}
_SCRIPT_FEATURES: Final = ("latin", "cyrillic", "arabic_hebrew", "east_asian", "other_scripts")


def text_features(text: str) -> dict[str, float]:
    """The features of `TEXT_UNITS`, in the units that its description gives; all 0 for an empty text."""
    head = text[:MOST_CHARACTERS]
    words = head.split()
    characters = Counter(head)
    seen = dict.fromkeys(("space", "letters", "upper_case", *_CLASSES.values(), *_SCRIPT_FEATURES), 0)
    for character, count in characters.items():
        for name in _traits(character):
            seen[name] += count
    shown, letters, size = max(len(head) - seen["space"], 1), max(seen["letters"], 1), max(len(head), 1)
    return {
        "characters": math.log1p(len(text)),
        "words": math.log1p(len(words) * len(text) / size),
        "word_length": math.log1p(sum(map(len, words)) / max(len(words), 1)),
        "lines": math.log1p(head.count("\n")),
        **{name: seen[name] / shown for name in _CLASSES.values()},
        **{name: seen[name] / letters for name in ("upper_case", *_SCRIPT_FEATURES)},
        "repeated": sum(one == two for one, two in pairwise(head)) / max(len(head) - 1, 1),
        "entropy": -sum(n / size * math.log2(n / size) for n in characters.values()),
        "distinct_words": len({word.casefold() for word in words}) / max(len(words), 1),
    }


@lru_cache(maxsize=20_000)
def _traits(character: str) -> tuple[str, ...]:
    """What a character counts as."""
    if character.isspace():
        return ("space",)
    category = unicodedata.category(character)
    if category[0] != "L":
        return (_CLASSES[category[0]],) if category[0] in _CLASSES else ()
    script = _SCRIPTS.get(unicodedata.name(character, "").partition(" ")[0], "other_scripts")
    return ("letters", script, "upper_case") if category == "Lu" else ("letters", script)


@dataclass(frozen=True, slots=True)
class TextFeatures:
    """The features of one text of the prediction, each in its unit."""

    name: str
    meaning: str
    text: Callable[[Observed], str | None]
    version: int = 1

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(TEXT_UNITS)

    @property
    def dimension(self) -> int:
        return len(TEXT_UNITS)

    def learn(self, rows: Sequence[Observed]) -> Categories:
        del rows
        return ()

    def vector(self, row: Observed, categories: Categories) -> Vector | None:
        del categories
        text = self.text(row)
        if text is None:
            return None
        return _remembered(text) if len(text) <= _SHORT else _vector(text)


def _vector(text: str) -> Vector:
    found = text_features(text)
    vector = np.array([found[name] / unit for name, unit in TEXT_UNITS.items()], dtype=np.float32)
    vector.flags.writeable = False
    return vector


_remembered = lru_cache(maxsize=5000)(_vector)
"""Short prompts and answers repeat."""


PROMPT_TEXT = TextFeatures(
    "prompt_text", "Length, characters and script of the questions, whatever they mean.", lambda row: row.prompt
)
ANSWER_TEXT = TextFeatures(
    "answer_text", "Length, characters and script of the answers: longer ones, cut off ones.", lambda row: row.answer
)
