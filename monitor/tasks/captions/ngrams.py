"""Runs of words and how often they occur."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

MAX_N: Final = 4
"""BLEU and CIDEr-D both count runs of one to four words."""

Ngram = tuple[str, ...]


def ngrams(words: Sequence[str]) -> Counter[Ngram]:
    """Every run of one to four words, with how often it occurs.

    >>> sorted(ngrams(["a", "cat", "a"]).items())[:2]
    [(('a',), 2), (('a', 'cat'), 1)]
    """
    return Counter(tuple(words[start : start + n]) for n in range(1, MAX_N + 1) for start in range(len(words) - n + 1))
