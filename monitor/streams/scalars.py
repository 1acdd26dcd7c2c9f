"""Streams of one number: how sure the model was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.stats.inputs import MOST
from monitor.streams.stream import Categories, Observed, Vector


@dataclass(frozen=True, slots=True)
class Scalar:
    """A stream of one number per prediction; vectors have length 1.

    A number that no fit can read, NaN or beyond `MOST`, counts as missing: one row must not stop all comparisons.
    """

    name: str
    meaning: str
    value: Callable[[Observed], float | None]
    version: int = 1

    @property
    def features(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def dimension(self) -> int:
        return 1

    def learn(self, rows: Sequence[Observed]) -> Categories:
        del rows
        return ()

    def vector(self, row: Observed, categories: Categories) -> Vector | None:
        del categories
        value = self.value(row)
        if value is None:
            return None
        with np.errstate(over="ignore"):
            vector = np.array([value], dtype=np.float32)
        return vector if abs(float(vector[0])) <= MOST else None  # 1e30 is more in single precision


def margin(row: Observed) -> float | None:
    """Score of the best candidate less that of the second best, in the unit of the scores; None below two."""
    if len(row.scores) < 2:
        return None
    best, second = sorted(row.scores, reverse=True)[:2]
    return best - second


CONFIDENCE = Scalar("confidence", "How sure the model says it is.", lambda row: row.confidence)
MARGIN = Scalar("margin", "How far the best candidate is ahead of the second: a near tie is a guess.", margin)
