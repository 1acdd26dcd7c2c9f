"""Do annotators agree beyond chance? Cohen's and Fleiss' kappa, Krippendorff's alpha, each with an interval.

All three are 1 - D_o / D_e: the disagreement that was observed over the one that chance would bring. 1 is perfect, 0 is
what guessing with the same shares gives, below 0 is worse than that. Cohen: two annotators, each with its own shares.
Fleiss: any annotators, as many judgements per unit. Krippendorff: any number of judgements per unit, and distances.
The intervals are of a Bayesian kind. Usual ones, of a normal law or the bootstrap, know of no difference that they have
not seen: where one category holds nineteen judgements in twenty, they covered as little as 22% instead of 95%. Here the
units' shares are drawn from their Dirichlet posterior (Rubin 1981, "The Bayesian bootstrap", Annals of Statistics 9;
for kappa Basu, Banerjee and Sen 2000, "Bayesian inference for kappa from single and multiple studies", Biometrics 56),
with one unit on which annotators agree and half a one on which they differ put beside those that were judged
(`_Unseen`), and quantiles taken further out where units are few (Hesterberg 2015, "What teachers should know about the
bootstrap", American Statistician 69: the expanded percentile interval). `benchmarks/agreement.py` measures what they
cover.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.special import ndtr, stdtrit

from monitor.errors import NotEnoughData
from monitor.stats.categories import as_categories, both_coded, check_codes
from monitor.stats.disagreement import Disagreement, at_distance, ranked, told_apart
from monitor.stats.inputs import Floats, as_matrix, as_with_gaps, check_share, check_whole
from monitor.stats.intervals import Interval

Level = Literal["nominal", "ordinal", "interval"]
Weights = Literal["linear", "quadratic"]
ALIKE: Final = 1.0
DIFFERING: Final = 0.5
"""Units that are put beside those that were judged: some on which annotators agree, fewer on which they differ. With as
many of both (Jeffreys' prior) coefficients near 1 are covered 89%, with one of each cell 25 to 95%."""
_MOST_KINDS: Final = 6
"""Categories between which such units are shared out; of more values so many are taken, the least and largest too."""

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
    first: ArrayLike,
    second: ArrayLike,
    *,
    weights: Weights | None = None,
    confidence: float = 0.95,
    replicates: int = REPLICATES,
) -> Agreement:
    """Agreement of two annotators who judged the same units.

    Cohen (1960), "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20;
    weighted: Cohen (1968), Psychological Bulletin 70. The interval is that of the module; with many units of each
    category it is the large-sample one of Fleiss, Cohen and Everitt (1969), Psychological Bulletin 72.

    Args:
        first: category of each unit [n], numbers or texts.
        second: the other annotator's, of the same units.
        weights: None: every difference counts alike. Else categories are ordered as they sort, and a difference counts
            by its steps, or their square.
        replicates: draws behind the interval; the same at every call.

    >>> round(cohen_kappa([1, 1, 0, 0], [1, 0, 0, 0]).coefficient, 3)
    0.5

    Raises:
        NotEnoughData: different lengths, fewer than two units, a missing value, one category only, whole numbers beyond
            2^53 beside floats, no replicates, or confidence outside (0, 1).
    """
    check_share(confidence, "confidence")
    one = as_categories(first, "first", least=_LEAST_UNITS)
    two = as_categories(second, "second", least=_LEAST_UNITS)
    if one.shape != two.shape:
        raise NotEnoughData(f"both annotators must judge the same units, not {one.size} and {two.size}")
    kinds, coded = both_coded(one, two)
    n, size = one.size, kinds.size
    apart = 1.0 - _alike(size, weights)
    unseen = _Unseen.among(size, apart)
    cells = np.concatenate([np.column_stack([coded[:n], coded[n:]]), unseen.first_and_second])
    cells, place = np.unique(cells, axis=0, return_inverse=True)
    rows, columns = (np.eye(size)[side] for side in cells.T)

    def disagreement(weights: Floats) -> tuple[Floats, Floats]:
        total = weights.sum(axis=1)
        by_chance = ((weights @ rows @ apart) * (weights @ columns)).sum(axis=1) / total**2
        return weights @ apart[cells[:, 0], cells[:, 1]] / total, by_chance

    times = np.bincount(place[:n], minlength=len(cells)).astype(np.float64)
    prior = np.bincount(place[n:], unseen.units, minlength=len(cells)).astype(np.float64)
    return _agreement(disagreement, times, prior, 2 * n, confidence, replicates)


def fleiss_kappa(counts: ArrayLike, *, confidence: float = 0.95, replicates: int = REPLICATES) -> Agreement:
    """Agreement where every unit was judged equally often, by whomever.

    Fleiss (1971), "Measuring nominal scale agreement among many raters", Psychological Bulletin 76. The interval is
    that of the module.

    Args:
        counts: judgements per unit and category [units, categories], whole numbers; equal row sums >= 2.
        replicates: draws behind the interval; the same at every call.

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
    patterns, times, prior = _beside(table, each)
    apart = 1.0 - (patterns * (patterns - 1.0)).sum(axis=1) / (each * (each - 1.0))
    # Unseen units are of two judgements: where more annotators differ by halves, not all of their pairs do.
    differing = np.where(prior > 0.0, (patterns < each).all(axis=1), apart)

    def disagreement(weights: Floats) -> tuple[Floats, Floats]:
        total = weights.sum(axis=1)
        shares = weights @ patterns / (total[:, None] * each)
        return weights @ differing / total, 1.0 - (shares**2).sum(axis=1)

    return _agreement(disagreement, times, prior, int(table.sum()), confidence, replicates)


def krippendorff_alpha(
    ratings: ArrayLike, *, level: Level = "nominal", confidence: float = 0.95, replicates: int = REPLICATES
) -> Agreement:
    """Agreement of any number of annotators, some of whom left units out.

    Krippendorff (2011), "Computing Krippendorff's alpha-reliability", sections C and D: missing judgements,
    and the distances of each level of measurement. The interval is that of the module.

    Args:
        ratings: numbers [units, annotators]; NaN where an annotator left a unit out. Categories are coded by numbers.
        level: how far two values are apart. nominal: 0 or 1; ordinal: by the ranks between them; interval: squared.
        replicates: draws behind the interval; the same at every call.

    Distances are summed from sums and squares, so that many values cost as little as few: time goes with judgements.

    >>> round(krippendorff_alpha([[0, 0], [1, 1], [0, 1], [0, float("nan")]]).coefficient, 3)
    0.444

    Raises:
        NotEnoughData: fewer than two units with two judgements, infinite values, whole numbers beyond 2^53, the same
            value everywhere, or confidence outside (0, 1).
    """
    check_share(confidence, "confidence")
    if level not in get_args(Level):
        raise NotEnoughData(f"level must be one of {', '.join(get_args(Level))}, not {level!r}")
    table = as_with_gaps(ratings, "ratings", dimensions=2)
    check_codes(ratings, table, "ratings")
    table = table[np.isfinite(table).sum(axis=1) >= 2]
    if len(table) < _LEAST_UNITS:
        raise NotEnoughData(f"{len(table)} units have two judgements or more; at least {_LEAST_UNITS} are needed")
    values = np.unique(table[np.isfinite(table)])
    patterns, times, prior = _rated(table, values)
    judgements = int(np.isfinite(table).sum())
    if level == "nominal":
        return _agreement(told_apart(patterns), times, prior, judgements, confidence, replicates)
    if level == "ordinal":
        return _agreement(ranked(patterns), times, prior, judgements, confidence, replicates)
    # Distances do not depend on where values lie, nor the coefficient on their unit.
    width = float(np.ptp(values)) or 1.0
    disagreement = at_distance(patterns, (values - values.mean()) / width)
    return _agreement(disagreement, times, prior, judgements, confidence, replicates, unit=width**2)


@dataclass(frozen=True, slots=True, eq=False)
class _Unseen:
    """Units that nobody judged: how two judgements of each fall, as categories by number [k, 2], and how many."""

    first_and_second: NDArray[np.int64]
    units: Floats

    @classmethod
    def among(cls, size: int, apart: Floats | None = None) -> _Unseen:
        """Each category agreed on alike; pairs of different ones differed on by how far they are `apart` [size, size],
        alike if None."""
        kinds = np.unique(np.linspace(0, size - 1, min(size, _MOST_KINDS)).round().astype(np.int64))
        both = np.stack(np.meshgrid(kinds, kinds), axis=-1).reshape(-1, 2)
        alike = both[:, 0] == both[:, 1]
        far = (~alike).astype(np.float64) if apart is None else apart[both[:, 0], both[:, 1]]
        return cls(both, np.where(alike, ALIKE / alike.sum(), DIFFERING * far / (far.sum() or 1.0)))


def _beside(counts: Floats, judgements: float) -> tuple[Floats, Floats, Floats]:
    """Patterns [patterns, categories] of the units' `counts`, how many units have each, and how many unseen ones, whose
    two categories have half of their `judgements` each."""
    seen, times = np.unique(counts, axis=0, return_counts=True)
    unseen = _Unseen.among(counts.shape[1])
    whole = np.eye(counts.shape[1])
    added = (whole[unseen.first_and_second[:, 0]] + whole[unseen.first_and_second[:, 1]]) * judgements / 2.0
    none, before = np.zeros(len(added)), np.zeros(len(seen))
    return np.concatenate([seen, added]), np.concatenate([times, none]), np.concatenate([before, unseen.units])


def _rated(table: Floats, values: Floats) -> tuple[csr_array, Floats, Floats]:
    """Patterns [patterns, values] of the units' ratings [units, annotators], how many units have each, and how many
    unseen ones. Of each few of the values are not 0, however many there are."""
    coded = np.where(np.isfinite(table), np.searchsorted(values, table), values.size)
    seen, times = np.unique(np.sort(coded, axis=1), axis=0, return_counts=True)
    unseen = _Unseen.among(values.size)
    added = np.full((len(unseen.units), seen.shape[1]), values.size)
    added[:, :2] = unseen.first_and_second
    codes = np.concatenate([seen, added])
    rows, columns = np.nonzero(codes < values.size)
    patterns = csr_array((np.ones(rows.size), (rows, codes[rows, columns])), shape=(len(codes), values.size))
    patterns.sum_duplicates()
    none, before = np.zeros(len(added)), np.zeros(len(seen))
    return patterns, np.concatenate([times, none]), np.concatenate([before, unseen.units])


def _agreement(
    disagreement: Disagreement,
    times: Floats,
    prior: Floats,
    judgements: int,
    confidence: float,
    replicates: int,
    unit: float = 1.0,
) -> Agreement:
    """The coefficient of patterns that so many units have, and its quantiles under their posterior. Disagreement is
    told in `unit`."""
    check_whole(replicates, "replicates", least=1)
    (observed,), (expected,) = disagreement(times[None, :])
    if expected <= 1e-12:
        raise NotEnoughData("every judgement is the same: agreement beyond chance is not defined")
    coefficient = float(1.0 - observed / expected)
    draws = _drawn(disagreement, times + prior, replicates)
    tail = _tail(confidence, float(times.sum()))
    lower, upper = np.quantile(draws, [tail, 1.0 - tail]).tolist()
    interval = Interval(min(lower, coefficient), max(upper, coefficient))
    told = float(observed) * unit, float(expected) * unit
    return Agreement(coefficient, interval, *told, int(times.sum()), judgements)


def _tail(confidence: float, units: float) -> float:
    """The level of the lower quantile: as far out as Student's t with n - 1 degrees of freedom is wider than the normal
    law, and a variance of n units than the bootstrap's."""
    return float(ndtr(-sqrt(units / (units - 1.0)) * stdtrit(units - 1.0, (1.0 + confidence) / 2.0)))


def _drawn(disagreement: Disagreement, units: Floats, replicates: int) -> Floats:
    """Coefficients under shares drawn from the Dirichlet law of so many `units` of each pattern, some at a time."""
    rng, found = np.random.default_rng(0), []
    for size in _batches(replicates, max(_AT_ONCE // units.size, 1)):
        each, chance = disagreement(rng.standard_gamma(units, size=(size, units.size)))
        known = chance > 1e-12
        found.append(1.0 - each[known] / chance[known])
    return np.concatenate(found)


def _batches(total: int, most: int) -> list[int]:
    return [min(most, total - start) for start in range(0, total, most)]


def _alike(size: int, weights: Weights | None) -> Floats:
    """How much of an agreement each pair of categories is [size, size], 1 on the diagonal."""
    if weights is None:
        return np.eye(size)
    if weights not in get_args(Weights):
        raise NotEnoughData(f"weights must be one of {', '.join(get_args(Weights))}, or None, not {weights!r}")
    steps = np.abs(np.arange(size)[:, None] - np.arange(size)) / max(size - 1, 1)
    return np.asarray(1.0 - (steps if weights == "linear" else steps**2))
