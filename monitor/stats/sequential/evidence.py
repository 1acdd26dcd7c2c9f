"""What a stream of evidence must tell, whatever it rests on."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.stats.inputs import Floats


class Evidence(Protocol):
    """About the difference of two rates, means or distances from 0, second - first, gathered block by block."""

    ends: NDArray[np.int64]
    """[blocks], the index of the last increment of each."""

    @property
    def estimate(self) -> float:
        """The difference as observed in all blocks, of rows that came together (`like_for_like`)."""

    @property
    def reach(self) -> float:
        """The difference lies in [-reach, reach] whatever was observed."""

    @property
    def rows_per_block(self) -> float:
        """Rows of the second stream in a block, on average."""

    def against(self, differences: Floats) -> tuple[Floats, Floats]:
        """Logarithms [blocks, d] of two e-processes for each of `differences` [d].

        The first is one under "the true difference is at most this", the second under "at least this": at any stopping
        time its expectation is at most 1, so it ever exceeds 1 / alpha with probability at most alpha (Ville, 1939).
        """

    def growth(self, difference: float) -> float:
        """By how much the logarithm of the e-process against `difference` may be expected to grow with each further
        block, if rows go on as observed; 0 or less where it will not."""
