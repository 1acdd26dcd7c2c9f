"""How much unchanged traffic differs from window to window, measured on the reference's own windows.

Rows of one hour resemble each other (bursts, near-duplicates, the time of day), so two windows differ by more than
independent draws would. Everything here is per detector: where windows vary, how far, and how well that is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from monitor.drift.archive import pack, unpack
from monitor.drift.fit import Fit
from monitor.drift.season import as_hours
from monitor.drift.strays import Strays, discount
from monitor.errors import NotEnoughData
from monitor.stats.exact_sums import Units, to_values
from monitor.stats.inputs import Floats
from monitor.stats.row_numbers import row_numbers
from monitor.stats.two_sample import PredictionLaw, cauchy_combination

MIN_WINDOWS: Final = 8
"""With fewer calibration windows the spread between them is known so badly that no p-value holds its level."""

MIN_WINDOW_ROWS: Final = 10
"""Smaller windows are joined with the next ones: the mean of a few rows is not nearly normal."""

_INDEPENDENT: Final = 0.5
"""p-value from which windows are taken for windows of independent rows. Below it, the surer they are not, the more of
what they show beyond that law counts. Of 64-d traffic with one repeated row in twenty, of which 8 windows of 100 hardly
tell, 7.0% of 640 unchanged looks alarmed at 5%; with 0.2 it was 7.7%; with all that windows show, by chance too, 6.1%.
But then a mean shift was found in 86% instead of 94%, 2% of a new cluster in 51% instead of 61%."""

_SINGLE_DIRECTION: Final = float(np.sqrt(2.0 / 9.0))
"""Relative deviation of the cube root of a chi-squared variable with one degree of freedom."""

_NORMAL_KURTOSIS: Final = 3.0

_GEOMETRIC: Final = 3.7
"""Bursts of geometric length L repeat rows R = E L^2 / E L times, and multiply the kurtosis of a mean by about
E L^4 / (E L^2)^2 * E L = 3.7 R."""

_TINY: Final = 1e-12

NEEDS_HOURS: Final = "the fit is seasonal: say the hours in which the rows came"

_NUMBERS: Final = ("rows_per_window", "centre", "deviation", "least_deviation", "replication", "kurtosis")
_KIND: Final = "snellen dispersion 1"


@dataclass(frozen=True, slots=True, eq=False)
class WindowSpread:
    """One detector's: `directions` [m, m] whiten single rows and turn them to where windows vary most.

    `ratios` [m] >= 1: variance of a window's mean, in units of what independent rows of unit variance would give, at
    `rows_per_window` rows; `excess` [m] >= 0: the part of it that rows of one window share, and `replication` >= 1: how
    many times the variance of independent rows all ratios come to. `kurtosis` >= 3 is that of single rows. `centre` and
    `deviation`: of the cube roots of windows' mean squared distances over those directions, each window measured
    against the others; `least_deviation` is what independent rows would give. `distances` are the
    distances themselves, rising.
    """

    directions: Floats
    ratios: Floats
    excess: Floats
    replication: float
    kurtosis: float
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
        grown: Floats = self.ratios + self.excess * (self._growth(n) - 1.0)
        return grown

    def law(self, n: int, replication: float = 1.0) -> PredictionLaw:
        """Law of the mean squared distance of an unchanged window of n rows.

        `replication` is that of all features together, which is known better than that of this detector alone: bursts
        repeat whole rows. If windows vary as independent rows do, that law is known and costs no power. The more they
        vary beyond it, the more rests on the windows that were measured: a Student's t with about their number of
        degrees of freedom, or fewer where few bursts make a heavy tail.
        """
        windows, growth = self.distances.size, self._growth(n)
        usual, grown = float(self.ratios.mean()), float(self.ratios_at(n).mean())
        repeats = 1.0 + (max(replication, self.replication) - 1.0) * growth
        excess = 1.0 - 1.0 / repeats
        uneven = self._uneven(n, repeats)
        deviation = float(np.sqrt(self.least_deviation**2 + uneven))
        known = (windows - 1) * (deviation**2 / max(uneven, _TINY)) ** 2
        # If n is above what the reference's windows hold, the grown part may lie in a single direction, and the error
        # of what was measured grows too: by a third of its relative size, because the law speaks of cube roots.
        share = 1.0 - usual / grown
        error = deviation / np.sqrt(windows) * (growth - 1.0) * usual / grown
        single = self.centre * share * _SINGLE_DIRECTION
        widened = float(np.sqrt((deviation * (1.0 - share)) ** 2 + single**2 + error**2))
        return PredictionLaw(
            centre=self.centre,
            deviation=widened,
            freedom=min(known, self._freedom(excess, repeats), 4.0 + 6.0 / max(self._kurtosis_at(n, repeats), _TINY)),
            error=excess * widened / np.sqrt(windows),
        )

    def _uneven(self, n: int, repeats: float) -> float:
        """Variance of the cube root beyond that of independent rows: windows hold few bursts, of uneven sizes.

        As measured (a smaller window holds fewer bursts), but not less than bursts of geometric length would give, of
        which n rows hold about n / `repeats`: too few windows often show too little of it by chance.
        """
        measured = max(self.deviation**2 - self.least_deviation**2, 0.0) * max(1.0, self.rows_per_window / n)
        return max(measured, (1.0 - 1.0 / repeats) ** 2 * repeats / (3.0 * n))

    def _freedom(self, excess: float, repeats: float) -> float:
        """How well windows tell the variance that they have beyond independent rows; their tails make it worse.

        Half of the windows' degrees of freedom, because their directions, ratios and unevenness come from them as well.
        Measured on bursty traffic, 1-d, 16 windows, at nominal 1%: 3.2% of looks with all of them, 0.8% with half.
        """
        heavy = 1.0 + self._kurtosis_at(self.rows_per_window, repeats) / 2.0
        return (self.distances.size - 1) / 2.0 / heavy / max(excess, _TINY)

    def _kurtosis_at(self, n: float, repeats: float) -> float:
        """Excess kurtosis of a mean of n rows in bursts of geometric length: that of t with 4 + 6 / it as freedom."""
        return max(((1.0 + _GEOMETRIC * (repeats - 1.0)) * self.kurtosis - 3.0) / n, 0.0)

    def _growth(self, n: int) -> float:
        """How many times more rows than the reference's windows a window of n rows has; never below 1."""
        return max(1.0, n / self.rows_per_window)


@dataclass(frozen=True, eq=False)
class Dispersion:
    """`spreads` per detector, from `windows` windows for calibration under fit `fit_id`.

    Under a seasonal fit they are spreads about the season, and `season` [m] is what it adds to the means of all rows
    together. `dependence`, 0 to 1, is how surely windows vary more than windows of independent rows: so much counts of
    what they show beyond those. With fewer than `MIN_WINDOWS` windows there are no spreads, and a comparison says
    `not_enough_reference`.
    """

    fit_id: bytes
    windows: int
    spreads: dict[str, WindowSpread]
    season: Floats | None = None
    dependence: float = 1.0

    def demand_windows(self) -> None:
        """Raises NotEnoughData where too few windows calibrate to know how much they vary."""
        if not self.spreads:
            raise NotEnoughData(f"{self.windows} windows do not tell how much they vary; {MIN_WINDOWS} are needed")

    @cached_property
    def replication(self) -> float:
        """How many times more windows' means vary than those of independent rows, over all features; at least 1.

        Raises:
            NotEnoughData: too few windows.
        """
        self.demand_windows()
        sizes = [spread.ratios.size for spread in self.spreads.values()]
        return float(np.average([spread.replication for spread in self.spreads.values()], weights=sizes))

    def thinned(self, detector: str, rows_per_window: float) -> float:
        """The replication if so many rows of each window were drawn at random; at least 1.

        A share s of rows that come R times comes 1 + s (R - 1) times: of a burst of l rows k stay, and
        E k^2 / E k = s E l^2 / E l + 1 - s. The same holds for what all rows of a window have in common.
        """
        if detector not in self.spreads:  # too few windows to know
            return 1.0
        spread = self.spreads[detector]
        share = min(rows_per_window / spread.rows_per_window, 1.0)
        return 1.0 + share * (spread.replication - 1.0)

    def law(self, detector: str, n: int) -> PredictionLaw:
        """Law of a detector's mean squared distance of an unchanged window of n rows.

        Raises:
            NotEnoughData: too few windows.
        """
        self.demand_windows()
        return self.spreads[detector].law(n, self.replication)

    def to_bytes(self) -> bytes:
        """About 8 bytes x m x m for a detector of m features, 70 kB in all for an image stream; see `from_bytes`."""
        facts: dict[str, Any] = {
            "fit_id": self.fit_id.hex(),
            "windows": self.windows,
            "dependence": self.dependence,
            "spreads": {},
        }
        arrays: dict[str, NDArray[Any]] = {}
        for name, spread in self.spreads.items():
            facts["spreads"][name] = {field: getattr(spread, field) for field in _NUMBERS}
            arrays[f"{name}/directions"] = spread.directions
            arrays[f"{name}/ratios"] = spread.ratios
            arrays[f"{name}/excess"] = spread.excess
            arrays[f"{name}/distances"] = spread.distances
        if self.season is not None:
            arrays["season"] = self.season
        return pack(_KIND, facts, arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> Dispersion:
        """The dispersion that `to_bytes` wrote.

        Raises:
            UnreadableState: damaged bytes, or another version's.
        """
        facts, arrays = unpack(data, _KIND)
        spreads = {}
        for name, numbers in facts["spreads"].items():
            ratios = arrays[f"{name}/ratios"]
            spreads[name] = WindowSpread(
                directions=arrays[f"{name}/directions"],
                ratios=ratios,
                # Those of older fits did not tell what rows share from what a floor added.
                excess=arrays.get(f"{name}/excess", ratios - 1.0),
                distances=arrays[f"{name}/distances"],
                **{"replication": float(ratios.mean()), "kurtosis": _NORMAL_KURTOSIS, **numbers},
            )
        # In older fits all that windows showed counted.
        dependence = facts.get("dependence", 1.0)
        return cls(bytes.fromhex(facts["fit_id"]), facts["windows"], spreads, arrays.get("season"), dependence)


def estimate(
    features: Units,
    windows: NDArray[np.int64],
    fit: Fit,
    *,
    hours: ArrayLike | None = None,
    whole: Dispersion | None = None,
) -> Dispersion:
    """Measure the dispersion on calibration rows: `features` [n, m] from `fit.features`, `windows` [n] their windows.

    For the rows of a slice, `whole` is that of all traffic: bursts that it shows, a slice has too, though its few rows
    may not tell. Its windows are taken to vary at least as those of a random sample of all rows would.

    A seasonal fit needs the `hours` [n] of the rows (whole, since the epoch, UTC): windows are then compared about what
    the season expects of them. It was learnt on other rows, so its error counts among the windows' variation.

    Windows are ordered by their number (an hour since the epoch, say) and should be as long as those that will be
    compared: what varies from day to day cannot be seen between hours of one day.

    Raises:
        NotEnoughData: no rows, as many windows as rows do not match, or a seasonal fit without hours that do.
        FingerprintMismatch: features that this fit did not make.
    """
    fit.demand_features(features)
    if features.shape[0] == 0:
        raise NotEnoughData("0 rows show no dispersion")
    windows = row_numbers(windows, features.shape[0], "window numbers")
    order = np.argsort(windows, kind="stable")
    starts = np.array(list(_starts(windows[order])))
    values, season = to_values(features), None
    if fit.season is not None:
        if hours is None:
            raise NotEnoughData(NEEDS_HOURS)
        added = fit.season.at(as_hours(hours, len(values)))
        values, season = values - added, added.mean(axis=0)
    spreads, dependence = {}, 0.0 if whole is None else whole.dependence
    if starts.size >= MIN_WINDOWS:
        values = values[order]
        strays = {name: Strays.of(values[:, block], starts) for name, block in fit.blocks.items()}
        dependence = max(dependence, _dependence(list(strays.values())))
        least = {name: whole.thinned(name, one.rows_per_window) if whole else 1.0 for name, one in strays.items()}
        spreads = {name: _spread(one, dependence, least[name]) for name, one in strays.items()}
    return Dispersion(fit.id, starts.size, spreads, season, dependence)


def _starts(windows: NDArray[np.int64]) -> Iterator[int]:
    """First row of each window of at least `MIN_WINDOW_ROWS` rows, small neighbours joined; `windows` is sorted."""
    edges = [*np.flatnonzero(np.diff(windows, prepend=windows[0] - 1)).tolist(), windows.size]
    start = 0
    for edge in edges[1:]:
        if edge - start >= MIN_WINDOW_ROWS and (windows.size - edge >= MIN_WINDOW_ROWS or edge == windows.size):
            yield start
            start = edge


def _dependence(strays: Sequence[Strays]) -> float:
    """How surely windows vary more than windows of independent rows: from 0, no sign of it, to 1.

    Two tests, of which either may see what the other does not: by all features together, with Student's t, because
    bursts repeat whole rows; and by each detector against its own law, because seasons and moods move few features.
    """
    each = [one.surplus() for one in strays]
    together = np.sum([one.distances() * one.ratios.size for one in strays], axis=0)
    together /= max(sum(one.unseen * float(np.trace(one.rows)) for one in strays), _TINY)
    # Distances that correlate vary less about their own mean than about the true one.
    freedom, overlap = together.size - 1, strays[0].overlap
    variance = max(float(together.var(ddof=1)), _TINY) / (1.0 - (overlap - 1.0) / freedom)
    error = np.sqrt(variance * overlap / together.size)
    repeated = float(stdtr(freedom, -(float(together.mean()) - 1.0) / error))
    return max(0.0, 1.0 - cauchy_combination([repeated, cauchy_combination(each)]) / _INDEPENDENT)


def _spread(strays: Strays, dependence: float, least: float) -> WindowSpread:
    """What is taken to hold, from independent rows (`dependence` 0) to all that the windows show (1), but never less
    than if each row came `least` times."""
    centre, least_deviation = (float(np.cbrt(least)) * one for one in strays.independent_law(dependence))
    distances = strays.distances(dependence)
    roots = np.cbrt(distances)
    own = np.diag(strays.rows)
    repeats = max(float(strays.ratios.sum()) / max(float(own.sum()), _TINY), 1.0)
    beyond = max(float(roots.var(ddof=1)) - least_deviation**2, 0.0)
    return WindowSpread(
        directions=strays.directions,
        ratios=discount(strays.ratios, dependence),
        excess=dependence * np.maximum(strays.ratios - own, 0.0),
        replication=max(1.0 + dependence * (repeats - 1.0), least),
        kurtosis=strays.kurtosis,
        rows_per_window=strays.rows_per_window,
        # No window is taken to vary less than independent rows do.
        centre=centre + dependence * max(float(roots.mean()) - centre, 0.0),
        deviation=float(np.sqrt(least_deviation**2 + dependence * beyond)),
        least_deviation=least_deviation,
        distances=np.sort(distances),
    )
