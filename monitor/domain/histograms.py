"""Fixed histogram bounds: because they never change, histograms of any two periods add up exactly.

A bin counts the values that are <= its bound and > the bound before it, as in Prometheus; the last bin is the overflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LATENCY_BOUNDS_MS: tuple[float, ...] = (
    1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700,
    1000, 1500, 2000, 3000, 5000, 7000, 10000, 15000, 20000, 30000, 60000,
)  # fmt: skip
LATENCY_BINS = len(LATENCY_BOUNDS_MS) + 1

CONFIDENCE_BINS = 20
"""Equal-width bins of [0, 1]; bin i covers [i/20, (i+1)/20), the last one includes 1."""
CONFIDENCE_MIDDLES: Final = (np.arange(CONFIDENCE_BINS) + 0.5) / CONFIDENCE_BINS
"""For which all confidences of a bin are taken, wherever only the bin is known."""
_CONFIDENCE_BOUNDS = tuple(index / CONFIDENCE_BINS for index in range(1, CONFIDENCE_BINS))


def latency_bins(milliseconds: Sequence[float] | NDArray[np.floating[Any]]) -> NDArray[np.intp]:
    """Index of each value's bin [n]; `LATENCY_BINS - 1` is the overflow beyond one minute. NaN is no latency.

    >>> latency_bins([300, 300.1, 1e9]).tolist()
    [15, 16, 29]
    """
    return np.searchsorted(LATENCY_BOUNDS_MS, milliseconds, side="left")


def confidence_bins(confidences: Sequence[float] | NDArray[np.floating[Any]]) -> NDArray[np.intp]:
    """Index of the bin of each value [n] in [0, 1]. NaN is no confidence.

    >>> confidence_bins([0.0, 0.05, 1.0]).tolist()
    [0, 1, 19]
    """
    return np.searchsorted(_CONFIDENCE_BOUNDS, confidences, side="right")
