"""What happened, as integer counts: `CountSeries` by minute for requests, `LabelSeries` by label for sampled labels.

Both answer one question, how many events of [start, end) were bad, out of how many; only labels also depend on when one
asks, because a label comes after its prediction. Times are whole minutes since the epoch, UTC.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.stats.inputs import Floats

Ints = NDArray[np.int64]

LEAST_SHARE: Final = 0.05
"""Of a window's traffic, whose rates of label sampling may be too low to be the window's."""
_MOST_WINDOWS: Final = 64
"""Kept at once: more than the tiers of a tick ask for."""


class Counts(NamedTuple):
    """`bad` events out of `total`, both >= 0."""

    bad: int
    total: int


@dataclass(frozen=True, slots=True, eq=False)
class CountSeries:
    """Bad and total events of consecutive minutes, as prefix sums: any window costs four look-ups."""

    start: int
    """First minute with history; a window that begins before it is clipped."""
    bad_before: Ints
    """[minutes + 1]: bad events before each minute's beginning, from 0."""
    total_before: Ints
    """[minutes + 1]: all events before each minute's beginning, from 0."""
    slice_minutes: int = 0
    """Not 0: the events are time slices of this length (see `time_slices`)."""

    @classmethod
    def of_minutes(cls, start: int, end: int, minute: ArrayLike, bad: ArrayLike, total: ArrayLike) -> CountSeries:
        """From sparse rows; minutes without a row had no events, several rows of a minute add up.

        Args:
            start: first minute of the history, included.
            end: last minute, excluded: everything before it has been counted.
            minute: int [rows], minutes since the epoch in [start, end).
            bad: int [rows], 0 <= bad <= total.
            total: int [rows].

        Raises:
            ValueError: rows outside [start, end), arrays of different lengths, or counts that cannot be.
        """
        at, bads, totals = _of_one_length(*map(_whole, (minute, bad, total)))
        if at.size and (at.min() < start or at.max() >= end):
            raise ValueError(f"minutes {at.min()} to {at.max()} do not lie within [{start}, {end})")
        if (bads < 0).any() or (bads > totals).any():
            raise ValueError("each minute needs 0 <= bad <= total")
        return cls(start, _prefix_sums(at - start, bads, end - start), _prefix_sums(at - start, totals, end - start))

    @property
    def end(self) -> int:
        """The minute up to which everything has been counted, excluded."""
        return self.start + len(self.total_before) - 1

    def between(self, start: int, end: int) -> Counts:
        """Of the minutes [start, end), clipped to the history.

        Raises:
            ValueError: `end` lies beyond what has been counted.
        """
        if end > self.end:
            raise ValueError(f"counts end before minute {self.end}; nothing is known of minute {end - 1}")
        first, last = max(start - self.start, 0), max(end - self.start, 0)
        return Counts(
            self.bad_before.item(last) - self.bad_before.item(first),
            self.total_before.item(last) - self.total_before.item(first),
        )

    def time_slices(self, minutes: int, target: Fraction) -> CountSeries:
        """The same history with whole slices as events: a slice is bad when its share of good events is below `target`.

        Slices begin at multiples of their length since the epoch and count in their last minute. One without events is
        no event: neither good nor bad. OpenSLO `budgetingMethod: Timeslices`.
        """
        first, last = -(-self.start // minutes), self.end // minutes
        edges = np.arange(first, last + 1) * minutes
        bad, total = (np.diff(sums[edges - self.start]) for sums in (self.bad_before, self.total_before))
        # Python integers: the product of a count and a denominator may not fit 64 bits.
        is_bad = (total - bad).astype(object) * target.denominator < total.astype(object) * target.numerator
        sums = CountSeries.of_minutes(self.start, self.end, edges[1:] - 1, is_bad.astype(np.int64), total > 0)
        return CountSeries(sums.start, sums.bad_before, sums.total_before, slice_minutes=minutes)


@dataclass(frozen=True, slots=True, eq=False)
class LabelSeries:
    """Labelled predictions, ordered by prediction time. What has not been labelled is neither good nor bad."""

    predicted_at: Floats
    """[labels], seconds since the epoch, ascending."""
    known_at: Floats
    """[labels], seconds since the epoch: when the label came."""
    bad: NDArray[np.bool_]
    """[labels]."""
    coin: Floats
    """[labels], in [0, 1)."""
    rate: Floats
    """[labels]: a prediction was drawn when its coin fell below it."""
    arrivals: Floats
    """[labels]: `known_at` in ascending order."""
    _known: dict[int, KnownLabels] = field(default_factory=dict)
    """By how many labels had come: the last that was asked for."""

    @classmethod
    def of_labels(
        cls,
        predicted_at: ArrayLike,
        known_at: ArrayLike,
        bad: ArrayLike,
        coin: ArrayLike | None = None,
        rate: ArrayLike | None = None,
    ) -> LabelSeries:
        """From one row per labelled prediction, in any order; without `coin` and `rate` all were drawn at one rate.

        Raises:
            ValueError: arrays of different lengths, NaN or infinity, or a rate that is not above 0.
        """
        times, known = (np.asarray(one, dtype=np.float64) for one in (predicted_at, known_at))
        wrong = np.asarray(bad, dtype=np.bool_)
        coins = np.zeros(times.shape) if coin is None else np.asarray(coin, dtype=np.float64)
        rates = np.ones(times.shape) if rate is None else np.asarray(rate, dtype=np.float64)
        _of_one_length(times, known, wrong, coins, rates)
        if not (np.isfinite([times, known, coins, rates]).all() and (rates > 0.0).all()):
            raise ValueError("labels need times, coins and rates that are numbers, and rates above 0")
        # Rows of the same second keep one order whatever order they came in.
        order = np.lexsort((coins, wrong, known, times))
        return cls(times[order], known[order], wrong[order], coins[order], rates[order], np.sort(known))

    def as_of(self, minute: int) -> KnownLabels:
        """What was known when `minute` began. Asked minute by minute, it is made anew only when another label came."""
        came = int(self.arrivals.searchsorted(minute * 60, side="right"))
        if came == 0 or came not in self._known:
            known = self.known_at <= minute * 60
            times = self.predicted_at[known]
            start = int(times[0] // 60) if times.size else minute
            self._known.clear()
            self._known[came] = KnownLabels(start, times, self.bad[known], self.coin[known], self.rate[known])
        return self._known[came]


@dataclass(frozen=True, slots=True, eq=False)
class KnownLabels:
    """The labels that had come by some moment, ordered by prediction time.

    Where base rates changed, a count of all labels would lean towards the times of high rates. The coins that were
    thrown at one rate below a lower one are a sample of that rate (Poisson sampling), so those alone are counted that
    fell below the lowest rate of the window, but for rates that hold for less than `LEAST_SHARE` of its traffic.
    """

    start: int
    """Minute of the first labelled prediction that was known; no label that came later tells of a longer history."""
    predicted_at: Floats
    bad: NDArray[np.bool_]
    coin: Floats
    rate: Floats
    _windows: dict[tuple[int, int], NDArray[np.bool_]] = field(default_factory=dict)
    """Which labels that count are bad, by the places of a window's first label and of the first one beyond."""

    def between(self, start: int, end: int) -> Counts:
        """Of the predictions in the minutes [start, end)."""
        return _count(self._in(start, end))

    def latest(self, count: int, start: int, end: int) -> Counts:
        """As `between`, of the `count` (>= 1) latest predictions alone."""
        return _count(self._in(start, end)[-count:])

    def _in(self, start: int, end: int) -> NDArray[np.bool_]:
        times = memoryview(self.predicted_at.data)  # the window's ends are found sooner in it than by searchsorted
        window = bisect_left(times, start * 60), bisect_left(times, end * 60)
        if window not in self._windows:
            if len(self._windows) >= _MOST_WINDOWS:
                self._windows.clear()  # windows go on also while no label comes
            self._windows[window] = self._counted(slice(*window))
        return self._windows[window]

    def _counted(self, window: slice) -> NDArray[np.bool_]:
        bad, rate = self.bad[window], self.rate[window]
        return bad[self.coin[window] < _common(rate)] if rate.size else bad


def _common(rate: Floats) -> float:
    """The lowest rate of the labels [n], n >= 1, apart from `LEAST_SHARE` of the traffic that they stand for."""
    lowest = float(rate.min())
    if lowest == rate.max():
        return lowest
    rising = np.sort(rate)
    traffic = np.cumsum(1.0 / rising)
    return float(rising[traffic > LEAST_SHARE * traffic[-1]][0])


def _count(bad: NDArray[np.bool_]) -> Counts:
    return Counts(int(np.count_nonzero(bad)), len(bad))


def _whole(values: ArrayLike) -> Ints:
    given = np.asarray(values)
    with np.errstate(invalid="ignore"):  # NaN, which no whole number equals
        found = given.astype(np.int64)
    if not np.array_equal(found, given):
        raise ValueError("minutes and counts must be whole numbers")
    return found


def _of_one_length(*columns: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    if columns[0].ndim != 1 or any(one.shape != columns[0].shape for one in columns):
        raise ValueError(f"arrays of one length are needed, not {', '.join(str(one.shape) for one in columns)}")
    return columns


def _prefix_sums(index: Ints, values: Ints, length: int) -> Ints:
    sums = np.zeros(length + 1, dtype=np.int64)
    np.add.at(sums, index + 1, values)
    return np.cumsum(sums)
