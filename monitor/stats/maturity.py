"""Are the labels of a window in? How long labels usually take, and how many are still to come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from monitor.errors import NotEnoughData
from monitor.stats.inputs import Floats, as_outcomes, as_vector, is_number

MIN_ANSWERED: Final = 20
"""Answered tasks from which a usual delay can be told."""

MATURE_SHARE: Final = 0.9
"""Of the labels that a window is to have. Were the missing tenth all wrong, an accuracy of 90% would fall by 9 points;
were they like the rest, it would not move: what is feared is that hard pictures are labelled last."""

FOLLOWED_SHARE: Final = 0.05
"""Of the tasks; what fewer were followed to is chance."""


@dataclass(frozen=True, slots=True, eq=False)
class DelayCurve:
    """The share of tasks that are still open at an age, if none were ever taken away.

    At `ages` [k], increasing, in any unit of time, that share drops to `open_share` [k]; before the first it is 1. The
    share `never` in [0, 1] is never answered. `answered` tasks were seen to be answered.
    """

    ages: Floats
    open_share: Floats
    never: float
    answered: int

    def at(self, ages: ArrayLike) -> Floats:
        """Share of tasks still open at `ages` [m].

        Raises:
            NotEnoughData: ages that are no numbers, or NaN.
        """
        asked = as_vector(ages, "ages", least=0)
        return np.concatenate([[1.0], self.open_share])[np.searchsorted(self.ages, asked, side="right")]

    def to_come(self, ages: ArrayLike) -> Floats:
        """Chance [m] that a task that is open at such an age will yet be answered, in [0, 1].

        Raises:
            NotEnoughData: as `at`.
        """
        still = self.at(ages)
        return np.where(still > self.never, 1.0 - self.never / np.where(still > 0.0, still, 1.0), 0.0)


@dataclass(frozen=True, slots=True)
class Maturity:
    """Of `drawn` label tasks of a window `answered` are answered, and `to_come` more are to be expected."""

    drawn: int
    answered: int
    to_come: float
    known: bool
    """Whether enough tasks were answered to know the usual delay; if not, every open task counts as to come."""

    def __add__(self, other: Maturity) -> Maturity:
        """Of the tasks of both, which have none in common."""
        return Maturity(
            self.drawn + other.drawn,
            self.answered + other.answered,
            self.to_come + other.to_come,
            self.known and other.known,
        )

    @property
    def share(self) -> float | None:
        """Of the labels that the window is to have, how many are there, in [0, 1]; None when it is to have none."""
        expected = self.answered + self.to_come
        return self.answered / expected if expected > 0.0 else None

    @property
    def mature(self) -> bool:
        """At least `MATURE_SHARE` of the labels are there; also where none is to come."""
        return self.share is None or self.share >= MATURE_SHARE


def delay_curve(ages: ArrayLike, answered: ArrayLike, counts: ArrayLike | None = None) -> DelayCurve:
    """How long label tasks stay open, from tasks that are answered and tasks that are not yet.

    `ages` [n] >= 0: of an answered task its age when it was answered, of an open one its age now, of one that was
    skipped or expired its age then. `answered` [n] tells the two apart. `counts` [n]: how many such tasks each entry
    stands for; 1 when None.

    The product-limit estimate: Kaplan and Meier (1958), "Nonparametric Estimation from Incomplete Observations", JASA
    53. An answer at the same age as an end without one comes first, as they say.

    The end of the curve is where nobody has looked further, in a young service long before the last answer. So `never`
    is where it is heading: the drops in its two halves are taken to go on as a geometric series (Aitken's
    delta-squared, exact for exponential delays; as extrapolated in Escobar-Bach and Van Keilegom, 2019,
    "Non-parametric cure rate estimation under insufficient follow-up by using extremes", JRSS B 81). Where the second
    is no smaller than the first, it is 0. The end is the age to which `FOLLOWED_SHARE` of the tasks was followed.

    >>> curve = delay_curve([1, 2, 2, 3, 5], [True, True, False, True, False])
    >>> curve.ages.tolist(), curve.open_share.round(3).tolist()
    ([1.0, 2.0, 3.0], [0.8, 0.6, 0.3])

    Raises:
        NotEnoughData: arrays that do not belong together, negative ages or counts, NaN.
    """
    times, ended = as_vector(ages, "ages", least=0), as_outcomes(answered, "answered", least=0)
    tasks = np.ones_like(times) if counts is None else as_vector(counts, "counts", least=0)
    if not times.size == ended.size == tasks.size:
        raise NotEnoughData(f"{times.size} ages, {ended.size} marks and {tasks.size} counts cannot be put together")
    if times.min(initial=0.0) < 0.0 or tasks.min(initial=0.0) < 0.0:
        raise NotEnoughData("ages and counts of label tasks cannot be negative")
    distinct, place = np.unique(times, return_inverse=True)
    events = np.bincount(place, tasks * ended, distinct.size)
    all_there = np.bincount(place, tasks, distinct.size)
    at_risk = np.cumsum(all_there[::-1])[::-1]
    drops = events > 0.0
    open_share = np.cumprod(1.0 - events[drops] / at_risk[drops]).astype(np.float64)
    curve = DelayCurve(distinct[drops], open_share, never=0.0, answered=int((tasks * ended).sum()))
    followed = float(distinct[at_risk >= FOLLOWED_SHARE * tasks.sum()].max(initial=0.0))
    return replace(curve, never=_limit(*curve.at([followed / 2.0, followed])))


def _limit(half: float, whole: float) -> float:
    """Where a curve ends that falls from 1 to `half` to `whole`, if each drop is the same part of the one before."""
    first, second = 1.0 - half, half - whole
    return max(0.0, whole - second * second / (first - second)) if first > second else 0.0


def maturity(answered: int, open_ages: ArrayLike, curve: DelayCurve, counts: ArrayLike | None = None) -> Maturity:
    """How far the labels of a window are in: `answered` tasks, and open ones of these ages [m], in the curve's unit.

    `counts` [m]: how many open tasks each age stands for; 1 when None. Skipped and expired tasks are neither.

    Raises:
        NotEnoughData: negative numbers, NaN, or arrays that do not belong together.
    """
    waiting = as_vector(open_ages, "open_ages", least=0)
    tasks = np.ones_like(waiting) if counts is None else as_vector(counts, "counts", least=0)
    if (
        waiting.size != tasks.size
        or not (is_number(answered) and 0 <= answered < inf)
        or min(waiting.min(initial=0.0), tasks.min(initial=0.0)) < 0.0
    ):
        raise NotEnoughData("tasks of a window: negative numbers, or ages and counts that do not belong together")
    known = curve.answered >= MIN_ANSWERED
    to_come = float(tasks @ curve.to_come(waiting)) if known else float(tasks.sum())
    return Maturity(int(answered) + round(float(tasks.sum())), int(answered), to_come, known)
