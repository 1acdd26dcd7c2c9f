"""Spread: rows lie farther from the centre, or nearer, than they used to, along the axes and beyond them together."""

from __future__ import annotations

from typing import Final

import numpy as np

from monitor.drift.detector import Parameters, standard, standardised
from monitor.drift.projection import Projection
from monitor.stats.inputs import Floats

_FLOOR: Final = 0.1
"""Added to the mean square before the logarithm: a row at the very centre must not count as an extreme one."""

_RESIDUAL_FLOOR: Final = 1e-3
"""Share of the variance added to the residual: rounding of half precision (about 1e-6) stays invisible."""

_LEAST_SCALE: Final = 0.05


class Spread:
    """Features: the logarithms of the mean squared whitened coordinate and of the residual.

    A pure widening moves both at once. Where the axes span everything, and in fits that were made before the residual
    counted, the first one alone.
    """

    name: Final = "spread"

    def learn(self, rows: Projection) -> Parameters:
        spans = rows.axes.shape[1] == rows.centred.shape[1]
        return standard(_logs(rows)[:, : 1 if spans else 2], _LEAST_SCALE)

    def features(self, rows: Projection, parameters: Parameters) -> Floats:
        return standardised(_logs(rows)[:, : parameters["centre"].size], parameters)


def _logs(rows: Projection) -> Floats:
    lengths = np.log(np.mean(rows.axes**2, axis=1) + _FLOOR)
    return np.stack([lengths, np.log(rows.residual / rows.variance + _RESIDUAL_FLOOR)], axis=1)
