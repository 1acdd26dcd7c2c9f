"""Second moments: the traffic widens, narrows or turns along single axes while its centre stays."""

from __future__ import annotations

from typing import Final

import numpy as np

from monitor.drift.detector import Parameters, standard, standardised
from monitor.drift.projection import Projection
from monitor.stats.inputs import Floats

MAX_AXES: Final = 16
"""The leading axes carry most of the variance; more of them would dilute the test."""

_LEAST_SCALE: Final = 0.05
_LONGEST: Final = 25.0
"""Squares beyond five standard deviations say no more than that."""


class SecondMoments:
    """Features: the squares of the leading whitened coordinates."""

    name: Final = "second_moments"
    weight: Final = 1.0
    directions: Final = None

    def learn(self, rows: Projection) -> Parameters:
        return standard(_squares(rows), _LEAST_SCALE)

    def features(self, rows: Projection, parameters: Parameters) -> Floats:
        return standardised(_squares(rows), parameters)


def _squares(rows: Projection) -> Floats:
    squares: Floats = np.minimum(rows.axes[:, :MAX_AXES] ** 2, _LONGEST)
    return squares
