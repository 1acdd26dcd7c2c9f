"""Do annotators agree beyond chance? Cohen's and Fleiss' kappa, Krippendorff's alpha, each with an interval.

All three are 1 - D_o / D_e: the disagreement that was observed over the one that chance would bring. 1 is perfect, 0 is
what guessing with the same shares gives, below 0 is worse than that. Cohen: two annotators, each with its own shares.
Fleiss: any annotators, as many judgements per unit. Krippendorff: any number of judgements per unit, and distances.
Where no judgement differs, the usual intervals have no width, so there the lower bound rests on Wilson's upper bound
of the share of units that could still differ. Measured at nominal 95%, two annotators, two categories: 30 units 91 to
99%, 100 units 91 to 99%, 500 units 93 to 96%. Where one category has nine judgements in ten and more, too few of the
other to learn from, it is less: 30 units 75 to 95%, 100 units 85 to 95%, 300 units 90 to 95%.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from monitor.errors import NotEnoughData
from monitor.stats.inputs import MOST, Floats, as_matrix, as_numbers, check_share
from monitor.stats.intervals import Interval, wilson

Level = Literal["nominal", "ordinal", "interval"]
Weights = Literal["linear", "quadratic"]
Disagreement = Callable[[Floats], tuple[Floats, Floats]]
"""Weights of patterns [replicates, patterns] -> observed and expected disagreement [replicates]."""

REPLICATES: Final = 2000
_LEAST_UNITS: Final = 2
_AT_ONCE: Final = 4_000_000
"""Weights of units in memory during the bootstrap."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far annotators agree."""

    coefficient: float
    """At most 1; 0 is chance."""
    interval: Interval
    observed: float
    """Disagreement D_o >= 0: for categories the share of pairs that differ, else the mean distance of a pair."""
    expected: float
    """D_e > 0, the same by chance."""
    units: int
    """Judged at least twice; only they count."""
    judgements: int


def cohen_kappa(
    first: ArrayLike, second: ArrayLike, *, weights: Weights | None = None, confidence: float = 0.95
) -> Agreement:
    """Agreement of two annotators who judged the same units.

    Cohen (1960), "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20;
    weighted: Cohen (1968), Psychological Bulletin 70. The interval is normal with the large-sample variance of Fleiss,
    Cohen and Everitt (1969), "Large sample standard errors of kappa and weighted kappa", Psychological Bulletin 72,
    cut at -1 and 1.

    Args:
        first: category of each unit [n], numbers or texts.
        second: the other annotator's, of the same units.
        weights: None: every difference counts alike. Else categories are ordered as they sort, and a difference counts
            by its steps, or their square.

    >>> round(cohen_kappa([1, 1, 0, 0], [1, 0, 0, 0]).coefficient, 3)
    0.5

    Raises:
        NotEnoughData: different lengths, fewer than two units, a missing value, one category only, or confidence
            outside (0, 1).
    """
    check_share(confidence, "confidence")
    one, two = _categories(first, "first"), _categories(second, "second")
    if one.shape != two.shape:
        raise NotEnoughData(f"both annotators must judge the same units, not {one.size} and {two.size}")
    if (one.dtype.kind in "US") != (two.dtype.kind in "US"):
        raise NotEnoughData("categories must all be numbers, or all texts")
    kinds, coded = np.unique(np.concatenate([one, two]), return_inverse=True)
    n, size = one.size, kinds.size
    joint = np.zeros((size, size))
    np.add.at(joint, (coded[:n], coded[n:]), 1.0)
    alike = _alike(size, weights)
    observed = float((joint * alike).sum() / n)
    joint /= n
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    expected = float(rows @ alike @ columns)
    if expected >= 1.0 - 1e-12:
        raise NotEnoughData("every judgement is the same: agreement beyond chance is not defined")
    kappa = (observed - expected) / (1.0 - expected)
    by_row, by_column = alike @ columns, rows @ alike
    spread = (joint * (alike - (by_row[:, None] + by_column) * (1.0 - kappa)) ** 2).sum()
    variance = (spread - (kappa - expected * (1.0 - kappa)) ** 2) / (n * (1.0 - expected) ** 2)
    margin = float(ndtri((1.0 + confidence) / 2.0)) * sqrt(max(variance, 0.0))
    interval = Interval(max(kappa - margin, -1.0), min(kappa + margin, 1.0))
    if np.trace(joint) >= 1.0 - 0.5 / n:
        interval = _of_no_difference(n, 1.0 - expected, float((1.0 - alike).max()), confidence)
    return Agreement(kappa, interval, 1.0 - observed, 1.0 - expected, n, 2 * n)


def fleiss_kappa(counts: ArrayLike, *, confidence: float = 0.95, replicates: int = REPLICATES) -> Agreement:
    """Agreement where every unit was judged equally often, by whomever.

    Fleiss (1971), "Measuring nominal scale agreement among many raters", Psychological Bulletin 76. The
    interval is the percentile bootstrap over units (Efron and Tibshirani 1993, "An Introduction to the Bootstrap",
    chapter 13), the same at every call.

    Args:
        counts: judgements per unit and category [units, categories], whole numbers; equal row sums >= 2.
        replicates: of the bootstrap.

    >>> round(fleiss_kappa([[3, 0], [0, 3], [2, 1], [1, 2]]).coefficient, 3)
    0.333

    Raises:
        NotEnoughData: fewer than two units, unequal row sums, counts that are none, one category only, or confidence
            outside (0, 1).
    """
    check_share(confidence, "confidence")
    table = as_matrix(counts, "counts", least=_LEAST_UNITS)
    if (table < 0).any() or (table != table.round()).any():
        raise NotEnoughData("counts must be whole numbers, not negative")
    each = float(table[0].sum())
    if each < 2 or (table.sum(axis=1) != each).any():
        raise NotEnoughData(
            "every unit needs the same number of judgements, at least two; krippendorff_alpha takes any number"
        )
    patterns, times = np.unique(table, axis=0, return_counts=True)
    differing = 1.0 - (patterns * (patterns - 1.0)).sum(axis=1) / (each * (each - 1.0))

    def disagreement(weights: Floats) -> tuple[Floats, Floats]:
        total = weights.sum(axis=1)
        shares = weights @ patterns / (total[:, None] * each)
        return weights @ differing / total, 1.0 - (shares**2).sum(axis=1)

    return _agreement(disagreement, times, int(table.sum()), 1.0, confidence, replicates)


def krippendorff_alpha(
    ratings: ArrayLike, *, level: Level = "nominal", confidence: float = 0.95, replicates: int = REPLICATES
) -> Agreement:
    """Agreement of any number of annotators, some of whom left units out.

    Krippendorff (2011), "Computing Krippendorff's alpha-reliability", sections C and D: missing judgements,
    and the distances of each level of measurement. The interval is the percentile bootstrap over units, as that of
    `fleiss_kappa`.

    Args:
        ratings: numbers [units, annotators]; NaN where an annotator left a unit out. Categories are coded by numbers.
        level: how far two values are apart. nominal: 0 or 1; ordinal: by the ranks between them; interval: squared.
        replicates: of the bootstrap.

    >>> round(krippendorff_alpha([[0, 0], [1, 1], [0, 1], [0, float("nan")]]).coefficient, 3)
    0.444

    Raises:
        NotEnoughData: fewer than two units with two judgements, infinite values, the same value everywhere, or
            confidence outside (0, 1).
    """
    check_share(confidence, "confidence")
    if level not in get_args(Level):
        raise NotEnoughData(f"level must be one of {', '.join(get_args(Level))}, not {level!r}")
    table = _with_gaps(ratings)
    table = table[np.isfinite(table).sum(axis=1) >= 2]
    if len(table) < _LEAST_UNITS:
        raise NotEnoughData(f"{len(table)} units have two judgements or more; at least {_LEAST_UNITS} are needed")
    given = np.isfinite(table)
    values, coded = np.unique(table[given], return_inverse=True)
    counts = np.zeros((len(table), values.size))
    np.add.at(counts, (np.nonzero(given)[0], coded), 1.0)
    patterns, times = np.unique(counts, axis=0, return_counts=True)
    disagreement = _ranked(patterns) if level == "ordinal" else _at_distance(patterns, _distances(values, level))
    farthest = float(values.size > 1) if level == "nominal" else float(np.ptp(values)) ** 2
    if level == "ordinal":
        total = counts.sum(axis=0)
        farthest = float(total.sum() - (total[0] + total[-1]) / 2.0) ** 2
    return _agreement(disagreement, times, int(counts.sum()), farthest, confidence, replicates)


def _agreement(
    disagreement: Disagreement,
    times: NDArray[np.int64],
    judgements: int,
    farthest: float,
    confidence: float,
    replicates: int,
) -> Agreement:
    """The coefficient of the units, and its spread over samples of as many units drawn from them."""
    if replicates < 1:
        raise NotEnoughData(f"an interval needs at least one replicate, not {replicates}")
    units = int(times.sum())
    (observed,), (expected,) = disagreement(times[None, :].astype(np.float64))
    if expected <= 1e-12:
        raise NotEnoughData("every judgement is the same: agreement beyond chance is not defined")
    if observed <= 1e-12:
        interval = _of_no_difference(units, float(expected), farthest, confidence)
    else:
        lower, upper = np.quantile(
            _resampled(disagreement, times, replicates), [(1 - confidence) / 2, (1 + confidence) / 2]
        )
        interval = Interval(float(lower), float(upper))
    return Agreement(float(1.0 - observed / expected), interval, float(observed), float(expected), units, judgements)


def _resampled(disagreement: Disagreement, times: NDArray[np.int64], replicates: int) -> Floats:
    """Coefficients of samples of as many units, some at a time; samples in which all is alike say nothing."""
    rng, units = np.random.default_rng(0), int(times.sum())
    found = []
    for size in _batches(replicates, max(_AT_ONCE // times.size, 1)):
        each, chance = disagreement(rng.multinomial(units, times / units, size=size).astype(np.float64))
        known = chance > 1e-12
        found.append(1.0 - each[known] / chance[known])
    return np.concatenate(found)


def _batches(total: int, most: int) -> list[int]:
    return [min(most, total - start) for start in range(0, total, most)]


def _of_no_difference(units: int, expected: float, farthest: float, confidence: float) -> Interval:
    share = wilson(0, units, confidence).upper
    return Interval(max(1.0 - share * farthest / expected, -1.0), 1.0)


def _at_distance(patterns: Floats, distances: Floats) -> Disagreement:
    """Distances that do not depend on which units were drawn."""
    judged = patterns.sum(axis=1)
    within = ((patterns @ distances) * patterns).sum(axis=1) / (judged - 1.0)

    def disagreement(weights: Floats) -> tuple[Floats, Floats]:
        total, shares = weights @ judged, weights @ patterns
        between = ((shares @ distances) * shares).sum(axis=1) / (total * (total - 1.0))
        return weights @ within / total, between

    return disagreement


def _ranked(patterns: Floats) -> Disagreement:
    """Distances by rank, which every draw of units changes."""

    def disagreement(weights: Floats) -> tuple[Floats, Floats]:
        pairs = [_at_distance(patterns, _rank_distances(row @ patterns))(row[None, :]) for row in weights]
        observed, expected = zip(*pairs, strict=True)
        return np.concatenate(observed), np.concatenate(expected)

    return disagreement


def _rank_distances(totals: Floats) -> Floats:
    middle = np.cumsum(totals) - totals / 2.0
    return np.asarray((middle[:, None] - middle) ** 2)


def _distances(values: Floats, level: Level) -> Floats:
    if level == "nominal":
        return 1.0 - np.eye(values.size)
    return np.asarray((values[:, None] - values) ** 2)


def _alike(size: int, weights: Weights | None) -> Floats:
    """How much of an agreement each pair of categories is [size, size], 1 on the diagonal."""
    if weights is None:
        return np.eye(size)
    if weights not in get_args(Weights):
        raise NotEnoughData(f"weights must be one of {', '.join(get_args(Weights))}, or None, not {weights!r}")
    steps = np.abs(np.arange(size)[:, None] - np.arange(size)) / max(size - 1, 1)
    return np.asarray(1.0 - (steps if weights == "linear" else steps**2))


def _with_gaps(ratings: ArrayLike) -> Floats:
    table = as_numbers(ratings, "ratings", dimensions=2)
    if table.ndim != 2:
        raise NotEnoughData(f"ratings must have 2 dimensions [units, annotators], not shape {table.shape}")
    if (np.abs(table) > MOST).any():
        raise NotEnoughData(f"ratings hold infinity, or values beyond {MOST:g}; leave units out with NaN")
    return table


def _categories(values: ArrayLike, name: str) -> NDArray[Any]:
    if np.ma.is_masked(values):
        raise NotEnoughData(f"{name} is masked in places; leave such units out of both")
    try:
        array = np.asarray(values)
    except ValueError:
        raise NotEnoughData(f"{name} must be one category for each unit, not lists of different lengths") from None
    if array.ndim != 1 or array.size < _LEAST_UNITS:
        raise NotEnoughData(f"{name} must be one category for each of at least {_LEAST_UNITS} units, not {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise NotEnoughData(f"{name} holds NaN or infinity; leave such units out of both")
    if array.dtype.kind not in "biufUS":
        raise NotEnoughData(f"{name} must hold numbers or texts, one per unit")
    return array
