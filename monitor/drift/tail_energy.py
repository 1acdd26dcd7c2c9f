"""Tail energy: more rows than usual lie farther out than nearly all of the reference: a few strangers among many."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.drift.detector import Parameters
from monitor.drift.projection import Projection
from monitor.stats.inputs import Floats

BEYOND: Final = 0.95
"""Rows of the fit below the threshold. A rarer tail would see smaller minorities, but in a window of 50 rows the number
of such rows is too uneven for a p-value."""

_WIDTH: Final = 0.5
"""Of the step at the threshold, in units of how far the tail reaches: so rows at its edge do not count by halves of a
rounding."""

_LEAST_WIDTH: Final = 0.1


class TailEnergy:
    """Features: whether the residual, and whether the length along the axes, lies in the reference's upper tail."""

    name: Final = "tail_energy"
    weight: Final = 1.0
    directions: Final = None

    def learn(self, rows: Projection) -> Parameters:
        energies = rows.energies
        threshold, far = np.quantile(energies, [BEYOND, 0.99], axis=0)
        width = np.maximum(_WIDTH * (far - threshold), _LEAST_WIDTH)
        beyond = _beyond(energies, threshold, width)
        return {
            "threshold": threshold,
            "width": width,
            "centre": beyond.mean(axis=0),
            "scale": np.maximum(beyond.std(axis=0), 0.1),
        }

    def features(self, rows: Projection, parameters: Parameters) -> Floats:
        beyond = _beyond(rows.energies, parameters["threshold"], parameters["width"])
        scaled: Floats = (beyond - parameters["centre"]) / parameters["scale"]
        return scaled


def _beyond(energies: Floats, threshold: NDArray[Any], width: NDArray[Any]) -> Floats:
    beyond: Floats = np.clip((energies - threshold) / width + 0.5, 0.0, 1.0)
    return beyond
