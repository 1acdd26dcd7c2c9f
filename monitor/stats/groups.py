"""Rows that come in groups (bursts, sessions, near-duplicates): what depends on each other counts together."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.errors import NotEnoughData
from monitor.stats.inputs import Floats


def as_groups(groups: ArrayLike | None, n: int, name: str, *, least: int) -> NDArray[np.int64]:
    """Numbers of the groups of n rows, from 0 without gaps; each row is its own where `groups` is None.

    Raises:
        NotEnoughData: not as many whole numbers as rows, or fewer than `least` groups.
    """
    if groups is None:
        return np.arange(n)
    if np.ma.is_masked(groups):
        raise NotEnoughData(f"the groups of the {name} values are masked in places; leave such rows out")
    try:
        given = np.asarray(groups)
    except ValueError:  # lists of different lengths
        given = np.empty(0)
    if given.shape != (n,) or not np.issubdtype(given.dtype, np.integer):
        raise NotEnoughData(f"{n} {name} values need as many whole group numbers")
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


def variance_of_mean(values: Floats, groups: NDArray[np.int64]) -> float:
    """Of the mean of `values` [n], from the sums of the groups about it: ddof is 1, in groups."""
    sums = np.bincount(groups, weights=values - values.mean())
    return float((sums**2).sum()) / values.size**2 * sums.size / (sums.size - 1)


def welch_freedom(variances: tuple[float, float], groups: tuple[int, int]) -> float:
    """Degrees of freedom of the sum of two `variances` >= 0, each from so many `groups` >= 2.

    That of the side which varies more counts most. Satterthwaite (1946), "An approximate distribution of estimates of
    variance components", Biometrics Bulletin 2; Welch (1947), Biometrika 34.

    >>> welch_freedom((1.0, 1.0), (10, 10)), welch_freedom((0.0, 1.0), (100, 10))
    (18.0, 9.0)
    """
    largest = max(variances)
    if largest <= 0.0:
        return float(sum(groups) - 2)
    parts = [one / largest for one in variances]
    spread = sum(part**2 / (size - 1) for part, size in zip(parts, groups, strict=True))
    return sum(parts) ** 2 / spread
