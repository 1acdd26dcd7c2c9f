"""Quantiles of a histogram with fixed bounds, and what is known of their error: the bin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from monitor.errors import NotEnoughData
from monitor.stats.inputs import as_vector, check_share, is_number


@dataclass(frozen=True, slots=True)
class Quantile:
    """The true value lies in (`lower`, `upper`]; `estimate` assumes an even spread within the bin.

    Beyond the last bound of the histogram `upper` and `estimate` are None.
    """

    estimate: float | None
    lower: float
    upper: float | None


def quantile(histogram: Sequence[int], bounds: Sequence[float], share: float) -> Quantile | None:
    """The value that `share` of the rows did not exceed; None for an empty histogram.

    `histogram` [k + 1] counts values in (0, bounds[0]], (bounds[0], bounds[1]], ..., and beyond the last of the
    increasing `bounds` [k], as Prometheus does; `share` in (0, 1].

    >>> quantile([0, 90, 10, 0], (1, 2, 4), 0.95)
    Quantile(estimate=3.0, lower=2.0, upper=4.0)

    Raises:
        NotEnoughData: counts and bounds that do not belong together, counts below 0, bounds that are not positive and
            increasing, NaN, or a share outside (0, 1].
    """
    # As plain floats: sums of numpy's small integers run over.
    counts = as_vector(histogram, "the counts of a histogram", least=0).tolist()
    edges = [0.0, *as_vector(bounds, "the bounds of a histogram", least=0).tolist()]
    if len(counts) != len(edges):
        raise NotEnoughData(f"{len(edges) - 1} bounds make {len(edges)} bins, not {len(counts)}")
    if not (is_number(share) and share == 1.0):
        check_share(share, "share")
    if min(counts) < 0.0 or not all(lower < upper for lower, upper in pairwise(edges)):
        raise NotEnoughData("a histogram needs counts of 0 or more, and positive bounds that increase")
    reached = list(accumulate(counts, initial=0.0))
    rank = float(share) * reached[-1]
    for place, (before, after) in enumerate(pairwise(reached)):
        if after >= rank and after > before:
            if place == len(edges) - 1:
                return Quantile(None, edges[-1], None)
            lower, upper = edges[place], edges[place + 1]
            return Quantile(lower + (upper - lower) * ((rank - before) / (after - before)), lower, upper)
    return None
