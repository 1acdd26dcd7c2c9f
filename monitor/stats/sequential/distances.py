"""Evidence about which of two bounded means is further from 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.stats.inputs import Floats, as_outcomes, as_vector
from monitor.stats.sequential.bounded_means import BoundedMeans

_LOG_2: Final = float(np.log(2.0))


class Distances:
    """Values in [-1, 1] of two independent streams, compared by how far their means are from 0: |second| - |first|.

    That the means differ does not tell which is further out: 0.15 and -0.15 are equally far. With their difference D
    and their sum S the distances differ by at most d exactly when D <= d and S >= -d, or D >= -d and S <= d. Each `and`
    is refuted by the mean of the e-processes of `BoundedMeans` against its two sides, for one of them would do; the
    `or` by the smaller of the two that are left, for neither may hold.
    """

    reach = 1.0

    def __init__(self, values: ArrayLike, second: ArrayLike) -> None:
        """Rows in the order in which they became known: `values` [n] in [-1, 1], `second` [n] whether of that stream.

        Raises:
            NotEnoughData: lengths that differ, values out of range, or no block with rows of both streams.
        """
        self._difference = BoundedMeans(values, second)
        of_second = as_outcomes(second, "second") > 0.0
        measured = as_vector(values, "values")
        self._sum = BoundedMeans(np.where(of_second, measured, -measured), of_second)
        self.ends: NDArray[np.int64] = self._difference.ends

    @property
    def estimate(self) -> float:
        first, second = self._difference.means
        return abs(second) - abs(first)

    @property
    def rows_per_block(self) -> float:
        return self._difference.rows_per_block

    def against(self, differences: Floats) -> tuple[Floats, Floats]:
        """See `Evidence`; `differences` within [-1, 1]."""
        return self._refuted(BoundedMeans.against, differences, lambda one, other: np.logaddexp(one, other) - _LOG_2)

    def growth(self, difference: float) -> float:
        """See `Evidence`: that of the evidence which grows fastest, against the part that is refuted most slowly."""
        at_most, at_least = self._refuted(BoundedMeans.growths, np.array([difference]), np.maximum)
        return float((at_most if self.estimate > difference else at_least)[0])

    def _refuted(
        self,
        evidence: Callable[[BoundedMeans, Floats], tuple[Floats, Floats]],
        differences: Floats,
        either: Callable[[Floats, Floats], Floats],
    ) -> tuple[Floats, Floats]:
        """`evidence` against "at most" and "at least", as that of the difference and of the sum make it."""
        most, least = evidence(self._difference, differences)
        most_turned, least_turned = evidence(self._difference, -differences)
        sum_most, sum_least = evidence(self._sum, differences)
        sum_most_turned, sum_least_turned = evidence(self._sum, -differences)
        return (
            np.minimum(either(most, sum_least_turned), either(least_turned, sum_most)),
            np.minimum(either(least, sum_least), either(most_turned, sum_most_turned)),
        )
