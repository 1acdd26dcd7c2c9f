"""Random features: any change of shape, through random Fourier features of Gaussian kernels at several widths.

Rahimi and Recht (2007), "Random Features for Large-Scale Kernel Machines"; the mean of the features is the kernel
mean embedding, and whitening them makes the test that of Harchaoui, Bach and Moulines (2008), "Testing for
Homogeneity with Kernel Fisher Discriminant Analysis".
"""

from __future__ import annotations

from typing import Final

import numpy as np

from monitor.drift.detector import Parameters
from monitor.drift.projection import Projection
from monitor.stats.inputs import Floats

WIDTHS: Final = (0.5, 1.0, 2.0)
"""Kernel widths in units of the root mean squared distance of two rows. For embeddings that is within a few percent
of the usual median, and unlike it does not collapse when many rows are equal, nor depend on the order of rows."""

FREQUENCIES: Final = 16
"""Per width; each gives a cosine and a sine."""

MAX_FEATURES: Final = 32
_ROWS_PER_FEATURE: Final = 10
_LEAST_VARIANCE: Final = 0.01
"""Kernel principal components below this share of the first are noise."""


class RandomFeatures:
    """Features: the leading ridge-whitened principal components of the random Fourier features."""

    name: Final = "random_features"
    weight: Final = 1.0
    directions: Final = "frequencies"

    def learn(self, rows: Projection) -> Parameters:
        n, dimension = rows.centred.shape
        draws = np.random.default_rng(0).standard_normal((dimension, FREQUENCIES * len(WIDTHS)))
        widths = np.repeat(WIDTHS, FREQUENCIES) * np.sqrt(2.0 * rows.variance)
        frequencies = draws / widths
        waves = _waves(rows.centred @ frequencies)
        centre = waves.mean(axis=0)
        variances, directions = np.linalg.eigh(np.cov(waves.T))
        kept = min(MAX_FEATURES, n // _ROWS_PER_FEATURE, int((variances > _LEAST_VARIANCE * variances[-1]).sum()))
        ridge = max(float(variances[:-kept].mean()), 0.0)
        return {
            "frequencies": frequencies,
            "centre": centre,
            "components": directions[:, : -kept - 1 : -1] / np.sqrt(variances[: -kept - 1 : -1] + ridge),
        }

    def features(self, rows: Projection, parameters: Parameters) -> Floats:
        waves = _waves(rows.along[self.name])
        components: Floats = (waves - parameters["centre"]) @ parameters["components"]
        return components


def _waves(phases: Floats) -> Floats:
    # Sines of 32 bits take a twentieth of the time, and a phase of a few radians needs no more.
    short = phases.astype(np.float32)
    return np.concatenate([np.cos(short), np.sin(short)], axis=1, dtype=np.float64)
