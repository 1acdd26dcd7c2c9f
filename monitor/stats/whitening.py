"""Axes along which rows vary equally, and their squares: what a linear classifier can tell shifts and widenings by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.errors import NotEnoughData
from monitor.stats.inputs import Floats
from monitor.stats.shrinkage import ledoit_wolf

MAX_SQUARES: Final = 16
"""So many leading axes enter squared as well, for a widening moves no mean."""

_LONGEST: Final = 25.0
_LEAST_VARIANCE: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """A metric: `centre` [d], `axes` [d, k] of variance 1, `middle` and `spread` of the squares of the first ones."""

    centre: Floats
    axes: Floats
    middle: Floats
    spread: Floats

    def of(self, rows: Floats) -> NDArray[np.float32]:
        """Whitened axes of `rows` [n, d] and squares of the leading ones [n, m]."""
        whitened = (rows - self.centre) @ self.axes
        return np.concatenate([whitened, (_squares(whitened) - self.middle) / self.spread], axis=1).astype(np.float32)


def whitening(rows: Floats, weights: Floats) -> Whitening:
    """Learn the metric from `rows` [n, d], each counted by its weight [n] > 0, by a Ledoit-Wolf covariance.

    Raises:
        NotEnoughData: all rows are the same.
    """
    counts = (weights * (len(rows) / weights.sum()))[:, None]
    centre = (counts * rows).mean(axis=0)
    centred = rows - centre
    variances, axes = np.linalg.eigh(ledoit_wolf(np.sqrt(counts) * centred))
    variances, axes = variances[::-1], axes[:, ::-1]
    if variances[0] <= _LEAST_VARIANCE**2 * float(np.square(rows).max()):
        raise NotEnoughData(f"all {len(rows)} rows are the same: there is nothing to tell apart")
    kept = variances > _LEAST_VARIANCE * variances[0]
    scaled = axes[:, kept] / np.sqrt(variances[kept])
    squares = _squares(centred @ scaled)
    middle = (counts * squares).mean(axis=0)
    spread = np.maximum(np.sqrt((counts * (squares - middle) ** 2).mean(axis=0)), 0.05)
    return Whitening(centre, scaled, middle, spread)


def _squares(whitened: Floats) -> Floats:
    found: Floats = np.minimum(whitened[:, :MAX_SQUARES] ** 2, _LONGEST)
    return found
