"""Weighted means of resampled rows, and the interval that they give."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, stdtrit

from monitor.errors import NotEnoughData
from monitor.stats.inputs import LEAST_PROBABILITY, Floats, as_matrix, as_vector, check_share, check_whole

DRAWS: Final = 1000
MOST_GROUPS: Final = 2000
"""Beyond so many rows, groups of them that were put together at random are resampled instead: the variance of the mean
stays what it is, and the work is bounded."""


def resampled_means(values: ArrayLike, weights: ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> Floats:
    """Weighted (Hájek) means [draws, k] of `values` [n, k] in samples of n rows drawn with replacement.

    Rows carry their `weights` [n] > 0 with them. Efron and Tibshirani (1993), "An Introduction to the Bootstrap",
    chapter 6. The same seed gives the same draws.

    Raises:
        NotEnoughData: no rows, no draws, lengths that differ, NaN, weights that are not above 0 or are nothing beside
            their mean, or a seed below 0.
    """
    table, carried = as_matrix(values, "values"), as_vector(weights, "weights")
    if len(table) != carried.size:
        raise NotEnoughData(f"values of shape {table.shape} and {carried.size} weights cannot be resampled")
    check_whole(draws, "draws", least=1)
    check_whole(seed, "as the seed", least=0)
    if carried.min() <= LEAST_PROBABILITY * carried.mean():
        raise NotEnoughData(f"resampling needs weights above 0, and above {LEAST_PROBABILITY:g} of their mean")
    rng = np.random.default_rng(seed)
    carried /= carried.mean()
    sums = _grouped(np.column_stack([table * carried[:, None], carried]), rng)
    units = sums.shape[0]
    places = rng.integers(units, size=(draws, units)) + units * np.arange(draws)[:, None]
    counts = np.bincount(places.ravel(), minlength=draws * units).reshape(draws, units)
    totals = counts.astype(np.float64) @ sums
    means: Floats = totals[:, :-1] / totals[:, -1:]
    return means


def percentiles(draws: Floats, n: int, level: float) -> tuple[Floats, Floats]:
    """Lower and upper ends [k] of expanded percentile intervals from bootstrap `draws` [draws, k] of n rows.

    The percentile interval is too narrow for small n, because a resample varies by (n - 1) / n of what a sample does,
    and the normal law takes the place of Student's t; the tails are lightened by as much.
    Hesterberg (2015), "What Teachers Should Know About the Bootstrap", The American Statistician 69(4).

    Raises:
        NotEnoughData: no draws or NaN in them, n < 2, or level outside (0, 1).
    """
    check_share(level, "level")
    check_whole(n, "rows behind an interval", least=2)
    draws = as_matrix(draws, "draws")
    deviate = stdtrit(n - 1, (1.0 - level) / 2.0) * np.sqrt(n / (n - 1.0))
    tail = float(ndtr(deviate))
    return np.quantile(draws, tail, axis=0), np.quantile(draws, 1.0 - tail, axis=0)


def _grouped(rows: Floats, rng: np.random.Generator) -> Floats:
    """Sums of at most `MOST_GROUPS` groups of rows, as equal in size as can be."""
    if rows.shape[0] <= MOST_GROUPS:
        return rows
    shuffled = rows[rng.permutation(rows.shape[0])]
    starts = np.linspace(0, rows.shape[0], MOST_GROUPS, endpoint=False).astype(np.int64)
    return np.add.reduceat(shuffled, starts, axis=0)
