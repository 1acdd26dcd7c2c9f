"""Accuracy of one slice of the traffic, with what is known of its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from numpy.typing import ArrayLike

from monitor.stats.inputs import check_whole
from monitor.stats.intervals import Interval
from monitor.stats.weighted import WeightedShare, weighted_share

MIN_LABELS: Final = 20
"""Below 20 labels a 95% Wilson interval is more than 40 points wide at its worst: no news, only noise."""

State = Literal["ok", "not_enough_labels", "not_yet_mature"]


@dataclass(frozen=True, slots=True)
class SliceAccuracy:
    """The accuracy of a slice by its labels, and whether it can be ranked.

    `not_enough_labels`: there are too few. `not_yet_mature`: enough of the window's labels are still to come that the
    estimate may move, see `monitor.stats.maturity`. The interval holds in each state for the rows that are labelled.
    """

    correct: WeightedShare
    state: State

    @property
    def n(self) -> int:
        """Labelled answers."""
        return self.correct.n

    @property
    def accuracy(self) -> float | None:
        """In [0, 1]; None without labels."""
        return self.correct.share

    @property
    def interval(self) -> Interval:
        """95% interval; 0 to 1 without labels."""
        return self.correct.interval


def slice_accuracy(
    correct: ArrayLike, probabilities: ArrayLike | None = None, *, min_labels: int = MIN_LABELS, mature: bool = True
) -> SliceAccuracy:
    """Accuracy with its interval, from one true or false per labelled answer [n]; n may be 0.

    `probabilities` [n] are those with which the answers were drawn for labelling; None: all alike. See
    `monitor.stats.weighted.weighted_share` for estimate, interval and sources.

    >>> slice_accuracy([True] * 15 + [False] * 10).state
    'ok'

    Raises:
        NotEnoughData: `correct` is not a list of true or false, the probabilities cannot be, or `min_labels` is
            no whole number.
    """
    return judge(weighted_share(correct, probabilities), min_labels=min_labels, mature=mature)


def judge(correct: WeightedShare, *, min_labels: int = MIN_LABELS, mature: bool = True) -> SliceAccuracy:
    """The state of an estimate. Too few labels are named first: waiting may not mend it.

    Raises:
        NotEnoughData: `min_labels` is no whole number.
    """
    check_whole(min_labels, "labels", least=0)
    if correct.n < max(min_labels, 1):
        return SliceAccuracy(correct, "not_enough_labels")
    return SliceAccuracy(correct, "ok" if mature else "not_yet_mature")
