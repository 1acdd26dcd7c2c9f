"""Leading shift: the traffic's centre moved along the few axes that carry most of its variance.

The test of `mean_shift`, undiluted by axes that hold little: of a shift along ten axes out of forty it
sees as much with half the noise.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from monitor.drift.detector import Parameters
from monitor.drift.projection import Projection
from monitor.stats.inputs import Floats

MAX_AXES: Final = 12
_SHARE: Final = 3
"""One in so many of the kept axes: with more of them the test would be that of all."""


class LeadingShift:
    """Features: the whitened coordinates along the leading third of the axes. Does not apply to fewer than two."""

    name: Final = "leading_shift"

    def learn(self, rows: Projection) -> Parameters | None:
        count = min(MAX_AXES, rows.axes.shape[1] // _SHARE)
        return {"leading": np.arange(count)} if count >= 2 else None

    def features(self, rows: Projection, parameters: Parameters) -> Floats:
        return rows.axes[:, : parameters["leading"].size]
