"""Latency quantiles from the histogram of `monitor.domain.histograms`."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.domain.histograms import LATENCY_BINS, LATENCY_BOUNDS_MS
from monitor.stats import histogram_quantile
from monitor.stats.histogram_quantile import Quantile

SUM_OF_BINS = f"ARRAY[{', '.join(f'coalesce(sum(latency[{i}]), 0)' for i in range(1, LATENCY_BINS + 1))}]::bigint[]"
"""SQL: the histograms of a group added up. Sums by subscript are several times faster than unnesting them."""


def quantile(histogram: Sequence[int], share: float) -> Quantile | None:
    """The milliseconds that `share` of the answers did not exceed; None for an empty histogram.

    >>> counts = [0] * LATENCY_BINS; counts[3], counts[4] = 90, 10  # (2, 3] and (3, 5] ms
    >>> quantile(counts, 0.95)
    Quantile(estimate=4.0, lower=3.0, upper=5.0)
    """
    return histogram_quantile.quantile(histogram, LATENCY_BOUNDS_MS, share)
