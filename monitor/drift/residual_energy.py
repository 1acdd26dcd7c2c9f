"""Residual energy: rows leave the space that the reference's leading axes span. New content shows here first."""

from __future__ import annotations

from typing import Final

from monitor.drift.detector import Parameters, standard, standardised
from monitor.drift.projection import Projection
from monitor.stats.inputs import Floats

_LEAST_SCALE: Final = 0.05


class ResidualEnergy:
    """Feature: the logarithm of what the axes leave over. Does not apply when the axes span everything."""

    name: Final = "residual_energy"
    weight: Final = 1.0
    directions: Final = None

    def learn(self, rows: Projection) -> Parameters | None:
        return None if rows.spans else standard(_log_residual(rows), _LEAST_SCALE)

    def features(self, rows: Projection, parameters: Parameters) -> Floats:
        return standardised(_log_residual(rows), parameters)


def _log_residual(rows: Projection) -> Floats:
    return rows.energies[:, :1]
