"""Streams of one number: how sure the model was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.streams.stream import Categories, Observed, Vector


@dataclass(frozen=True, slots=True)
class Scalar:
    """A stream of one number per prediction; vectors have length 1."""

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
        return None if value is None or not np.isfinite(value) else np.array([value], dtype=np.float32)


def margin(row: Observed) -> float | None:
    """Score of the best candidate less that of the second best, in the unit of the scores; None below two."""
    if len(row.scores) < 2:
        return None
    best, second = sorted(row.scores, reverse=True)[:2]
    return best - second


CONFIDENCE = Scalar("confidence", "How sure the model says it is.", lambda row: row.confidence)
MARGIN = Scalar("margin", "How far the best candidate is ahead of the second: a near tie is a guess.", margin)
