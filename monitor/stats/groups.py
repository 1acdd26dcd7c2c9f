"""Rows that come in groups (bursts, sessions, near-duplicates): what depends on each other counts together."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.errors import NotEnoughData
from monitor.stats.inputs import Floats
from monitor.stats.row_numbers import row_numbers


def as_groups(groups: ArrayLike | None, n: int, name: str, *, least: int) -> NDArray[np.int64]:
    """Numbers of the groups of n rows, from 0 without gaps; each row is its own where `groups` is None.

    Raises:
        NotEnoughData: as `row_numbers`, or fewer than `least` groups.
    """
    if groups is None:
        return np.arange(n)
    given = row_numbers(groups, n, "group numbers", of=f"{name} values")
    numbers = np.unique(given, return_inverse=True)[1].astype(np.int64)
    if numbers.max(initial=-1) + 1 < least:
        raise NotEnoughData(
            f"the {name} values are of {numbers.max(initial=-1) + 1} groups, {least} are needed: with fewer nothing is "
            "known of how groups differ"
        )
    return numbers


def sums_by_group(values: Floats, groups: NDArray[np.int64]) -> Floats:
    """Sums [g, d] of `values` [n, d] over rows of each group; every number from 0 to g - 1 has rows."""
    order = np.argsort(groups, kind="stable")
    sums: Floats = np.add.reduceat(values[order], np.flatnonzero(np.diff(groups[order], prepend=-1)), axis=0)
    return sums


def variance_of_mean(values: Floats, groups: NDArray[np.int64], weights: Floats | None = None) -> float:
    """Of the mean of `values` [n], from the sums of the groups about it: ddof is 1, in groups. `weights` [n] > 0."""
    count = np.ones(values.size) if weights is None else weights
    sums = np.bincount(groups, weights=count * (values - np.average(values, weights=weights)))
    return float((sums**2).sum()) / float(count.sum()) ** 2 * sums.size / (sums.size - 1)


def weights_of_rows(rows: Floats, groups: NDArray[np.int64]) -> Floats:
    """How much each of `rows` [n, d] says [n], the most is 1: 1 / (1 + (size of its group - 1) alike).

    `alike` in [0, 1] is how alike rows of one group were seen to be (the intraclass correlation, over all columns
    together): near-duplicates say together what one row does, unrelated rows of a busy minute as much as any others.
    The divisor is Kish's design effect (Kish, 1965, "Survey Sampling"), so that groups count by how many independent
    rows they are worth. Where all groups have one size all weights are 1.

    >>> weights_of_rows(np.array([[0.0], [0.0], [6.0], [6.0], [3.0]]), np.array([0, 0, 1, 1, 2]))
    array([0.5, 0.5, 0.5, 0.5, 1. ])
    """
    sizes = np.bincount(groups).astype(np.float64)
    centred = rows - rows.mean(axis=0)
    squares = float((sums_by_group(centred, groups) ** 2).sum())
    weights = 1.0 / (1.0 + (sizes - 1.0) * _alike(squares, float((centred**2).sum()), sizes))
    found: Floats = (weights / weights.max())[groups]
    return found


def spread_of_mean(values: Floats, groups: NDArray[np.int64]) -> tuple[float, float]:
    """Variance of the mean of `values` [n], and its degrees of freedom, where few `groups` of uneven sizes are known.

    A large group pulls the mean to itself, so that its sum about it looks too small: each is divided by what that
    leaves of it. Its square then speaks for many, so that the freedom is that of a sum of squares whose expectations
    go by the sizes and by how alike rows of one group are. Bell and McCaffrey (2002), "Bias reduction in standard
    errors for linear regression with multi-stage samples", Survey Methodology 28; with the likeness that is seen, as
    Imbens and Kolesár (2016), "Robust standard errors in small samples", Review of Economics and Statistics 98.
    For g groups of one size it is the usual variance with g - 1 degrees of freedom.

    >>> variance, freedom = spread_of_mean(np.array([1.0, 2.0, 6.0]), np.arange(3))
    >>> round(variance, 3), freedom  # 7 / 3
    (2.333, 2.0)
    """
    sizes = np.bincount(groups).astype(np.float64)
    centred = values - values.mean()
    squares = np.bincount(groups, weights=centred) ** 2
    alike = _alike(float(squares.sum()), float((centred**2).sum()), sizes)
    expected = sizes * (1.0 + (sizes - 1.0) * alike)
    freedom = float(expected.sum() ** 2 / (expected**2).sum()) - 1.0
    return float((squares / (1.0 - sizes / values.size)).sum()) / values.size**2, max(freedom, 1.0)


def _alike(squares: float, alone: float, sizes: Floats) -> float:
    """Intraclass correlation in [0, 1], from the sum of the `squares` of the groups' sums about the mean and that of
    the rows `alone`."""
    pairs = float((sizes * (sizes - 1.0)).sum())
    if alone <= 0.0 or pairs <= 0.0:
        return 0.0
    return min(max((squares / alone - 1.0) * float(sizes.sum()) / pairs, 0.0), 1.0)


def welch_freedom(variances: tuple[float, float], freedoms: tuple[float, float]) -> float:
    """Degrees of freedom of the sum of two `variances` >= 0 with as many each.

    That of the side which varies more counts most. Satterthwaite (1946), "An approximate distribution of estimates of
    variance components", Biometrics Bulletin 2; Welch (1947), Biometrika 34.

    >>> welch_freedom((1.0, 1.0), (9, 9)), welch_freedom((0.0, 1.0), (99, 9))
    (18.0, 9.0)
    """
    largest = max(variances)
    if largest <= 0.0:
        return float(sum(freedoms))
    parts = [one / largest for one in variances]
    spread = sum(part**2 / freedom for part, freedom in zip(parts, freedoms, strict=True))
    return sum(parts) ** 2 / spread
