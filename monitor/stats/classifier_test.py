"""The classifier two-sample test: if nothing can tell two samples apart out of fold, they are alike.

Friedman (2003), "On multivariate goodness-of-fit and two-sample testing"; Lopez-Paz and Oquab (2017), "Revisiting
classifier two-sample tests", ICLR. Here the classifier is Fisher's linear discriminant, whose metric looks at rows but
not at sides, so that a permutation of the sides costs two matrix products and the test is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from monitor.errors import NotEnoughData
from monitor.stats.groups import as_groups, sums_by_group, variance_of_mean
from monitor.stats.inputs import Floats, as_matrix, check_share, check_whole
from monitor.stats.intervals import Interval, wilson_of_share
from monitor.stats.shrinkage import ledoit_wolf

FOLDS: Final = 5
PERMUTATIONS: Final = 199
MAX_SQUARES: Final = 16
"""So many leading axes enter squared as well, for a widening moves no mean."""

_LONGEST: Final = 25.0
_BATCH: Final = 100
_LEAST_VARIANCE: Final = 1e-9

Numbers = NDArray[np.int64]


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
    The p-value is exact for groups that are exchangeable under no change (Phipson and Smyth, 2010: the observed order
    counts as one of the permutations).

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
    features = _features(np.concatenate([first, second]))
    parts = _deal(features, groups, folds, rng)
    observed = _out_of_fold(parts, [part.side[:, None] for part in parts])
    aucs = [_auc(scores, part.side)[0] for scores, part in zip(observed, parts, strict=True)]
    as_high = _as_high(parts, float(np.mean(aucs)), permutations, rng)
    scores = np.empty(len(features))
    for part, found in zip(parts, observed, strict=True):
        scores[part.places] = _standard(found[:, 0].astype(np.float64))
    return DomainScores(
        scores_reference=scores[: len(first)],
        scores_current=scores[len(first) :],
        auc=float(np.mean(aucs)),
        p_value=(1 + as_high) / (1 + permutations),
        interval=_interval(parts, observed, 1.0 + _owed_to_chance(parts, observed), confidence),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Fold:
    """Rows of both samples, those of a group next to each other: `rows` [k, d], which stand at `places` [k] of all,
    `side` [k] (1: current) and `group` [k], from 0 on without gaps, which is of one side."""

    rows: NDArray[np.float32]
    places: Numbers
    side: NDArray[np.float32]
    group: Numbers

    def of(self, side: float) -> tuple[NDArray[np.bool_], Numbers]:
        """Which rows are of a side, and their groups from 0 on."""
        mine = self.side == side
        return mine, np.unique(self.group[mine], return_inverse=True)[1]


def _features(rows: Floats) -> NDArray[np.float32]:
    """Whitened axes and squares of the leading ones [n, m]; a function of the set of rows that ignores their sides."""
    centred = rows - rows.mean(axis=0)
    variances, axes = np.linalg.eigh(ledoit_wolf(centred))
    variances, axes = variances[::-1], axes[:, ::-1]
    if variances[0] <= _LEAST_VARIANCE**2 * float(np.square(rows).max()):
        raise NotEnoughData(f"all {len(rows)} rows are the same: there is nothing to tell apart")
    kept = variances > _LEAST_VARIANCE * variances[0]
    whitened = centred @ (axes[:, kept] / np.sqrt(variances[kept]))
    squares = np.minimum(whitened[:, :MAX_SQUARES] ** 2, _LONGEST)
    squares = (squares - squares.mean(axis=0)) / np.maximum(squares.std(axis=0), 0.05)
    return np.concatenate([whitened, squares], axis=1).astype(np.float32)


def _deal(
    features: NDArray[np.float32], groups: tuple[Numbers, Numbers], folds: int, rng: np.random.Generator
) -> list[_Fold]:
    """Both sides' groups dealt evenly."""
    dealt: list[list[Numbers]] = []
    for numbers in groups:
        order = rng.permutation(int(numbers.max()) + 1)
        place = np.argsort(order)[numbers]  # of each row's group
        rows = np.argsort(place, kind="stable")
        sizes = [len(part) for part in np.array_split(order, folds)]
        dealt.append(np.split(rows, np.searchsorted(place[rows], np.cumsum(sizes)[:-1])))
    n = len(groups[0])
    both = np.concatenate([groups[0], groups[1] + int(groups[0].max()) + 1])
    found = []
    for first, second in zip(*dealt, strict=True):
        places = np.concatenate([first, n + second])
        group = np.cumsum(np.diff(both[places], prepend=both[places[0]]) != 0)
        found.append(_Fold(features[places], places, (places >= n).astype(np.float32), group))
    return found


def _out_of_fold(parts: list[_Fold], sides: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Scores [rows, b] of each fold by the difference of the other folds' means, for b ways to take sides at once."""
    sums = [part.rows.T @ side for part, side in zip(parts, sides, strict=True)]
    totals = [part.rows.sum(axis=0)[:, None] for part in parts]
    counts = [side.sum(axis=0) for side in sides]
    n = sum(len(part.rows) for part in parts)
    scores = []
    for fold, part in enumerate(parts):
        current, m = sum(sums) - sums[fold], sum(counts) - counts[fold]
        other, others = sum(totals) - totals[fold] - current, n - len(part.rows) - m
        scores.append(part.rows @ (current / m - other / others).astype(np.float32))
    return scores


def _as_high(parts: list[_Fold], observed: float, permutations: int, rng: np.random.Generator) -> int:
    """How many permutations of the groups' sides, each within its fold, reach the observed mean AUC."""
    found = 0
    first = [part.side[np.unique(part.group, return_index=True)[1]] for part in parts]
    for start in range(0, permutations, _BATCH):
        width = min(_BATCH, permutations - start)
        dealt = [
            rng.permuted(np.tile(side[:, None], width), axis=0)[part.group]
            for part, side in zip(parts, first, strict=True)
        ]
        scores = _out_of_fold(parts, dealt)
        aucs = np.mean([_auc(part, side) for part, side in zip(scores, dealt, strict=True)], axis=0)
        found += int((aucs >= observed - 1e-12).sum())
    return found


def _auc(scores: NDArray[np.float32], side: NDArray[np.float32]) -> Floats:
    """AUC of each column of `scores` [n, b]: the Mann-Whitney statistic with midranks, as a share."""
    sides = side.reshape(len(side), -1)
    ranks = rankdata(scores, axis=0)
    m = sides.sum(axis=0)
    aucs: Floats = ((ranks * sides).sum(axis=0) - m * (m + 1) / 2) / (m * (len(side) - m))
    return aucs


def _owed_to_chance(parts: list[_Fold], scores: list[NDArray[np.float32]]) -> float:
    """Share in [0, 1] of the variance of scores that classifiers owe to the rows which they happened to learn from.

    A classifier is the difference of two means. With `learnt` [folds, d, d] its covariance, and `tested` that of the
    same difference within the fold that it scores, chance alone gives scores a variance of trace(tested learnt).
    """
    tested, learnt, seen = 0.0, 0.0, 0.0
    for one in (0.0, 1.0):
        own = [part.of(one) for part in parts]
        sizes = np.array([mine.sum() for mine, _ in own])[:, None, None]
        sums = np.stack(
            [_covariance_of_sum(part.rows[mine], group) for part, (mine, group) in zip(parts, own, strict=True)]
        )
        tested = tested + sums / sizes**2
        learnt = learnt + (sums.sum(axis=0) - sums) / (sizes.sum() - sizes) ** 2
        for found, (mine, group) in zip(scores, own, strict=True):
            seen += variance_of_mean(found[mine, 0].astype(np.float64), group)
    return min(1.0, float(np.sum(tested * learnt)) / seen) if seen > 0.0 else 1.0


def _covariance_of_sum(rows: NDArray[np.float32], group: Numbers) -> Floats:
    sums = sums_by_group(rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64), group)
    covariance: Floats = sums.T @ sums * (len(sums) / (len(sums) - 1))
    return covariance


def _interval(parts: list[_Fold], scores: list[NDArray[np.float32]], widened: float, confidence: float) -> Interval:
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
