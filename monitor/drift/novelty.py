"""Novelty: a few rows lie far beyond all that the reference holds, however small their share.

A row counts by how far it lies beyond a threshold, in units of how far the reference's own rows do: the mean excess of
the peaks over a threshold, as in Davison and Smith (1990), "Models for Exceedances over High Thresholds".
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.drift.detector import Parameters, standardised
from monitor.drift.projection import Projection
from monitor.stats.inputs import Floats

BEYOND: Final = 0.95
"""Rows of the reference below the threshold. Fewer beyond it, and windows that calibrate do not tell how many."""

FARTHEST: Final = 8.0
"""Mean excesses at which a row counts no more: a single odd row must not be an alarm, two in a hundred may be one."""

_LEAST_EXCESS: Final = 0.1
_LEAST_SCALE: Final = 0.1


class Novelty:
    """Feature: how far a row lies beyond nearly all of the reference, by its residual or along the axes.

    Does not apply where hardly any row lies beyond, because many are equal.
    """

    name: Final = "novelty"
    weight: Final = 4.0
    directions: Final = None

    def learn(self, rows: Projection) -> Parameters | None:
        # They lie closer than rows will that the axes have not seen.
        energies = rows.energies_unseen(1.0 - _leverage(rows))
        threshold = np.quantile(energies, BEYOND, axis=0)
        beyond = np.maximum(energies - threshold, 0.0)
        excess = np.maximum(beyond.mean(axis=0) / (1.0 - BEYOND), _LEAST_EXCESS)
        counts = _farthest(energies, threshold, excess)
        centre, scale = counts.mean(axis=0), counts.std(axis=0)
        if scale < _LEAST_SCALE:
            return None
        reach = (FARTHEST - centre) / scale
        return {"threshold": threshold, "excess": excess, "centre": centre, "scale": scale, "reach": reach}

    def features(self, rows: Projection, parameters: Parameters) -> Floats:
        counts = _farthest(rows.energies, parameters["threshold"], parameters["excess"])
        return standardised(counts, parameters)


def _leverage(rows: Projection) -> Floats:
    """Share of each row that its own presence explains; without it, the residual's length is 1 / (1 - share) times as
    long, and its squared distance along the axes about as many times as far.

    Allen (1974), "The Relationship between Variable Selection and Data Augmentation and a Method for Prediction".
    """
    n = len(rows.axes)
    shares: Floats = (1.0 + np.square(rows.axes).sum(axis=1)) / n
    return np.minimum(shares, 0.5)


def _farthest(energies: Floats, threshold: NDArray[Any], excess: NDArray[Any]) -> Floats:
    excesses = np.clip((energies - threshold) / excess, 0.0, FARTHEST)
    farthest: Floats = excesses.max(axis=1, keepdims=True)
    return farthest
