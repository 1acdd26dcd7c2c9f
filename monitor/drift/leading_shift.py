"""Leading shift: the traffic's centre moved along the axes that carry most of its variance.

The test of `mean_shift`, undiluted by axes that hold little: each axis counts by the variance that it carries, as in a
distance of means that nobody whitened. It is the linear part of what maximum mean discrepancy sees.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from monitor.drift.detector import REACH, Parameters
from monitor.drift.projection import Projection
from monitor.stats.inputs import Floats

MAX_AXES: Final = 32
"""Those beyond carry next to nothing, and each takes 5 bytes a sketch."""


class LeadingShift:
    """Features: coordinates along the axes, in units of the first one's deviation. Does not apply to a single axis."""

    name: Final = "leading_shift"
    weight: Final = 8.0
    directions: Final = None

    def learn(self, rows: Projection) -> Parameters | None:
        leading = rows.axes[:, :MAX_AXES]
        axes = leading.shape[1]
        if axes < 2:
            return None
        # A coordinate is the row along the axis over its scale, so this takes the scales back.
        scales = np.linalg.norm(rows.centred.T @ leading, axis=0) / np.square(leading).sum(axis=0)
        weights = scales / scales.max()
        return {"weights": weights, "reach": np.asarray(np.linalg.norm(weights) + REACH - np.sqrt(axes))}

    def features(self, rows: Projection, parameters: Parameters) -> Floats:
        # Older fits took some leading axes, all alike.
        weights = parameters["weights"] if "weights" in parameters else np.ones(parameters["leading"].size)
        return np.asarray(rows.axes[:, : weights.size] * weights)
