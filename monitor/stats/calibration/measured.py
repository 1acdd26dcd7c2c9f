"""A measure with its interval, and the difference of two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import hypot
from typing import Final

import numpy as np

from monitor.errors import NotEnoughData
from monitor.stats.inputs import Floats, check_share
from monitor.stats.intervals import Interval

DRAWS: Final = 1000
"""Simulated tables behind an inverted test; the same draws every time, so the same answer every time."""
FEWEST_DRAWS: Final = 500
"""Behind any interval of this package."""
_HALVINGS: Final = 16
_LEAST_BEYOND: Final = 2.0
"""Draws beyond either end of an interval, below which its ends are those of the draws."""
_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Measured:
    """`value` is what the definition gives.

    `corrected` is `value` less what chance adds to it: for measures that are above 0 by chance alone, the true value
    under which half of the samples would show more than `value`; for all others `value` itself.
    `interval` is that of the true value.
    """

    value: float
    corrected: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Difference:
    """Of two measures of different rows, `value` = first - second, by their corrected values."""

    value: float
    interval: Interval

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return 0.0 not in self.interval


def check_level(level: float, draws: int = DRAWS) -> None:
    """Demand a level of intervals that so many draws can tell.

    Raises:
        NotEnoughData: outside (0, 1), or so near to 1 that its ends would be those of the draws.
    """
    check_share(level, "level")
    if (1.0 - level) / 2.0 * draws < _LEAST_BEYOND:
        raise NotEnoughData(f"{draws} draws tell a level of {1 - 2 * _LEAST_BEYOND / draws:g} at most, not {level!r}")


def difference(first: Measured, second: Measured) -> Difference:
    """The difference, whose interval comes from those of the two.

    Distances from each value to its own bounds add as squares: Zou and Donner (2008), "Construction of confidence
    limits about effect measures: a general approach", Statistics in Medicine 27. Not where a bound is 0, below which an
    error cannot be: there chance errs to one side only, and distances add as they are (as squares, the change between a
    calibrated window and an over-confident one was covered 89% of the time).
    """
    value = first.corrected - second.corrected
    below = _added(first, second.interval.upper - second.corrected)
    above = _added(second, first.interval.upper - first.corrected)
    return Difference(value, Interval(value - below, value + above))


def _added(lowered: Measured, other: float) -> float:
    """The distance down to the bound of one measure, and the `other` distance."""
    distance = lowered.corrected - lowered.interval.lower
    return distance + other if lowered.interval.lower == 0.0 else hypot(distance, other)


def inverted(
    statistic: Callable[[Floats], Floats],
    signal: Floats,
    noise: Floats,
    level: float,
    sampling: Floats | float = 0.0,
) -> Measured:
    """Measure of a table by inverting a test, for statistics that chance alone lifts above 0.

    `signal` [b] is observed and is a true signal plus chance; `noise` [draws, b] are draws of that chance. `statistic`
    maps [..., b] to [...], may overwrite what it is given, lies in [0, 1] for whatever can be, and scales:
    statistic(c x) = c statistic(x) for c >= 0.
    `sampling` [draws, b] is the part of chance that grows with the signal, as large as it is at the observed one.
    The true signal is taken to be the observed one times some scale >= 0. The interval holds each true value under
    which the observed one lies between the outer quantiles of statistic(true signal + noise); `corrected` is that
    under which it is the median.
    """
    value = float(statistic(signal.copy()))
    shape = (
        (signal + sampling) / value if value > 0.0 else np.ones_like(signal) / float(statistic(np.ones_like(signal)))
    )
    place = round((1.0 - level) / 2.0 * (noise.shape[0] - 1))
    tables = np.empty_like(noise)

    def quantile(true: float, rank: int) -> float:
        np.multiply(shape, true, out=tables)
        np.add(tables, noise, out=tables)
        return float(np.partition(statistic(tables), rank)[rank])

    last = noise.shape[0] - 1
    lower = _smallest(lambda true: quantile(true, last - place) >= value)
    middle = _smallest(lambda true: quantile(true, last // 2) >= value)
    upper = _smallest(lambda true: quantile(true, place) > value)
    hidden = quantile(0.0, last - place) if value == 0.0 else 0.0  # what chance could hide where nothing is seen
    return Measured(value, middle, Interval(min(lower, value, middle), max(upper, value, middle, hidden)))


def reaching(found: Measured, bound: float) -> Measured:
    """The same with an interval that reaches up to `bound` at least."""
    return replace(found, interval=Interval(found.interval.lower, max(found.interval.upper, bound)))


def chance(deviation: Floats, draws: int = DRAWS) -> Floats:
    """Normal noise [draws, b] of standard deviations [b], each draw with its mirror image, so that means are 0."""
    half = np.random.default_rng(0).standard_normal((draws // 2, deviation.size))
    noise: Floats = deviation * np.concatenate([half, -half])
    return noise


def masses(mass: Floats, rows: Floats, draws: int = DRAWS) -> Floats:
    """What parts of the traffic might weigh [draws, b] that weigh `mass` [b] in a sample, each as sure as `rows` [b].

    Gamma laws of that mean and of the variance mass^2 / rows: what the Bayesian bootstrap gives the rows of a part
    together (Rubin 1981, "The Bayesian Bootstrap", Annals of Statistics 9). A part of no rows weighs nothing.
    """
    known = np.maximum(rows, _TINY)
    weighed: Floats = np.random.default_rng(1).standard_gamma(known, (draws, rows.size)) * (mass / known)
    return weighed


def _smallest(reached: Callable[[float], bool]) -> float:
    """The smallest value in [0, 1] for which a rising condition holds, to 2e-5; 1 when none does."""
    if reached(0.0):
        return 0.0
    below, above = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (below + above) / 2.0
        below, above = (below, middle) if reached(middle) else (middle, above)
    return above
