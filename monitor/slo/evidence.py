"""The evidence that a tier demands of both its windows before it fires, and with how many events it finds a trouble."""

from __future__ import annotations

from functools import cache
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrc, bdtrik, btdtrib, gammaln, ndtri, xlog1py, xlogy

from monitor.stats.inputs import Floats

SHORT_ALPHA = 0.1
"""Chance that the lower bound of the short window's bad share lies above the true one, in one look. Without it an
incident that is over opens anew on the next one or two bad events while the long window still remembers it: measured,
docs/slo.md."""
MIN_EVENTS = 10
MIN_BAD = 2
LATEST_LABELS = 5
LATEST_SHARE = 12
"""The latest max(5, n // 12) labels take the place of the short window (in the Workbook, a twelfth of the long one)."""
POWER = 0.8
"""With which `events_to_detect` promises a detection."""
_MOST = 10_000_000

Ints = NDArray[np.int64]


@cache
def events_to_detect(
    limit: float, bad_share: float, alpha: float, short_share: float | None, power: float = POWER
) -> int | None:
    """Smallest number of events in the long window with which a tier fires in one look with at least `power`.

    Up to 2,000 it is exactly that, beyond to a thousandth of it.

    Args:
        limit: bad share that the tier tolerates, in (0, 1).
        bad_share: true bad share of both windows, in (limit, 1].
        alpha: error rate of the long window's bound.
        short_share: the short window's part of the long one, in (0, 1]; None: its latest labels.
        power: probability of the detection asked for.

    Returns:
        None when more than ten million events are needed: the tier cannot tell the two apart.

    Raises:
        ValueError: shares that are not 0 < limit < bad share <= 1, or a short share, alpha or power that cannot be.
    """
    if not 0 < limit < bad_share <= 1:
        raise ValueError(f"a detection needs 0 < limit < bad share <= 1, not {limit} and {bad_share}")
    if not (0 < alpha < 1 and 0 < power < 1):
        raise ValueError(f"a detection needs alpha and power between 0 and 1, not {alpha} and {power}")
    if short_share is not None and not 0 < short_share <= 1:
        raise ValueError(f"a short window is a part of the long one, not {short_share} of it")
    # The normal approximation is within some tens of percent, too low where it errs much: the search starts below it.
    first = max(MIN_EVENTS, int(0.5 * _about(limit, bad_share, alpha, power)))
    if short_share is not None:
        first = max(first, int(0.7 * _about(limit, bad_share, SHORT_ALPHA, power) / short_share))
    while first < _MOST:
        step = max(1, first // 1000)
        n = np.arange(first, first + 128 * step, step)
        found = np.flatnonzero(_power(n[:, None], limit, bad_share, alpha, short_share) >= power)
        if found.size:
            return int(n[found[0]])
        first = int(n[-1]) + step
    return None


def _about(limit: float, bad_share: float, alpha: float, power: float) -> float:
    """Events that one window needs."""
    spread = ndtri(1 - alpha) * sqrt(limit * (1 - limit)) + ndtri(power) * sqrt(bad_share * (1 - bad_share))
    return float(spread / (bad_share - limit)) ** 2


def _power(n: Ints, limit: float, bad_share: float, alpha: float, short_share: float | None) -> Floats:
    """Probability [rows] that both windows show more than `limit`, for n [rows, 1] events in the long one.

    A window does when the lower Clopper-Pearson bound exceeds `limit`, which is when P(X >= bad) < alpha for
    X ~ Binomial(events, limit). The short one's events are among the long one's, so it is a sum over its bad ones.
    """
    if short_share is None:
        short = np.maximum(LATEST_LABELS, n // LATEST_SHARE)
        bad, chance = _likely(short, bad_share)
        chance *= bad >= _critical(short, limit, SHORT_ALPHA)
        others, bad_among_others = n - short, bad_share
    else:
        bad, chance = _likely(n, short_share * bad_share)
        others = n - bad
        left = 1 - short_share * bad_share or 1.0  # nothing is left where all are bad and in the short window
        most_good = _most_good(bad, limit)
        chance *= bdtr(np.clip(most_good, 0, others), others, short_share * (1 - bad_share) / left) * (most_good >= 0)
        # Good ones in the short window and bad ones elsewhere hinder each other, so their product is never too high.
        bad_among_others = (1 - short_share) * bad_share / left
    missing = np.maximum(_critical(n, limit, alpha), MIN_BAD) - bad
    found: Floats = (chance * bdtrc(np.minimum(missing - 1, others), others, bad_among_others)).sum(axis=1)
    return found


def _likely(n: Ints, share: float) -> tuple[Ints, Floats]:
    """Successes among n [rows, 1], all that are at all likely, and their probabilities: [rows, columns]."""
    width = 6 * np.sqrt(n * share * (1 - share)) + 8
    first = np.maximum(0, n * share - width).astype(np.int64)
    k = first + np.arange(2 * int(width.max()) + 1)
    within = np.minimum(k, n)
    logs = gammaln(n + 1) - gammaln(within + 1) - gammaln(n - within + 1)
    return within, np.exp(logs + xlogy(within, share) + xlog1py(n - within, -share)) * (k <= n)


def _critical(n: Ints, limit: float, alpha: float) -> Floats:
    """Fewest bad events of n whose lower bound exceeds `limit`."""
    found: Floats = np.ceil(bdtrik(1 - alpha, n, limit)) + 1
    return found


def _most_good(bad: Ints, limit: float) -> Floats:
    """Most good events beside which so many bad ones exceed `limit` in the short window; -1: even alone they do not."""
    least = int(bad.min())
    each = np.arange(least, int(bad.max()) + 1)
    # P(X >= bad) is the incomplete beta function with parameters bad and good + 1.
    most: Floats = np.where(each > 0, np.ceil(btdtrib(np.maximum(each, 1), SHORT_ALPHA, limit)) - 2, -1)
    return most[bad - least]
