"""Evidence about the difference of two bounded means: betting on block after block."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.errors import NotEnoughData
from monitor.stats.inputs import Floats, as_outcomes, as_vector
from monitor.stats.sequential.blocks import block_ends, block_sums, like_for_like

_GROWTH: Final = 0.001
"""Small blocks: the mean of a large one is surer than the bounds of its range, which limit the bets, let it be used."""

_BETS: Final = np.geomspace(0.01, 0.9, 12)
"""Fractions of the largest bet that cannot lose everything; the wealth is the mean over all of them."""


class BoundedMeans:
    """Values in [-1, 1] of two independent streams, compared by the difference of their means in each block.

    Under "the difference is at most d" the factor 1 + bet (block's difference - d) has expectation at most 1 for every
    bet >= 0 that keeps it positive, and so has the mean of the products over several fixed bets. Waudby-Smith and
    Ramdas (2024), "Estimating means of bounded random variables by betting", JRSS B 86(1), for one stream.
    Rows of a block come from the same time, so what moves both streams alike does no harm.
    """

    reach = 2.0

    def __init__(self, values: ArrayLike, second: ArrayLike) -> None:
        """Rows in the order in which they became known: `values` [n] in [-1, 1], `second` [n] whether of that stream.

        Raises:
            NotEnoughData: lengths that differ, values out of range, or no block with rows of both streams.
        """
        measured, of_second = as_vector(values, "values", least=0), as_outcomes(second, "second", least=0)
        if measured.size != of_second.size:
            raise NotEnoughData(f"{measured.size} values of {of_second.size} rows")
        if (np.abs(measured) > 1.0).any():
            raise NotEnoughData("values must lie in [-1, 1]")
        self.ends: NDArray[np.int64] = block_ends(1.0 - of_second, of_second, _GROWTH)
        if not self.ends.size:
            raise NotEnoughData("there is no block yet that holds rows of both streams")
        streams = np.stack([1.0 - of_second, of_second])
        self.rows = np.stack([block_sums(one, self.ends) for one in streams])
        self.sums = np.stack([block_sums(one * measured, self.ends) for one in streams])
        means = self.sums / self.rows
        self._differences = means[1] - means[0]

    @property
    def means(self) -> tuple[float, float]:
        """Of the first and of the second stream, over the same blocks alike."""
        first, second = like_for_like(self.rows, self.sums)[:, -1].tolist()
        return first, second

    @property
    def estimate(self) -> float:
        first, second = self.means
        return second - first

    @property
    def rows_per_block(self) -> float:
        return float(self.rows[1].mean())

    def against(self, differences: Floats) -> tuple[Floats, Floats]:
        """See `Evidence`; `differences` within (-2, 2)."""
        return self._wealth(differences, 1.0), self._wealth(differences, -1.0)

    def growth(self, difference: float) -> float:
        """See `Evidence`."""
        at_most, at_least = self.growths(np.array([difference]))
        return float((at_most if self.estimate > difference else at_least)[0])

    def growths(self, differences: Floats) -> tuple[Floats, Floats]:
        """The mean growth [d] of the best bet so far, against "at most" and "at least" each of `differences` [d]."""
        at_most, at_least = (self._log_factors(differences, sign).mean(axis=1).max(axis=0) for sign in (1.0, -1.0))
        return at_most, at_least

    def _wealth(self, differences: Floats, sign: float) -> Floats:
        products = np.cumsum(self._log_factors(differences, sign), axis=1)
        largest = products.max(axis=0)
        mixed: Floats = largest + np.log(np.exp(products - largest).mean(axis=0))
        return mixed

    def _log_factors(self, differences: Floats, sign: float) -> Floats:
        """Logarithms [bets, blocks, d] of 1 + bet sign (observed - d); at worst the observed one is -sign reach."""
        excess = sign * (self._differences[:, None] - differences)
        worst = self.reach + sign * differences
        factors: Floats = np.log1p(_BETS[:, None, None] * (excess / worst))
        return factors
