"""The time of day and week: what a window's means are expected to be at its hours, learnt from blessed traffic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.errors import NotEnoughData
from monitor.stats.exact_sums import Units, to_values
from monitor.stats.inputs import Floats, as_vector
from monitor.stats.row_numbers import RowNumbers, row_numbers

Hours = RowNumbers
"""Whole hours since the epoch, UTC."""

MIN_DAYS: Final = 3
"""A profile of the day needs so many days of reference ..."""

MIN_WEEKS: Final = 2
"""... and one of the week so many weeks."""

_DAY: Final = (7, 14, 21)
_WEEK: Final = (1, 2, 3, 5, 6, 8, 9)
"""Waves a week: three harmonics of the day; three of the week, and those that let days differ from each other."""

_HOURS_A_WEEK: Final = 168
_LEAST_INFORMATION: Final = 0.2
"""Where hours are missing (offices that close), waves look alike and their sum between those hours is a guess."""


@dataclass(frozen=True, slots=True, eq=False)
class Season:
    """`waves` [k] a week, and for each a cosine and a sine: `coefficients` [2k, m] of the m features' means."""

    waves: NDArray[np.int64]
    coefficients: NDArray[np.float32]

    def at(self, hours: Hours) -> Floats:
        """What the season adds to a row's features at each of the hours [n], as [n, m]; 0 on average over a week."""
        added: Floats = _basis(hours, self.waves) @ self.coefficients.astype(np.float64)
        return added

    def over(self, hours: Mapping[int, int]) -> Floats:
        """What it adds to the means [m] of a window with so many rows in each hour.

        Raises:
            NotEnoughData: no rows, or hours that are not whole.
        """
        counts = as_vector(list(hours.values()), "rows by hour", least=0)
        if counts.sum() <= 0.0 or counts.min() < 0.0:
            raise NotEnoughData("a window's hours must name how many rows, at least one in all, came in each")
        means: Floats = counts @ self.at(as_hours(list(hours), len(hours))) / counts.sum()
        return means


def as_hours(hours: ArrayLike, n: int) -> Hours:
    """Check the hour of each of n rows.

    Raises:
        NotEnoughData: another number of hours, or hours that are not whole.
    """
    return row_numbers(hours, n, "hours since the epoch")


def learn_season(features: Units, hours: Hours) -> Season | None:
    """The season of rows' features [n, m] that came in `hours` [n]; None where the rows span too little time.

    Weighted least squares on the means of single hours. Each feature's waves of the day, and those of the week, are
    shrunk together by the positive-part rule of James and Stein (1961), "Estimation with Quadratic Loss", against the
    variation that hours have besides, so that where there is no season nothing is subtracted.
    """
    found, place = np.unique(hours, return_inverse=True)
    span = int(found[-1] - found[0]) + 1
    groups = [_DAY] * (span >= 24 * MIN_DAYS) + [_WEEK] * (span >= _HOURS_A_WEEK * MIN_WEEKS)
    counts = np.bincount(place).astype(np.float64)
    while groups and not _told_apart(_basis(found, np.concatenate(groups)), counts):
        groups.pop()
    if not groups:
        return None
    means = np.zeros((found.size, features.shape[1]))
    np.add.at(means, place, to_values(features))
    means /= counts[:, None]
    waves = np.concatenate(groups)
    return Season(waves, _shrunk(means, _basis(found, waves), counts, [len(group) for group in groups]))


def _basis(hours: Hours, waves: NDArray[np.int64]) -> Floats:
    """Cosine and sine of each wave [n, 2k], the two of a wave side by side."""
    angles = 2.0 * np.pi / _HOURS_A_WEEK * np.mod(np.outer(hours, waves), _HOURS_A_WEEK)
    return np.stack([np.cos(angles), np.sin(angles)], axis=2).reshape(hours.size, -1)


def _told_apart(basis: Floats, counts: Floats) -> bool:
    """Whether the hours tell the waves from each other and from a constant."""
    columns = np.column_stack([np.ones(len(basis)), np.sqrt(2.0) * basis])
    if len(columns) < 2 * columns.shape[1]:
        return False
    gram = columns.T @ (counts[:, None] * columns) / counts.sum()
    return bool(np.linalg.eigvalsh(gram)[0] > _LEAST_INFORMATION)


def _shrunk(means: Floats, basis: Floats, counts: Floats, sizes: list[int]) -> NDArray[np.float32]:
    columns = np.column_stack([np.ones(len(basis)), basis])
    gram = columns.T @ (counts[:, None] * columns)
    fitted = np.linalg.solve(gram, columns.T @ (counts[:, None] * means))
    besides = ((means - columns @ fitted) ** 2 * counts[:, None]).sum(axis=0) / (len(means) - columns.shape[1])
    start = 1
    for size in sizes:
        group = slice(start, start + 2 * size)
        block = np.linalg.inv(np.linalg.inv(gram)[group, group])
        strength = np.einsum("im,ij,jm->m", fitted[group], block, fitted[group])
        fitted[group] *= np.maximum(0.0, 1.0 - (2 * size - 2) * besides / np.maximum(strength, 1e-300))
        start = group.stop
    coefficients: NDArray[np.float32] = fitted[1:].astype(np.float32)
    return coefficients
