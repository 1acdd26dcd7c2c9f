"""A covariance from few observations: pulled towards a round one as far as the data call for it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from monitor.stats.inputs import Floats, as_matrix


def ledoit_wolf(rows: ArrayLike) -> Floats:
    """Covariance [d, d] of `rows` [n, d] whose mean is known to be zero: (1 - a) S + a tr(S)/d I.

    a in [0, 1] minimises the expected squared error; with few rows it is near 1, and directions in which the rows
    really vary more than elsewhere survive it.
    Ledoit and Wolf (2004), "A well-conditioned estimator for large-dimensional covariance matrices", J. Multivariate
    Analysis 88.

    Raises:
        NotEnoughData: no rows, no columns, NaN.
    """
    known = as_matrix(rows, "rows")
    n, d = known.shape
    sample = known.T @ known / n
    squared_norm = float((sample**2).sum())
    mean_variance = float(np.trace(sample)) / d
    spread = squared_norm - d * mean_variance**2
    noise = float(((known**2).sum(axis=1) ** 2).sum()) / n**2 - squared_norm / n
    pull = min(max(noise, 0.0) / spread, 1.0) if spread > 0.0 else 1.0
    shrunk: Floats = (1.0 - pull) * sample + pull * mean_variance * np.eye(d)
    return shrunk
