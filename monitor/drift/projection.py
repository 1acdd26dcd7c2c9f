"""Rows as every detector sees them: centred, along the leading axes, and what the axes leave over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from monitor.stats.inputs import Floats

_RESIDUAL_FLOOR: Final = 1e-3
"""Share of the variance added before the logarithm: rounding of half precision (about 1e-6) stays invisible."""
_LENGTH_FLOOR: Final = 0.1
"""Added to the mean square before the logarithm: a row at the very centre must not count as an extreme one."""


@dataclass(frozen=True, eq=False)
class Projection:
    """n rows under a frozen frame.

    `centred` [n, d] is in the embedding's unit; `axes` [n, k] has about unit variance on the rows of the fit;
    `residual` [n] is the squared length that the k axes do not explain (all but zero when k = d);
    `variance` is the mean squared length of the fit's centred rows, the natural unit of `residual`. `along` has, by
    detector, the products [n, m] of the centred rows and its own directions; none while detectors learn.
    """

    centred: Floats
    axes: Floats
    residual: Floats
    variance: float
    along: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def spans(self) -> bool:
        """Do the axes span everything? Then the residual is rounding."""
        return bool(self.axes.shape[1] == self.centred.shape[1])

    @cached_property
    def energies(self) -> Floats:
        """Logarithms [n, 2] of the residual and of the mean squared coordinate; [n, 1] without the former where the
        axes span everything."""
        return self.energies_unseen(1.0)

    def energies_unseen(self, unseen: Floats | float) -> Floats:
        """`energies` of rows like these that the axes were not learnt on.

        Args:
            unseen: [n] share of each row that the axes were not learnt on.
        """
        lengths = np.log(np.mean(self.axes**2, axis=1) / unseen + _LENGTH_FLOOR)
        if self.spans:
            return np.asarray(lengths[:, None])
        residuals = np.log(self.residual / self.variance / np.square(unseen) + _RESIDUAL_FLOOR)
        return np.stack([residuals, lengths], axis=1)
