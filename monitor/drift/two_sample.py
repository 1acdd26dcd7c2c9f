"""Two arrays of vectors, at once: the same detectors and verdicts, without sketches to keep."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.domain.results import DetectorResult, DriftResult, DriftVerdict
from monitor.drift import DETECTORS
from monitor.drift.compare import LEVEL, LOCATING, MIN_CURRENT, MIN_REFERENCE, POWER, combined, compare, part
from monitor.drift.distance import Distance
from monitor.drift.fit import Fit, learn
from monitor.drift.reference import build
from monitor.drift.sketch import sketch
from monitor.errors import NotEnoughData
from monitor.stats.exact_sums import to_values
from monitor.stats.inputs import Floats, as_matrix, check_share, check_whole
from monitor.stats.noncentrality import NoncentralLaw
from monitor.stats.two_sample import PredictionLaw, cauchy_combination, weighted_law

PERMUTATIONS: Final = 499
FRAME_ROWS: Final = 2000
"""The frame is learnt on at most so many of the rows: more hardly change it."""

_ARRAYS: Final = "arrays"
_LEAST_VARIANCE: Final = 1e-3
_BATCH: Final = 100
_TINY: Final = 1e-300


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Features [n, k] that are uncorrelated over the rows of both sides; `weights` [k] <= 1 are their variances."""

    rows: NDArray[np.float32]
    weights: Floats


def compare_arrays(
    reference: ArrayLike,
    current: ArrayLike,
    *,
    level: float = LEVEL,
    windows: ArrayLike | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> DriftResult:
    """Whether `current` [m, d] differs from `reference` [n, d]; `level` is the false-alarm rate on unchanged rows.

    With `windows` [n], the number of each reference row's window, this is `build` and `compare`: rows of one window may
    resemble each other (bursts, the time of day), and `current` is one more window.

    Without them rows are taken for independent draws. The frame and the metric are then learnt on the rows of both
    sides, without looking at which is which, so that the sides can be permuted: the share of permutations whose
    combined p-value is as small is an exact p-value (Phipson and Smyth, 2010, "Permutation P-values Should Never Be
    Zero"), never below 1 / (`permutations` + 1), so that a level below that is refused. With `permutations` = 0 the
    combined p-value of the analytic laws is given as it is. Detectors' own p-values are always analytic. A p-value of
    at most `level` is drift.

    Raises:
        NotEnoughData: NaN, other shapes, dimensions that differ, rows that are all the same, a level outside (0, 1) or
            that so few permutations cannot reach, or permutations or a seed that are no whole numbers of at least 0.
            Too few rows (50 current, 100 reference) or windows are a verdict, not an error.
    """
    check_share(level, "level")
    check_whole(permutations, "permutations", least=0)
    check_whole(seed, "as the seed", least=0)
    first, second = as_matrix(reference, "reference"), as_matrix(current, "current")
    if first.shape[1] != second.shape[1]:
        raise NotEnoughData(f"reference has {first.shape[1]} dimensions, current {second.shape[1]}")
    if windows is not None:
        made = build(first, windows, _ARRAYS)
        return compare(made.fit, made.baseline, sketch(second, made.fit), made.dispersion, level=level)
    if permutations and level < 1.0 / (permutations + 1):
        raise NotEnoughData(
            f"{permutations} permutations cannot reach level {level:g}: {ceil(1.0 / level) - 1} are needed"
        )
    missing = _missing(len(first), len(second))
    if missing is not None:
        return missing
    rng = np.random.default_rng(seed)
    return _independent(np.concatenate([first, second]), len(first), level, permutations, rng)


def _missing(n: int, m: int) -> DriftResult | None:
    if n < MIN_REFERENCE:
        reason = f"the reference has {n} rows; {MIN_REFERENCE} are needed"
        return DriftResult(DriftVerdict.NOT_ENOUGH_REFERENCE, n, m, reason=reason)
    if m < MIN_CURRENT:
        reason = f"the window has {m} rows; {MIN_CURRENT} are needed"
        return DriftResult(DriftVerdict.NOT_ENOUGH_DATA, n, m, reason=reason)
    return None


def _independent(rows: Floats, n: int, level: float, permutations: int, rng: np.random.Generator) -> DriftResult:
    total = len(rows)
    seen = rows if total <= FRAME_ROWS else rows[rng.choice(total, FRAME_ROWS, replace=False)]
    blocks = _blocks(rows, learn(seen, _ARRAYS))
    laws = {name: _law(block.weights, total) for name, block in blocks.items()}
    sides = np.zeros((total, 1), dtype=np.float32)
    sides[n:] = 1.0
    harmonic = n * (total - n) / total
    later, statistics = sides[:, 0] > 0.0, _distances(blocks, sides)
    found = {
        name: _detect(name, block, later, float(statistics[name][0]), laws[name]) for name, block in blocks.items()
    }
    results = tuple(result for result, _ in found.values())
    p_value = combined(results)
    if permutations:
        p_value = _permuted(blocks, laws, sides, p_value, permutations, rng)
    loudest, moved = min(found.values(), key=lambda one: one[0].p_value)
    place = found[LOCATING][1]
    least = laws[LOCATING].detectable(level * part(LOCATING, laws), POWER) * float(blocks[LOCATING].weights.sum())
    return DriftResult(
        verdict=DriftVerdict.DRIFT if p_value <= level else DriftVerdict.NO_DRIFT,
        n_reference=n,
        n_current=total - n,
        p_value=p_value,
        effect=loudest.effect,
        effect_interval=moved.effect_interval(among=len(found)),
        distance=place.estimate,
        distance_interval=place.interval(),
        smallest_distance=float(np.sqrt(least / harmonic)),
        detector=loudest.name,
        detectors=results,
    )


def _detect(
    name: str, block: _Block, later: NDArray[np.bool_], statistic: float, law: PredictionLaw
) -> tuple[DetectorResult, Distance]:
    """One detector's result and distance; `later` [n] are the rows of the current side."""
    total, m = len(later), int(later.sum())
    weight, harmonic = float(block.weights.sum()), m * (total - m) / total
    first, second = block.rows[~later].astype(np.float64), block.rows[later].astype(np.float64)
    shift = second.mean(axis=0) - first.mean(axis=0)
    # How much the difference varies along itself: either side's rows by themselves, without their distance. Where there
    # is no difference, or no side varies along it, that is 0, and the law takes the least slope that it can have.
    along = shift / max(float(np.linalg.norm(shift)), _TINY)
    varies = harmonic * sum(float((side @ along).var()) / len(side) for side in (first, second))

    def distance(surplus: float) -> float:
        return _distance(surplus * weight / harmonic, harmonic / total)

    found = Distance(
        distance(max(statistic - 1.0, 0.0)), statistic, NoncentralLaw.beyond(law, varies / weight), distance
    )
    return DetectorResult(name, statistic, law.p_value(statistic), found.effect, found.effect_interval()), found


def _blocks(rows: Floats, fit: Fit) -> dict[str, _Block]:
    """Each detector's features, whitened but where they vary by less than 1: such ones are not blown up."""
    features = to_values(fit.features(rows))
    blocks = {}
    for name, where in fit.blocks.items():
        centred = features[:, where] - features[:, where].mean(axis=0)
        variances, axes = np.linalg.eigh(centred.T @ centred / (len(rows) - 1))
        kept = variances > _LEAST_VARIANCE * max(float(variances[-1]), _LEAST_VARIANCE)
        if kept.any():
            weights = np.minimum(variances[kept], 1.0)
            turned = centred @ (axes[:, kept] * np.sqrt(weights / variances[kept]))
            blocks[name] = _Block(turned.astype(np.float32), weights)
    return blocks


def _law(weights: Floats, rows: int) -> PredictionLaw:
    """Law of the squared distance in units of its mean, when all rows are alike."""
    centre, deviation = weighted_law(weights / weights.mean())
    return PredictionLaw(centre, deviation, freedom=rows - 2.0, error=0.0)


def _distances(blocks: dict[str, _Block], sides: NDArray[np.float32]) -> dict[str, Floats]:
    """Each detector's squared distances [b], of mean 1 if all rows are alike, for b ways to take sides.

    `sides` [n, b] is 1 for the current side.
    """
    n, m = len(sides), sides.sum(axis=0)
    found = {}
    for name, block in blocks.items():
        # The rows' mean is zero, so the other side's sum is this one's with the sign turned.
        shift = (block.rows.T @ sides).astype(np.float64) * (n / (m * (n - m)))
        found[name] = (shift**2).sum(axis=0) * (m * (n - m) / n) / block.weights.sum()
    return found


def _distance(squared: float, balance: float) -> float:
    """Distance of the means in deviations of single rows, from its square in a metric that includes the distance."""
    return float(np.sqrt(squared / max(1.0 - balance * squared, 1e-9)))


def _permuted(
    blocks: dict[str, _Block],
    laws: dict[str, PredictionLaw],
    sides: NDArray[np.float32],
    observed: float,
    permutations: int,
    rng: np.random.Generator,
) -> float:
    """Share of permutations, the observed order among them, whose combined p-value is as small as the observed one."""
    as_small, weights = 1, [DETECTORS[name].weight for name in blocks]
    for start in range(0, permutations, _BATCH):
        dealt = rng.permuted(np.tile(sides, min(_BATCH, permutations - start)), axis=0)
        distances = _distances(blocks, dealt)
        p = np.array([[laws[name].p_value(float(one)) for one in found] for name, found in distances.items()])
        as_small += sum(cauchy_combination(column, weights) <= observed for column in p.T)
    return as_small / (permutations + 1)
