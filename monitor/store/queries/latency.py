"""Latency quantiles from the histogram of `monitor.domain.histograms`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from monitor.domain.histograms import LATENCY_BINS, LATENCY_BOUNDS_MS

_EDGES = (0.0, *LATENCY_BOUNDS_MS)
SUM_OF_BINS = f"ARRAY[{', '.join(f'coalesce(sum(latency[{i}]), 0)' for i in range(1, LATENCY_BINS + 1))}]::bigint[]"
"""SQL: the histograms of a group added up. Sums by subscript are several times faster than unnesting them."""


@dataclass(frozen=True, slots=True)
class Quantile:
    """In milliseconds. The true value lies in (`lower`, `upper`]; `estimate` assumes an even spread within the bin.

    Beyond the last bound of the histogram `upper` and `estimate` are None.
    """

    estimate: float | None
    lower: float
    upper: float | None


def quantile(histogram: Sequence[int], share: float) -> Quantile | None:
    """The value that `share` of the answers did not exceed; None for an empty histogram.

    >>> counts = [0] * LATENCY_BINS; counts[3], counts[4] = 90, 10  # (2, 3] and (3, 5] ms
    >>> quantile(counts, 0.95)
    Quantile(estimate=4.0, lower=3, upper=5)
    """
    total = sum(histogram)
    if not total:
        return None
    rank = share * total
    for place, (before, after) in enumerate(pairwise(accumulate(histogram, initial=0))):
        if after >= rank and after > before:
            if place >= len(LATENCY_BOUNDS_MS):
                return Quantile(None, _EDGES[-1], None)
            lower, upper = _EDGES[place], _EDGES[place + 1]
            return Quantile(lower + (upper - lower) * (rank - before) / (after - before), lower, upper)
    raise AssertionError("the last count of a histogram reaches its total")
