"""Residual energy: rows leave the space that the reference's leading axes span. New content shows here first."""

from __future__ import annotations

from typing import Final

import numpy as np

from monitor.drift.detector import Parameters, standard, standardised
from monitor.drift.projection import Projection
from monitor.stats.inputs import Floats

_FLOOR: Final = 1e-3
"""Share of the variance added before the logarithm: rounding of half precision (about 1e-6) stays invisible."""

_LEAST_SCALE: Final = 0.05


class ResidualEnergy:
    """Feature: the logarithm of what the axes leave over. Does not apply when the axes span everything."""

    name: Final = "residual_energy"

    def learn(self, rows: Projection) -> Parameters | None:
        if rows.axes.shape[1] == rows.centred.shape[1]:
            return None
        return standard(_log_residual(rows), _LEAST_SCALE)

    def features(self, rows: Projection, parameters: Parameters) -> Floats:
        return standardised(_log_residual(rows), parameters)


def _log_residual(rows: Projection) -> Floats:
    logs: Floats = np.log(rows.residual / rows.variance + _FLOOR)[:, None]
    return logs
