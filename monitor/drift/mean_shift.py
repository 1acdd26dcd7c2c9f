"""Mean shift: the traffic's centre moved along the leading axes.

Hotelling (1931), "The generalization of Student's ratio", on ridge-whitened principal axes.
"""

from __future__ import annotations

from typing import Final

from monitor.drift.detector import Parameters
from monitor.drift.projection import Projection
from monitor.stats.inputs import Floats


class MeanShift:
    """Features: the whitened coordinates themselves."""

    name: Final = "mean_shift"
    weight: Final = 2.0
    directions: Final = None

    def learn(self, rows: Projection) -> Parameters:
        del rows  # the frame has all that is needed
        return {}

    def features(self, rows: Projection, parameters: Parameters) -> Floats:
        del parameters
        return rows.axes
