"""How much unchanged traffic differs from window to window, measured on the reference's own windows.

Rows of one hour resemble each other (bursts, near-duplicates, the time of day), so two windows differ by more than
independent draws would. Everything here is per detector: where windows vary, how far, and how well that is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.drift.archive import pack, unpack
from monitor.drift.fit import Fit
from monitor.drift.season import as_hours
from monitor.errors import NotEnoughData
from monitor.stats.exact_sums import Units, to_values
from monitor.stats.inputs import Floats
from monitor.stats.shrinkage import ledoit_wolf
from monitor.stats.two_sample import PredictionLaw

MIN_WINDOWS: Final = 8
"""With fewer calibration windows the spread between them is known so badly that no p-value holds its level."""

MIN_WINDOW_ROWS: Final = 10
"""Smaller windows are joined with the next ones: the mean of a few rows is not nearly normal."""

_LEAST_VARIANCE: Final = 1.0
"""Features have variance 1 on the fit's rows. A direction with less on the calibration rows is not blown up again:
the reference hardly uses it (a rare prompt, say), and one row there must not weigh more than it does elsewhere."""

_LEAST_WEIGHT: Final = 0.01
"""What a feature that never varied in the reference is taken to vary: a single odd row must not be an alarm."""

_SINGLE_DIRECTION: Final = float(np.sqrt(2.0 / 9.0))
"""Relative deviation of the cube root of a chi-squared variable with one degree of freedom."""

_SKEW: Final = 1.5
"""Bursts of uneven length skew distances by more than a cube root evens out, so variance beyond that of independent
rows counts so many times. Measured on bursty traffic at nominal 1%: 1.9% of looks without it, 0.7% with it."""

NEEDS_HOURS: Final = "the fit is seasonal: say the hours in which the rows came"

_NUMBERS: Final = ("rows_per_window", "centre", "deviation", "least_deviation")
_KIND: Final = "snellen dispersion 1"


@dataclass(frozen=True, slots=True, eq=False)
class WindowSpread:
    """One detector's: `directions` [m, m] whiten single rows and turn them to where windows vary most.

    `ratios` [m] >= 1: variance of a window's mean, in units of what independent rows would give, at `rows_per_window`
    rows. `centre` and `deviation`: of the cube roots of windows' mean squared distances over those directions, each
    window measured against the others; `least_deviation` is what independent rows would give. `distances` are the
    distances themselves, rising.
    """

    directions: Floats
    ratios: Floats
    rows_per_window: float
    centre: float
    deviation: float
    least_deviation: float
    distances: Floats

    @property
    def usual(self) -> float:
        """Mean squared distance of an unchanged window."""
        return max(float(self.distances.mean()), self.centre**3)

    def ratios_at(self, n: int) -> Floats:
        """The ratios for a window of n rows: what the rows of one window share does not average out as n grows."""
        grown: Floats = 1.0 + (self.ratios - 1.0) * self._growth(n)
        return grown

    def law(self, n: int) -> PredictionLaw:
        """Law of the mean squared distance of an unchanged window of n rows.

        If n is above what the reference's windows hold, the grown part may lie in a single direction, and the error
        of what was measured grows too. If n is below, the window holds fewer bursts, whose sizes even out less. Both
        widen the law.
        """
        windows = self.distances.size
        uneven = _SKEW * (self.deviation**2 - self.least_deviation**2) * max(1.0, self.rows_per_window / n)
        deviation = float(np.sqrt(self.least_deviation**2 + uneven))
        usual, grown = float(self.ratios.mean()), float(self.ratios_at(n).mean())
        share = 1.0 - usual / grown
        # A third of the relative error, because the law speaks of cube roots.
        error = deviation / np.sqrt(windows) * (self._growth(n) - 1.0) * usual / grown
        single = self.centre * share * _SINGLE_DIRECTION
        widened = float(np.sqrt((deviation * (1.0 - share)) ** 2 + single**2 + error**2))
        return PredictionLaw(self.centre, widened, windows)

    def _growth(self, n: int) -> float:
        """How many times more rows than the reference's windows a window of n rows has; never below 1."""
        return max(1.0, n / self.rows_per_window)


@dataclass(frozen=True, slots=True, eq=False)
class Dispersion:
    """`spreads` per detector, from `windows` windows of the calibration half under fit `fit_id`.

    Under a seasonal fit they are spreads about the season, and `season` [m] is what it adds to the means of all rows
    together. With fewer than `MIN_WINDOWS` windows there are no spreads, and a comparison says `not_enough_reference`.
    """

    fit_id: bytes
    windows: int
    spreads: dict[str, WindowSpread]
    season: Floats | None = None

    def to_bytes(self) -> bytes:
        """About 8 bytes x m x r per detector, 30 kB in all for an image stream; see `from_bytes`."""
        facts: dict[str, Any] = {"fit_id": self.fit_id.hex(), "windows": self.windows, "spreads": {}}
        arrays: dict[str, NDArray[Any]] = {}
        for name, spread in self.spreads.items():
            facts["spreads"][name] = {field: getattr(spread, field) for field in _NUMBERS}
            arrays[f"{name}/directions"] = spread.directions
            arrays[f"{name}/ratios"] = spread.ratios
            arrays[f"{name}/distances"] = spread.distances
        if self.season is not None:
            arrays["season"] = self.season
        return pack(_KIND, facts, arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> Dispersion:
        """The dispersion that `to_bytes` wrote.

        Raises:
            NotEnoughData: damaged bytes, or another version's.
        """
        facts, arrays = unpack(_KIND, data)
        spreads = {
            name: WindowSpread(
                directions=arrays[f"{name}/directions"],
                ratios=arrays[f"{name}/ratios"],
                distances=arrays[f"{name}/distances"],
                **numbers,
            )
            for name, numbers in facts["spreads"].items()
        }
        return cls(bytes.fromhex(facts["fit_id"]), facts["windows"], spreads, arrays.get("season"))


def estimate(features: Units, windows: NDArray[np.int64], fit: Fit, *, hours: ArrayLike | None = None) -> Dispersion:
    """Measure the dispersion on calibration rows: `features` [n, m] from `fit.features`, `windows` [n] their windows.

    A seasonal fit needs the `hours` [n] of the rows (whole, since the epoch, UTC): windows are then compared about what
    the season expects of them. It was learnt on other rows, so its error counts among the windows' variation.

    Windows are ordered by their number (an hour since the epoch, say) and should be as long as those that will be
    compared: what varies from day to day cannot be seen between hours of one day.

    Raises:
        NotEnoughData: no rows, as many windows as rows do not match, or a seasonal fit without hours that do.
    """
    if features.shape[0] == 0 or windows.shape != (features.shape[0],):
        raise NotEnoughData(f"{features.shape[0]} rows need as many window numbers, not shape {windows.shape}")
    order = np.argsort(windows, kind="stable")
    starts = np.array(list(_starts(windows[order])))
    values, season = to_values(features), None
    if fit.season is not None:
        if hours is None:
            raise NotEnoughData(NEEDS_HOURS)
        added = fit.season.at(as_hours(hours, len(values)))
        values, season = values - added, added.mean(axis=0)
    spreads = {}
    if starts.size >= MIN_WINDOWS:
        values = values[order]
        spreads = {name: _spread(_Windows.of(values[:, block], starts)) for name, block in fit.blocks.items()}
    return Dispersion(fit.id, starts.size, spreads, season)


def _starts(windows: NDArray[np.int64]) -> Iterator[int]:
    """First row of each window of at least `MIN_WINDOW_ROWS` rows, small neighbours joined; `windows` is sorted."""
    edges = [*np.flatnonzero(np.diff(windows, prepend=windows[0] - 1)).tolist(), windows.size]
    start = 0
    for edge in edges[1:]:
        if edge - start >= MIN_WINDOW_ROWS and (windows.size - edge >= MIN_WINDOW_ROWS or edge == windows.size):
            yield start
            start = edge


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

    def without(self, index: int) -> _Windows:
        kept = np.arange(self.counts.size) != index
        return _Windows(self.counts[kept], self.sums[kept], self.squares[kept])

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

    def metric(self) -> tuple[Floats, Floats]:
        """Directions [m, m] that whiten rows and diagonalise the strays, and the strays' variances [m], at least 1."""
        variances, axes = np.linalg.eigh(self.covariance)
        whiten = axes / np.sqrt(np.maximum(variances, _LEAST_VARIANCE))
        ratios, turn = np.linalg.eigh(ledoit_wolf(self.strays() @ whiten))
        return whiten @ turn, np.maximum(ratios, 1.0)


def _spread(windows: _Windows) -> WindowSpread:
    directions, ratios = windows.metric()
    distances = np.array([_distance_from_others(windows, index) for index in range(windows.counts.size)])
    # Independent rows give a weighted chi-squared distance; no window is taken to vary less than they do.
    weights = np.einsum("ij,ik,kj->j", directions, windows.covariance, directions) / ratios
    weights = np.maximum(weights, _LEAST_WEIGHT)
    freedom = float(weights.sum() ** 2 / (weights**2).sum())
    usual = float(np.cbrt(weights.mean()))
    roots = np.cbrt(distances)
    least_deviation = usual * float(np.sqrt(2.0 / (9.0 * freedom)))
    return WindowSpread(
        directions=directions,
        ratios=ratios,
        rows_per_window=float((windows.counts**2).sum() / windows.n),
        centre=max(float(roots.mean()), usual * (1.0 - 2.0 / (9.0 * freedom))),
        deviation=max(float(roots.std(ddof=1)), least_deviation),
        least_deviation=least_deviation,
        distances=np.sort(distances),
    )


def _distance_from_others(windows: _Windows, index: int) -> float:
    """Mean squared distance of one window from the others, in a metric in which it had no part."""
    others, count = windows.without(index), float(windows.counts[index])
    directions, ratios = others.metric()
    shift = (windows.sums[index] / count - others.mean) @ directions
    return count * others.n / windows.n * float(np.mean(shift**2 / ratios))
