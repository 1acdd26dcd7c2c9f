"""Residual projection: the centre of the traffic moved outside of the space that the leading axes span.

The energy of the residual tells only how long it is. Its direction does not fit a sketch, but random directions keep a
part of every shift: Lopes, Jacob and Wainwright (2011), "A More Powerful Two-Sample Test in High Dimensions using
Random Projection".
"""

from __future__ import annotations

from typing import Final

import numpy as np

from monitor.drift.detector import Parameters
from monitor.drift.projection import Projection
from monitor.stats.inputs import Floats

DIRECTIONS: Final = 32
"""In m directions a shift that is spread over the residual stands out by the root of m; each takes 5 bytes a sketch."""

_ROWS_PER_DIRECTION: Final = 10
_FLOOR: Final = 1e-4
"""Share of the variance added to that of each direction: rounding of half precision (about 1e-6) stays invisible."""


class ResidualProjection:
    """Features: the residual along random directions, ridge-whitened. Does not apply when the axes span everything."""

    name: Final = "residual_projection"
    weight: Final = 2.0
    directions: Final = "directions"

    def learn(self, rows: Projection) -> Parameters | None:
        n, dimension = rows.centred.shape
        axes = rows.axes.shape[1]
        count = min(DIRECTIONS, dimension - axes, n // _ROWS_PER_DIRECTION)
        if count < 1:
            return None
        directions = np.random.default_rng(0).standard_normal((dimension, count))
        projected = rows.centred @ directions
        explained = np.linalg.lstsq(rows.axes, projected, rcond=None)[0]
        beyond = projected - rows.axes @ explained
        variances, turn = np.linalg.eigh(beyond.T @ beyond / n)
        whiten = turn / np.sqrt(variances.clip(0.0) + _FLOOR * rows.variance)
        return {"directions": directions @ whiten, "explained": explained @ whiten}

    def features(self, rows: Projection, parameters: Parameters) -> Floats:
        beyond: Floats = rows.along[self.name] - rows.axes @ parameters["explained"]
        return beyond
