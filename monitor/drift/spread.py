"""Spread: rows lie farther from the centre, or nearer, than they used to, in all leading axes together."""

from __future__ import annotations

from typing import Final

import numpy as np

from monitor.drift.detector import Parameters, standard, standardised
from monitor.drift.projection import Projection
from monitor.stats.inputs import Floats

_FLOOR: Final = 0.1
"""Added to the mean square before the logarithm: a row at the very centre must not count as an extreme one."""

_LEAST_SCALE: Final = 0.05


class Spread:
    """Feature: the logarithm of the mean squared whitened coordinate, which a pure widening moves at once."""

    name: Final = "spread"

    def learn(self, rows: Projection) -> Parameters:
        return standard(_log_length(rows), _LEAST_SCALE)

    def features(self, rows: Projection, parameters: Parameters) -> Floats:
        return standardised(_log_length(rows), parameters)


def _log_length(rows: Projection) -> Floats:
    logs: Floats = np.log(np.mean(rows.axes**2, axis=1, keepdims=True) + _FLOOR)
    return logs
