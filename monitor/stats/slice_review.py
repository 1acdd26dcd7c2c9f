"""Which slices stand out: against the rest of the traffic, and against the window before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeVar

from monitor.stats.multiple_testing import benjamini_hochberg
from monitor.stats.proportions import Change
from monitor.stats.slices import MIN_LABELS, SliceAccuracy, judge
from monitor.stats.weighted import WeightedShare, WeightSums, share_of_sums

FALSE_DISCOVERY_RATE: Final = 0.05
"""Expected share of false ones among the slices that are marked, for each of the two questions."""

K = TypeVar("K")
ChangeState = Literal["ok", "not_enough_labels", "not_enough_labels_before"]


@dataclass(frozen=True, slots=True)
class SliceLabels(Generic[K]):
    """The labels of one slice, `key`, in a window and in the window before."""

    key: K
    now: WeightSums
    before: WeightSums
    mature: bool = True
    """Whether its own labels of the window are in."""


@dataclass(frozen=True, slots=True)
class JudgedSlice(Generic[K]):
    """A slice as a review shows it.

    `change` is against the window before, `rest` against all other labelled traffic of the window (now - before, so
    below 0 where the slice is worse). `change_p` and `rest_p` are p-values adjusted over all slices of the table by
    Benjamini-Hochberg; None where either side has too few labels to be tested.
    """

    key: K
    accuracy: SliceAccuracy
    change: Change[WeightedShare]
    change_p: float | None
    rest: Change[WeightedShare]
    rest_p: float | None

    @property
    def change_state(self) -> ChangeState:
        """Which window has too few labels to speak of a change; when both have, the present one."""
        if self.accuracy.state == "not_enough_labels":
            return "not_enough_labels"
        return "not_enough_labels_before" if self.change_p is None else "ok"

    @property
    def known_change(self) -> Change[WeightedShare] | None:
        """`change` where both windows have enough labels: what a person may be shown."""
        return self.change if self.change_state == "ok" else None

    @property
    def changed(self) -> bool:
        return self.change_p is not None and self.change_p <= FALSE_DISCOVERY_RATE

    @property
    def stands_out(self) -> bool:
        """Better or worse than the rest of the traffic."""
        return self.rest_p is not None and self.rest_p <= FALSE_DISCOVERY_RATE

    @property
    def evidence(self) -> tuple[bool, float]:
        """Sorts the slice that is surely worst first: the lower the upper bound of its accuracy, the surer.

        A slice with few labels has a high upper bound, so it cannot be first by luck alone; where labels are too few or
        still to come it goes last.
        """
        return (self.accuracy.state != "ok", self.accuracy.interval.upper)


def review(
    slices: Iterable[SliceLabels[K]], whole: WeightSums, *, min_labels: int = MIN_LABELS, mature: bool = True
) -> list[JudgedSlice[K]]:
    """Judge the slices of one table together, in the order given; they may overlap.

    `mature` says whether the labels of the window are in as a whole: where they are not, no slice is ok.

    `whole` are the sums over all labelled traffic of the window, of which each slice is a part. A slice with fewer than
    `min_labels` labels is not tested, and has no `known_change`; nor where the rest, or the window before, has fewer.

    Differences: Newcombe's hybrid interval, see `monitor.stats.proportions.Change`. Adjustment: Benjamini and Hochberg
    (1995), "Controlling the false discovery rate", JRSS B 57.

    Raises:
        NotEnoughData: sums that no rows can have.
    """
    known = list(slices)
    now = [share_of_sums(one.now) for one in known]
    changes = [Change(share, share_of_sums(one.before)) for share, one in zip(now, known, strict=True)]
    rests = [Change(share, share_of_sums(whole - one.now)) for share, one in zip(now, known, strict=True)]
    changes_p, rests_p = _adjusted(changes, min_labels), _adjusted(rests, min_labels)
    return [
        JudgedSlice(
            one.key, judge(share, min_labels=min_labels, mature=mature and one.mature), change, change_p, rest, rest_p
        )
        for one, share, change, change_p, rest, rest_p in zip(
            known, now, changes, changes_p, rests, rests_p, strict=True
        )
    ]


def _adjusted(changes: Sequence[Change[WeightedShare]], least: int) -> list[float | None]:
    tested = [one.p_value if min(one.now.n, one.before.n) >= max(least, 1) else None for one in changes]
    known = [p for p in tested if p is not None]
    adjusted = iter(benjamini_hochberg(known).tolist() if known else [])
    return [None if p is None else next(adjusted) for p in tested]
