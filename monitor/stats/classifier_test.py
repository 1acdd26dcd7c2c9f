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
from monitor.stats.inputs import Floats, as_matrix, check_share
from monitor.stats.intervals import Interval, wilson_of_share
from monitor.stats.shrinkage import ledoit_wolf

FOLDS: Final = 5
PERMUTATIONS: Final = 199
MAX_SQUARES: Final = 16
"""So many leading axes enter squared as well, for a widening moves no mean."""

_LONGEST: Final = 25.0
_BATCH: Final = 100
_LEAST_VARIANCE: Final = 1e-9


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
    folds: int = FOLDS,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
    confidence: float = 0.95,
) -> DomainScores:
    """Score rows of `reference` [n, d] and `current` [m, d] out of fold, with n, m >= 2 * `folds`.

    Features are all axes, whitened by a Ledoit-Wolf covariance of the pooled rows, and the squares of the leading ones.
    The p-value is exact for rows that are exchangeable under no change (Phipson and Smyth, 2010: the observed order
    counts as one of the permutations); bursts of near-duplicates are not, and belong into `compare`.

    The interval is Wilson's, for the number of rows that gives the variance of the mean of the folds' AUCs: that of
    DeLong et al. (1988), Biometrics 44, pooled as by LeDell, Petersen and van der Laan (2015), Electronic Journal of
    Statistics 9, which takes folds for independent, times 1 + `_owed_to_chance`. For they are not: what two folds have
    in common by chance counts when the first is scored by what the second taught, and once more the other way round.
    So where nothing differs the variance is twice theirs, and their interval of 95% covers 83%.

    Raises:
        NotEnoughData: too few rows, dimensions that differ, NaN, all rows the same, folds < 2, or no permutations.
    """
    if folds < 2 or permutations < 1:
        raise NotEnoughData(f"a classifier test needs 2 folds and 1 permutation, not {folds} and {permutations}")
    check_share(confidence, "confidence")
    first = as_matrix(reference, "reference", least=2 * folds)
    second = as_matrix(current, "current", least=2 * folds)
    if first.shape[1] != second.shape[1]:
        raise NotEnoughData(f"reference has {first.shape[1]} dimensions, current {second.shape[1]}")
    rng = np.random.default_rng(seed)
    features = _features(np.concatenate([first, second]))
    members = _deal(len(first), len(second), folds, rng)
    sides = [(rows >= len(first)).astype(np.float32) for rows in members]
    parts = [features[rows] for rows in members]
    observed = _out_of_fold(parts, [side[:, None] for side in sides])
    aucs = [_auc(scores, side)[0] for scores, side in zip(observed, sides, strict=True)]
    as_high = _as_high(parts, sides, float(np.mean(aucs)), permutations, rng)
    scores = np.empty(len(features))
    for rows, found in zip(members, observed, strict=True):
        scores[rows] = _standard(found[:, 0].astype(np.float64))
    return DomainScores(
        scores_reference=scores[: len(first)],
        scores_current=scores[len(first) :],
        auc=float(np.mean(aucs)),
        p_value=(1 + as_high) / (1 + permutations),
        interval=_interval(observed, sides, 1.0 + _owed_to_chance(parts, observed, sides), confidence),
    )


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


def _deal(n: int, m: int, folds: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """The rows of each fold, both sides dealt evenly."""
    dealt = [np.array_split(rng.permutation(n), folds), np.array_split(n + rng.permutation(m), folds)]
    return [np.concatenate(both) for both in zip(*dealt, strict=True)]


def _out_of_fold(parts: list[NDArray[np.float32]], sides: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Scores [rows, b] of each fold by the difference of the other folds' means, for b ways to take sides at once."""
    sums = [part.T @ side for part, side in zip(parts, sides, strict=True)]
    totals = [part.sum(axis=0)[:, None] for part in parts]
    counts = [side.sum(axis=0) for side in sides]
    n = sum(len(part) for part in parts)
    scores = []
    for fold, part in enumerate(parts):
        current, m = sum(sums) - sums[fold], sum(counts) - counts[fold]
        other, others = sum(totals) - totals[fold] - current, n - len(part) - m
        scores.append(part @ (current / m - other / others).astype(np.float32))
    return scores


def _as_high(
    parts: list[NDArray[np.float32]],
    sides: list[NDArray[np.float32]],
    observed: float,
    permutations: int,
    rng: np.random.Generator,
) -> int:
    """How many permutations of the sides, each within its fold, reach the observed mean AUC."""
    found = 0
    for start in range(0, permutations, _BATCH):
        width = min(_BATCH, permutations - start)
        dealt = [rng.permuted(np.tile(side[:, None], width), axis=0) for side in sides]
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


def _owed_to_chance(
    parts: list[NDArray[np.float32]], scores: list[NDArray[np.float32]], sides: list[NDArray[np.float32]]
) -> float:
    """Share in [0, 1] of the variance of scores that classifiers owe to the rows which they happened to learn from.

    A classifier is the difference of two means. With `learnt` [folds, d, d] its covariance, and `tested` that of the
    same difference within the fold that it scores, chance alone gives scores a variance of trace(tested learnt).
    """
    tested, learnt, seen = 0.0, 0.0, 0.0
    for one in (0.0, 1.0):
        rows = [part[side == one] for part, side in zip(parts, sides, strict=True)]
        sizes = np.array([len(each) for each in rows])[:, None, None]
        sums = np.stack([len(each) * np.cov(each, rowvar=False) for each in rows])
        tested = tested + sums / sizes**2
        learnt = learnt + (sums.sum(axis=0) - sums) / (sizes.sum() - sizes) ** 2
        for found, side in zip(scores, sides, strict=True):
            own = found[side == one, 0].astype(np.float64)
            seen += float(own.var(ddof=1)) / own.size
    return min(1.0, float(np.sum(tested * learnt)) / seen) if seen > 0.0 else 1.0


def _interval(
    scores: list[NDArray[np.float32]], sides: list[NDArray[np.float32]], widened: float, confidence: float
) -> Interval:
    aucs, variances = [], []
    for found, side in zip(scores, sides, strict=True):
        current, other = found[side == 1, 0], found[side == 0, 0]
        # Placements: the share of the other side that a row beats is its rank among all less that among its own.
        ranks = rankdata(np.concatenate([current, other]))
        beats = (ranks[: current.size] - rankdata(current)) / other.size
        beaten = 1.0 - (ranks[current.size :] - rankdata(other)) / current.size
        aucs.append(beats.mean())
        variances.append(beats.var(ddof=1) / current.size + beaten.var(ddof=1) / other.size)
    auc = float(np.mean(aucs))
    variance = widened * float(np.sum(variances)) / len(scores) ** 2
    # Without any overlap nothing varies: as sure as one is of a share of 1 among the rows of the smaller side.
    most = auc * (1.0 - auc)
    fewest = min(sum(float(side.sum()) for side in sides), sum(float((1.0 - side).sum()) for side in sides))
    return wilson_of_share(auc, most / variance if min(most, variance) > 0.0 else fewest, confidence)


def _standard(scores: Floats) -> Floats:
    standard: Floats = (scores - scores.mean()) / max(float(scores.std()), 1e-12)
    return standard
