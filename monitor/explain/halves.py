"""Both windows at once, or one half of each: what a candidate says of them, in which part of the traffic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.domain.slices import ALL_TRAFFIC, Slice
from monitor.explain.candidates import Candidate
from monitor.explain.rows import Rows
from monitor.stats.dominance import Dominance, dominance
from monitor.stats.inputs import Floats

LEAST_GROUPS: Final = 10
"""Of rows that have a value, in either window; below it nothing is said."""

Values = tuple[Floats, Floats]
"""One number per reference row [n] and current row [m], NaN where there is none."""
Where = tuple[NDArray[np.bool_], NDArray[np.bool_]]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Rows of the reference and the current window."""

    reference: Rows
    current: Rows
    confidence: float

    def halves(self, rng: np.random.Generator) -> tuple[Windows, Windows]:
        """One half of the groups of each window, and the other."""
        before, now = self.reference.halves(rng), self.current.halves(rng)
        first, second = (Windows(one, other, self.confidence) for one, other in zip(before, now, strict=True))
        return first, second

    def where(self, part: Slice) -> Where:
        """Which rows lie in a slice, bool [n] and [m]."""
        if part == ALL_TRAFFIC:
            return np.ones(len(self.reference), dtype=bool), np.ones(len(self.current), dtype=bool)
        return self.reference.within(part.dimension, part.value), self.current.within(part.dimension, part.value)

    def values(self, candidate: Candidate) -> Values:
        """What the candidate measures; of a share 1 where a row belongs to it, 0 where it does not."""
        found = candidate.measure(self.reference), candidate.measure(self.current)
        if not candidate.share:
            return found
        before, now = (np.where(np.isfinite(one), (one > 0.0).astype(np.float64), np.nan) for one in found)
        return before, now

    def compare(self, values: Values, where: Where) -> Dominance | None:
        """Dominance of current values over the reference's among the rows `where`; None where they are too few."""
        keep = [side & np.isfinite(one) for side, one in zip(where, values, strict=True)]
        groups = self.reference.numbers[keep[0]], self.current.numbers[keep[1]]
        if min(np.unique(one).size for one in groups) < LEAST_GROUPS:
            return None
        return dominance(
            values[0][keep[0]], values[1][keep[1]],
            reference_groups=groups[0], current_groups=groups[1], confidence=self.confidence,
        )  # fmt: skip
