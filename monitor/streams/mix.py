"""Streams of categories: which share of the traffic has which answer, or which metadata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.streams.stream import Categories, Observed, Vector

MAX_CATEGORIES: Final = 32
"""The most frequent ones of the reference; what is not among them counts as other."""

LEAST_SHARE: Final = 0.01
"""Of the reference's rows. Rarer ones vary by chance in a window of some hundred rows; together they are other."""

_LONGEST: Final = 200
"""Characters of a category. Longer answers are no categories, and references are read by people."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Indicator of each category that the reference knows, then the share of the row's categories that it does not.

    Vectors have length `MAX_CATEGORIES` + 1 whatever the reference knows; what is left over is 0. The mean of a window
    is thus the share of each category in it.
    """

    name: str
    meaning: str
    categories_of: Callable[[Observed], tuple[str, ...]]
    """None: the row does not count."""
    version: int = 1

    @property
    def features(self) -> tuple[str, ...]:
        return ()

    @property
    def dimension(self) -> int:
        return MAX_CATEGORIES + 1

    def learn(self, rows: Sequence[Observed]) -> Categories:
        """The most frequent categories, the most frequent one first; equally frequent ones in order of their names."""
        counted = Counter(one for row in rows for one in set(self.categories_of(row)))
        least = LEAST_SHARE * sum(bool(self.categories_of(row)) for row in rows)
        frequent = sorted((-count, name) for name, count in counted.items() if count >= max(least, 2.0))
        return tuple(name for _, name in frequent[:MAX_CATEGORIES])

    def vector(self, row: Observed, categories: Categories) -> Vector | None:
        found = set(self.categories_of(row))
        if not found:
            return None
        vector = np.zeros(self.dimension, dtype=np.float32)
        known = [index for index, name in enumerate(categories) if name in found]
        vector[known] = 1.0
        vector[-1] = 1.0 - len(known) / len(found)
        return vector


def _answer(row: Observed) -> tuple[str, ...]:
    """The answer as it is counted: without case, and without space around it."""
    return () if row.answer is None else (row.answer.strip().casefold()[:_LONGEST],)


def _metadata(row: Observed) -> tuple[str, ...]:
    """Every slice that the request names, configured or not, and its task."""
    return (f"task={row.task}", *(f"{name}={value}"[:_LONGEST] for name, value in row.slices.items()))


ANSWER_MIX = Mix("answer_mix", "Which answers are given how often: one answer for everything, new ones.", _answer)
METADATA = Mix(
    "metadata", "Who asks and for what: the mix of tasks, devices and other slices that requests name.", _metadata
)
