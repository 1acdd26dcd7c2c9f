"""The reliability table: answers in bins of confidence, and how many of each bin are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.stats.calibration.rows import Rows, as_rows
from monitor.stats.inputs import Floats, check_share, check_whole
from monitor.stats.intervals import Interval
from monitor.stats.weighted import weighted_share

DEFAULT_BINS: Final = 15
"""The number of Guo et al. (2017) and most papers since, so that figures can be compared."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Answers whose confidence lies in [lower, upper); the last bin includes 1.

    `n` answers hold `share` in [0, 1] of all weight. `confidence` is their (weighted) mean, `accuracy` the (weighted)
    share of correct ones, `interval` its Wilson interval and `effective_n` the number of equally weighted answers that
    would be as sure. In a bin without answers the first, second and third are None.
    """

    lower: float
    upper: float
    n: int
    share: float
    effective_n: float
    confidence: float | None
    accuracy: float | None
    interval: Interval | None


def reliability_table(
    confidence: ArrayLike,
    correct: ArrayLike,
    *,
    probability: ArrayLike | None = None,
    bins: int = DEFAULT_BINS,
    equal_mass: bool = False,
    level: float = 0.95,
) -> tuple[ReliabilityBin, ...]:
    """The table of `confidence` [n] in [0, 1] and `correct` [n], true or false.

    Args:
        probability: [n] in (0, 1], of each answer to have been drawn for labelling; None: all alike.
        bins: of equal width over [0, 1], empty ones included (Guo et al., 2017, "On Calibration of Modern Neural
            Networks", ICML, section 2).
        equal_mass: bins of as equal weight as equal confidences allow instead, none of them empty (Nguyen and O'Connor,
            2015, "Posterior calibration and exploratory analysis for natural language processing models", EMNLP;
            Nixon et al., 2019, "Measuring Calibration in Deep Learning", CVPR workshops).
        level: of the intervals.

    Raises:
        NotEnoughData: rows that `as_rows` refuses, no bins, or level outside (0, 1).
    """
    return table_of(as_rows(confidence, correct, probability), bins=bins, equal_mass=equal_mass, level=level)


def table_of(rows: Rows, *, bins: int, equal_mass: bool, level: float) -> tuple[ReliabilityBin, ...]:
    """The same of checked rows.

    Raises:
        NotEnoughData: no bins, or level outside (0, 1).
    """
    check_share(level, "level")
    check_whole(bins, "bins", least=1)
    edges = _edges_of_equal_mass(rows, bins) if equal_mass else np.linspace(0.0, 1.0, bins + 1)
    # Edges are compared as floats rather than multiplied out: 0.7 * 10 is 7.000000000000001 for some inputs.
    places = np.clip(np.searchsorted(edges, rows.confidence, side="right") - 1, 0, edges.size - 2)
    # Rows are sorted by confidence, so each bin is a stretch of them.
    ends = np.searchsorted(places, np.arange(edges.size))
    return tuple(_bin(rows, edges[i : i + 2], slice(ends[i], ends[i + 1]), level) for i in range(edges.size - 1))


def _bin(rows: Rows, edges: Floats, stretch: slice, level: float) -> ReliabilityBin:
    lower, upper = edges.tolist()
    weights = rows.weight[stretch]
    if not weights.size:
        return ReliabilityBin(lower, upper, 0, 0.0, 0.0, None, None, None)
    right = weighted_share(rows.correct[stretch], rows.probability[stretch])
    confident = float(weights @ rows.confidence[stretch] / weights.sum())
    share = min(float(weights.sum()) / rows.n, 1.0)
    found = right.interval_at(level)
    return ReliabilityBin(lower, upper, weights.size, share, right.effective_n, confident, right.share, found)


def _edges_of_equal_mass(rows: Rows, bins: int) -> Floats:
    """From 0 to 1; inner edges lie halfway between neighbouring confidences, so that equal ones stay together."""
    mass = np.cumsum(rows.weight) / rows.n
    wanted = np.arange(1, bins) / bins
    # The smallest confidence at which a share of the mass is reached, as far as rounding lets one tell.
    last = rows.confidence[np.searchsorted(mass, wanted - 1e-9).clip(0, rows.n - 1)]
    beyond: NDArray[np.int64] = np.searchsorted(rows.confidence, last, side="right")
    inner = beyond < rows.n
    following = rows.confidence[beyond[inner]]
    edges = np.unique(np.maximum((last[inner] + following) / 2.0, np.nextafter(last[inner], 1.0)))
    return np.concatenate([[0.0], edges, [1.0]])
