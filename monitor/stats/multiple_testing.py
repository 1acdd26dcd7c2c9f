"""Many tests at one tick: which findings stay when the share of false ones is to be bounded."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from monitor.stats.inputs import Floats, as_shares


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """Adjusted p-values [m] in the order given: rejecting those <= q bounds the false discovery rate by q.

    Valid for independent tests and for positively dependent ones, as the streams and slices of one service are.
    Benjamini and Hochberg (1995), "Controlling the false discovery rate", JRSS B 57.

    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.5]).round(4).tolist()
    [0.04, 0.0533, 0.0533, 0.5]

    Raises:
        NotEnoughData: no p-value, or one that is not in [0, 1].
    """
    p = as_shares(p_values, "p_values")
    order = np.argsort(p, kind="stable")
    scaled = p[order] * p.size / np.arange(1, p.size + 1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted


def holm(p_values: ArrayLike) -> Floats:
    """Adjusted p-values [m] in the order given: rejecting those <= alpha bounds by alpha the chance of even one false
    rejection, however the tests depend on each other.

    Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6.

    >>> holm([0.01, 0.04, 0.03, 0.5]).round(4).tolist()
    [0.04, 0.09, 0.09, 0.5]

    Raises:
        NotEnoughData: no p-value, or one that is not in [0, 1].
    """
    p = as_shares(p_values, "p_values")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    return adjusted
