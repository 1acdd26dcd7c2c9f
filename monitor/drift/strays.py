"""How far each window of the reference strays from the others, and how far windows of independent rows would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from monitor.stats.inputs import Floats
from monitor.stats.shrinkage import ledoit_wolf
from monitor.stats.two_sample import weighted_law

_LEAST_VARIANCE: Final = 1.0
"""Features have variance 1 on the fit's rows. A direction with less on the calibration rows is not blown up again:
the reference hardly uses it (a rare prompt, say), and one row there must not weigh more than it does elsewhere."""

_LEAST_WEIGHT: Final = 0.04
"""What a feature that never varied in the reference is taken to vary: a single odd row must not be an alarm."""

_BLOCK: Final = 8
"""One window in so many, on either side, is a neighbour, and at least one is. Neighbours that resemble a window (moods
of traffic, a season) would make it seem to stray less than windows far apart do: 64-d moods that correlate by 0.7 from
window to window alarmed in 24% of looks at 5% under 16 windows, and in 18% under 72, measured with their neighbours."""

_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Strays:
    """One detector's, with its m features and w windows.

    A window is measured against those that are not its neighbours (h-block cross-validation; Burman, Chow and Nolan
    1994, "A cross-validatory method for dependent data", Biometrika 81).

    `directions` [m, m] whiten single rows (those that vary little are left as they are) and are turned to where windows
    vary most; along them, `rows` [m, m] is the covariance of single rows and `ratios` [m] the variance of windows'
    means, in units of what independent rows of unit variance would give. `moves` [w, m] are squared distances of each
    window from those others, in directions in which it had no part, and `their_ratios` [w, m] the ratios along those.
    `unseen` >= 1 is how many times more single rows vary in directions that they had no part in; `kurtosis` >= 3 is
    theirs. `rows_per_window` is the mean of the windows, as `ratios` are of them all, small ones and large ones alike.
    `overlap` >= 1 is how many times more the mean of all windows' squared distances varies than that of as many
    independent ones, because they are measured against each other: 1.32 for 8 windows, 1.11 for 24.
    """

    directions: Floats
    ratios: Floats
    rows: Floats
    moves: Floats
    their_ratios: Floats
    unseen: float
    kurtosis: float
    rows_per_window: float
    overlap: float

    @classmethod
    def of(cls, rows: Floats, starts: NDArray[np.int64]) -> Strays:
        """From features [n, m] whose windows begin at the rows `starts` [w]."""
        windows = _Windows.of(rows, starts)
        moves, their_ratios, within = zip(
            *(_from_others(windows, at) for at in range(windows.counts.size)), strict=True
        )
        directions, ratios, covariance = windows.metric()
        return cls(
            directions=directions,
            ratios=ratios,
            rows=covariance,
            moves=np.stack(moves),
            their_ratios=np.stack(their_ratios),
            unseen=max(sum(within) / windows.n / max(float(np.trace(covariance)), _TINY), 1.0),
            kurtosis=_kurtosis(rows),
            rows_per_window=float(windows.counts.mean()),
            overlap=windows.overlap(),
        )

    def distances(self, dependence: float = 0.0) -> Floats:
        """Mean squared distance [w] of each window from those far from it, directions discounted by `discount`."""
        mean: Floats = (self.moves / discount(self.their_ratios, dependence)).mean(axis=1)
        return mean

    def independent_law(self, dependence: float = 0.0) -> tuple[float, float]:
        """Centre and deviation of the cube root of such a distance if rows were independent."""
        scales = 1.0 / np.sqrt(discount(self.ratios, dependence))
        weights = np.linalg.eigvalsh(scales[:, None] * self.rows * scales)
        return weighted_law(np.maximum(self.unseen * weights, _LEAST_WEIGHT))

    def surplus(self) -> float:
        """p-value of windows of independent rows straying as far as these do, on average."""
        centre, deviation = self.independent_law()
        roots = np.cbrt(self.distances())
        return float(ndtr(-(float(roots.mean()) - centre) / deviation * np.sqrt(roots.size / self.overlap)))


def discount(ratios: Floats, dependence: float) -> Floats:
    """By how much squared distances are divided: what windows vary beyond independent rows, as far as that is sure."""
    divisors: Floats = 1.0 + dependence * (np.maximum(ratios, 1.0) - 1.0)
    return divisors


@dataclass(frozen=True, slots=True, eq=False)
class _Windows:
    """Sums over the rows of each window: `counts` [w], `sums` [w, m], `squares` [w, m, m]."""

    counts: Floats
    sums: Floats
    squares: Floats

    @classmethod
    def of(cls, rows: Floats, starts: NDArray[np.int64]) -> _Windows:
        parts = np.split(rows, starts[1:])
        return cls(
            counts=np.array([float(len(part)) for part in parts]),
            sums=np.stack([part.sum(axis=0) for part in parts]),
            squares=np.stack([part.T @ part for part in parts]),
        )

    def far_from(self, index: int) -> _Windows:
        """Those that are neither this one nor neighbours of it; windows are in order of time."""
        kept = self._is_far()[index]
        return _Windows(self.counts[kept], self.sums[kept], self.squares[kept])

    def overlap(self) -> float:
        """See `Strays.overlap`; exact where means are normal: squares of two that correlate by r correlate by r^2."""
        from_others = np.where(self._is_far(), self.counts, 0.0)
        distances = np.eye(self.counts.size) - from_others / from_others.sum(axis=1, keepdims=True)
        covariance = (distances / self.counts) @ distances.T
        scales = 1.0 / np.sqrt(np.diag(covariance))
        return float(np.sum((scales[:, None] * covariance * scales) ** 2) / self.counts.size)

    def _is_far(self) -> NDArray[np.bool_]:
        """Whether the windows of two numbers [w, w] are no neighbours."""
        numbers = np.arange(self.counts.size)
        return np.asarray(np.abs(numbers[:, None] - numbers) > max(self.counts.size // _BLOCK, 1))

    @property
    def n(self) -> float:
        return float(self.counts.sum())

    @property
    def mean(self) -> Floats:
        centre: Floats = self.sums.sum(axis=0) / self.n
        return centre

    @property
    def covariance(self) -> Floats:
        """Of single rows, [m, m]."""
        total: Floats = self.squares.sum(axis=0) / self.n - np.outer(self.mean, self.mean)
        return total

    def strays(self) -> Floats:
        """Each window's mean less that of all others, scaled to the covariance of one row if rows were independent.

        A window's mean less that of all others is n / (n - count) times its mean less that of all.
        """
        scales = np.sqrt(self.n / (self.counts * (self.n - self.counts)))
        away: Floats = (self.sums - self.counts[:, None] * self.mean) * scales[:, None]
        return away

    def metric(self) -> tuple[Floats, Floats, Floats]:
        """Directions [m, m] that whiten rows and diagonalise the strays; along them the variances of strays [m] and the
        covariance of rows [m, m]: those that vary little are not whitened."""
        variances, axes = np.linalg.eigh(self.covariance)
        whiten = axes / np.sqrt(np.maximum(variances, _LEAST_VARIANCE))
        ratios, turn = np.linalg.eigh(ledoit_wolf(self.strays() @ whiten))
        directions = whiten @ turn
        return directions, ratios, directions.T @ self.covariance @ directions


def _kurtosis(rows: Floats) -> float:
    """Mean kurtosis of the features [n, m], at least that of the normal law."""
    squares = (rows - rows.mean(axis=0)) ** 2
    return max(float(np.mean((squares**2).mean(axis=0) / np.maximum(squares.mean(axis=0), _LEAST_WEIGHT) ** 2)), 3.0)


def _from_others(windows: _Windows, index: int) -> tuple[Floats, Floats, float]:
    """Along directions of windows far from one: squared distances [m] of it from them, how much those vary [m], and how
    much its own rows vary about their mean, in all."""
    others, count = windows.far_from(index), float(windows.counts[index])
    directions, strays, _ = others.metric()
    mean = windows.sums[index] / count
    shift = (mean - others.mean) @ directions
    scatter = (windows.squares[index] - count * np.outer(mean, mean)) * count / (count - 1.0)
    within = float(np.einsum("ij,ik,kj->", directions, scatter, directions))
    return count * others.n / (count + others.n) * shift**2, strays, within
