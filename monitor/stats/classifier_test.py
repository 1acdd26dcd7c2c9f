"""The classifier two-sample test: if nothing can tell two samples apart out of fold, they are alike.

Friedman (2003), "On multivariate goodness-of-fit and two-sample testing"; Lopez-Paz and Oquab (2017), "Revisiting
classifier two-sample tests", ICLR. Here the classifier is Fisher's linear discriminant, whose metric looks at rows but
not at sides, so that a permutation of the sides costs two matrix products and the test is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from monitor.errors import NotEnoughData
from monitor.stats.folds import Features, Fold, Spaces, deal, out_of_fold, spaces_of
from monitor.stats.groups import as_groups, sums_by_group, variance_of_mean, weights_of_rows
from monitor.stats.inputs import Floats, as_matrix, check_share, check_whole
from monitor.stats.intervals import Interval, wilson_of_share

FOLDS: Final = 5
PERMUTATIONS: Final = 199

_BATCH: Final = 100
_SIDES: Final = (0.0, 1.0)
_TINY: Final = 1e-300


@dataclass(frozen=True, slots=True, eq=False)
class DomainScores:
    """How well the two samples can be told apart.

    `scores_reference` [n] and `scores_current` [m], in the order of the rows, come from a classifier that saw neither
    the row nor the other rows of its fold; higher looks more like `current`. Within a fold they have mean 0 and
    standard deviation 1. `auc` in [0, 1] is the chance that a current row outscores a reference row of its fold; 0.5 is
    no difference. `p_value` in (0, 1] is that of a permutation test, never below 1 / (permutations + 1). `interval`
    is that of the AUC which these classifiers would have on endless new rows of the two samples.
    """

    scores_reference: Floats
    scores_current: Floats
    auc: float
    p_value: float
    interval: Interval


def domain_scores(
    reference: ArrayLike,
    current: ArrayLike,
    *,
    reference_groups: ArrayLike | None = None,
    current_groups: ArrayLike | None = None,
    folds: int = FOLDS,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
    confidence: float = 0.95,
) -> DomainScores:
    """Score rows of `reference` [n, d] and `current` [m, d] out of fold, with n, m >= 2 * `folds`.

    Rows of one group (bursts, near-duplicates; whole numbers [n] and [m]) may depend on each other, groups may not.
    They stay together: a row gives its side away when its likes were learnt from. The two samples share no group, and
    each has 2 * `folds` of them or more; without groups every row is its own.

    Features are all axes, whitened by a Ledoit-Wolf covariance of the pooled rows, and the squares of the leading ones.
    A burst of near-duplicates bends this metric towards itself once per row: to a metric that saw them its rows are
    nearer than others. Groups of one size that are as alike do so on both sides; where sizes differ, each fold has the
    metric of the other folds' rows. Rows then count by what they say besides the others of their group
    (`weights_of_rows`), in the metric and in the classifier's means; the AUC and its interval are of rows as they come.
    In 36 settings where nothing differed (20 to 500 groups a side, of 1, 3, 5 or 20 rows or geometric sizes, 0 to 90%
    alike, 4 to 64 dimensions; 60 runs each) intervals of 95% held 0.5 in 90 to 100%. What is left: groups of one size
    which are near-duplicates on one side alone look different.

    The p-value is exact for groups that are exchangeable under no change (Phipson and Smyth, 2010: the observed order
    counts as one of the permutations): groups of one size, or of sizes that are dealt alike to both sides. A group of
    20 cannot change places with a row alone. So where sizes differ it is not AUCs that are compared, but AUCs of rows
    by their weights, each in its own standard error by group: such a test holds asymptotically though the two sides
    vary differently (Janssen, 1997, Statistics and Probability Letters 36; Chung and Romano, 2013, Annals of Statistics
    41). In the settings above p <= 0.05 came in 0 to 12%, on average 5.5%, and p <= 0.1 in 10% on average.

    The interval is Wilson's, for the number of rows that gives the variance of the mean of the folds' AUCs: that of
    DeLong et al. (1988), Biometrics 44, summed by group (Obuchowski, 1997, Biometrics 53), and pooled as by LeDell,
    Petersen and van der Laan (2015), Electronic Journal of Statistics 9, which takes folds for independent, times 1 +
    `_owed_to_chance`. For they are not: what two folds have in common by chance counts when the first is scored by what
    the second taught, and once more the other way round. So where nothing differs the variance is twice theirs, and
    their interval of 95% covers 83%, and this one 93 to 97%; of 60 bursts against 40, of uneven lengths, 90%.

    Raises:
        NotEnoughData: too few rows or groups, groups that do not fit, dimensions that differ, NaN, all rows the same,
            folds < 2, no permutations, or a seed that is none.
    """
    for value, name, few in ((folds, "folds", 2), (permutations, "permutations", 1), (seed, "as the seed", 0)):
        check_whole(value, name, least=few)
    check_share(confidence, "confidence")
    first = as_matrix(reference, "reference", least=2 * folds)
    second = as_matrix(current, "current", least=2 * folds)
    if first.shape[1] != second.shape[1]:
        raise NotEnoughData(f"reference has {first.shape[1]} dimensions, current {second.shape[1]}")
    groups = (
        as_groups(reference_groups, len(first), "reference", least=2 * folds),
        as_groups(current_groups, len(second), "current", least=2 * folds),
    )
    rng = np.random.default_rng(seed)
    rows, both = np.concatenate([first, second]), np.concatenate([groups[0], groups[1] + int(groups[0].max()) + 1])
    parts = deal(groups, weights_of_rows(rows, both), folds, rng)
    even = np.unique(np.bincount(both)).size == 1
    spaces = spaces_of(rows, parts, even)
    sides = [part.side[:, None] for part in parts]
    observed = out_of_fold(parts, spaces, sides)
    aucs = [_auc(scores, part.side)[0] for scores, part in zip(observed, parts, strict=True)]
    as_high = _as_high(parts, spaces, _statistic(parts, observed, sides, even)[0], permutations, rng, even)
    scores = np.empty(len(rows))
    for part, found in zip(parts, observed, strict=True):
        scores[part.places] = _standard(found[:, 0].astype(np.float64))
    return DomainScores(
        scores_reference=scores[: len(first)],
        scores_current=scores[len(first) :],
        auc=float(np.mean(aucs)),
        p_value=(1 + as_high) / (1 + permutations),
        interval=_interval(parts, observed, 1.0 + _owed_to_chance(parts, spaces, observed), confidence),
    )


def _as_high(
    parts: list[Fold], spaces: Spaces, observed: float, permutations: int, rng: np.random.Generator, even: bool
) -> int:
    """How many permutations of the groups' sides, each within its fold, reach the observed statistic."""
    found = 0
    first = [part.side[np.unique(part.group, return_index=True)[1]] for part in parts]
    for start in range(0, permutations, _BATCH):
        width = min(_BATCH, permutations - start)
        dealt = [
            rng.permuted(np.tile(side[:, None], width), axis=0)[part.group]
            for part, side in zip(parts, first, strict=True)
        ]
        found += int((_statistic(parts, out_of_fold(parts, spaces, dealt), dealt, even) >= observed - 1e-12).sum())
    return found


def _statistic(parts: list[Fold], scores: list[Features], sides: list[Features], even: bool) -> Floats:
    """What is compared between b ways to take sides [b]: the mean AUC, unless `even` by its standard error."""
    if even:
        found: Floats = np.mean([_auc(part, side) for part, side in zip(scores, sides, strict=True)], axis=0)
        return found
    known = [_weighted_auc(*one) for one in zip(scores, sides, parts, strict=True)]
    above, variance = (np.sum(one, axis=0) for one in zip(*known, strict=True))
    studentized: Floats = above / np.sqrt(np.maximum(variance, _TINY))
    return studentized


def _weighted_auc(scores: Features, sides: Features, part: Fold) -> tuple[Floats, Floats]:
    """How far the AUC of each column lies above 1/2 [b], and its variance [b], where rows count by their weights."""
    found = np.empty((2, scores.shape[1]))
    for column, (seen, side) in enumerate(zip(scores.T, sides.T, strict=True)):
        current = side > 0.0
        placed, variance = np.empty(len(seen)), 0.0
        for mine in (current, ~current):
            placed[mine] = _placements(seen[mine], seen[~mine], part.weights[~mine])
            numbers = np.unique(part.group[mine], return_inverse=True)[1]
            variance += variance_of_mean(placed[mine], numbers, part.weights[mine])
        found[:, column] = np.average(placed[current], weights=part.weights[current]) - 0.5, variance
    return found[0], found[1]


def _placements(scores: Features, others: Features, weights: Features) -> Floats:
    """The share of `others`, counted by their weights, that each score beats; ties half."""
    order = np.argsort(others)
    below = np.concatenate([[0.0], np.cumsum(weights[order], dtype=np.float64)])
    first, last = (below[np.searchsorted(others[order], scores, end)] for end in ("left", "right"))
    shares: Floats = (first + last) / (2.0 * below[-1])
    return shares


def _auc(scores: Features, side: Features) -> Floats:
    """AUC of each column of `scores` [n, b]: the Mann-Whitney statistic with midranks, as a share."""
    sides = side.reshape(len(side), -1)
    ranks = rankdata(scores, axis=0)
    m = sides.sum(axis=0)
    aucs: Floats = ((ranks * sides).sum(axis=0) - m * (m + 1) / 2) / (m * (len(side) - m))
    return aucs


def _owed_to_chance(parts: list[Fold], spaces: Spaces, scores: list[Features]) -> float:
    """Share in [0, 1] of the variance of scores that classifiers owe to the rows which they happened to learn from.

    A classifier is the difference of two means. With `learnt` [d, d] its covariance, and `tested` that of the same
    difference within the fold that it scores, chance alone gives scores a variance of trace(tested learnt).
    """
    chance, seen = 0.0, 0.0
    taught: list[list[Floats]] = []
    for fold, (space, part, found) in enumerate(zip(spaces, parts, scores, strict=True)):
        if not taught or space is not spaces[fold - 1]:
            taught = [[_covariance_of_sum(*one, side) for one in zip(space, parts, strict=True)] for side in _SIDES]
        tested, learnt = np.zeros(1), np.zeros(1)
        for side, sums in zip(_SIDES, taught, strict=True):
            mine, group = part.of(side)
            alone = replace(part, weights=np.ones_like(part.weights))
            tested = tested + _covariance_of_sum(space[fold], alone, side) / mine.sum() ** 2
            weight = sum(float(one.weights[one.side == side].sum()) for one in parts) - float(part.weights[mine].sum())
            learnt = learnt + (sum(sums) - sums[fold]) / weight**2
            seen += variance_of_mean(found[mine, 0].astype(np.float64), group)
        chance += float(np.sum(tested * learnt))
    return min(1.0, chance / seen) if seen > 0.0 else 1.0


def _covariance_of_sum(rows: Features, part: Fold, side: float) -> Floats:
    """Of the sum of the weighted `rows` of a side."""
    mine, group = part.of(side)
    chosen, weights = rows[mine].astype(np.float64), part.weights[mine, None].astype(np.float64)
    sums = sums_by_group(weights * (chosen - (weights * chosen).sum(axis=0) / weights.sum()), group)
    covariance: Floats = sums.T @ sums * (len(sums) / (len(sums) - 1))
    return covariance


def _interval(parts: list[Fold], scores: list[Features], widened: float, confidence: float) -> Interval:
    aucs, variances, most = [], [], [0, 0]
    for part, found in zip(parts, scores, strict=True):
        (other, of_other), (current, of_current) = part.of(0.0), part.of(1.0)
        theirs, ours = found[other, 0], found[current, 0]
        # Placements: the share of the other side that a row beats is its rank among all less that among its own.
        ranks = rankdata(np.concatenate([ours, theirs]))
        beats = (ranks[: ours.size] - rankdata(ours)) / theirs.size
        beaten = 1.0 - (ranks[ours.size :] - rankdata(theirs)) / ours.size
        aucs.append(beats.mean())
        variances.append(variance_of_mean(beats, of_current) + variance_of_mean(beaten, of_other))
        most = [most[0] + int(of_other.max()) + 1, most[1] + int(of_current.max()) + 1]
    auc = float(np.mean(aucs))
    variance = widened * float(np.sum(variances)) / len(scores) ** 2
    # Without any overlap nothing varies: as sure as one is of a share of 1 among the groups of the smaller side.
    alone = auc * (1.0 - auc)
    return wilson_of_share(auc, alone / variance if min(alone, variance) > 0.0 else min(most), confidence)


def _standard(scores: Floats) -> Floats:
    standard: Floats = (scores - scores.mean()) / max(float(scores.std()), 1e-12)
    return standard
