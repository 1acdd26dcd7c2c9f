"""Spread: rows lie farther from the centre, or nearer, than they used to, along the axes and beyond them together."""

from __future__ import annotations

from typing import Final

from monitor.drift.detector import Parameters, standard, standardised
from monitor.drift.projection import Projection
from monitor.stats.inputs import Floats

_LEAST_SCALE: Final = 0.05


class Spread:
    """Features: the logarithms of the mean squared whitened coordinate and of the residual.

    A pure widening moves both at once. Where the axes span everything, and in fits that were made before the residual
    counted, the first one alone.
    """

    name: Final = "spread"
    weight: Final = 4.0
    directions: Final = None

    def learn(self, rows: Projection) -> Parameters:
        return standard(_length_first(rows), _LEAST_SCALE)

    def features(self, rows: Projection, parameters: Parameters) -> Floats:
        return standardised(_length_first(rows)[:, : parameters["centre"].size], parameters)


def _length_first(rows: Projection) -> Floats:
    return rows.energies[:, ::-1]
