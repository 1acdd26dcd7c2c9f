"""A comparison that may be looked at as often as one likes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil, inf, log
from typing import Final

import numpy as np

from monitor.errors import NotEnoughData
from monitor.stats.inputs import Floats, check_share, is_number
from monitor.stats.intervals import Interval
from monitor.stats.sequential.evidence import Evidence

_COARSE: Final = np.linspace(-0.99, 0.99, 100)  # no 0 among them: it is added, once
_FINE: Final = 24
_LONGEST: Final = 1e7
"""Rows beyond which a comparison will not be decided in practice."""


class Outcome(StrEnum):
    """What is known of second - first."""

    HIGHER = "higher"
    LOWER = "lower"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """`estimate` of the difference second - first, and the `interval` that holds the true one at all times at once with
    probability 1 - alpha.

    `lower` and `upper` [blocks] are its ends as they were after each block. `more` rows of the second stream may be
    expected to decide, if rows go on as observed: 0 when decided, None when none of a foreseeable number would.
    `moved` over: where the difference changed, it was below this at one time and above it at another; else None.
    """

    estimate: float
    interval: Interval
    outcome: Outcome
    more: int | None
    lower: Floats
    upper: Floats
    moved: Interval | None


def compare(evidence: Evidence, *, alpha: float, margin: float) -> Comparison:
    """Judge the difference at the latest block.

    Outcomes: equivalent when the interval lies within (-margin, margin), also where it leaves out 0; else higher or
    lower when it leaves out 0; else undecided; but changed once no difference is left. The interval is the confidence
    sequence of Robbins (1970), Howard et al. (2021), "Time-uniform, nonparametric, nonasymptotic confidence sequences",
    Annals of Statistics 49(2): all differences against which neither one-sided e-process has ever reached 2 / alpha. So
    however often one looks, and whenever one stops, it leaves out the truth with probability at most alpha.

    That none is left refutes that all blocks share one difference, and says nothing of the present one: from there on
    the interval is [-reach, reach]. The e-processes hold also where the difference moves: to reject "at most d" proves
    that it was above d at one time, not that it still is. So an earlier outcome was true of its time, no longer.

    Raises:
        NotEnoughData: alpha outside (0, 1), or a margin that is no number in (0, reach).
    """
    check_share(alpha, "alpha")
    if not (is_number(margin) and 0.0 < margin < evidence.reach):
        raise NotEnoughData(f"a margin must lie between 0 and {evidence.reach:g}, not {margin!r}")
    threshold = log(2.0 / alpha)
    grid = np.unique(np.concatenate([evidence.reach * _COARSE, [-margin, 0.0, margin]]))
    lower, upper = _bounds(evidence, grid, threshold)
    fine = [np.linspace(*_cell(grid, end), _FINE) for end in (lower[-1], upper[-1])]
    grid = np.unique(np.concatenate([grid, *fine]))
    lower, upper = _bounds(evidence, grid, threshold)
    none_left = lower >= upper  # ends are rejected themselves
    if none_left[-1]:
        moved = Interval(float(upper[-1]), float(lower[-1]))
        lower, upper = np.where(none_left, -evidence.reach, lower), np.where(none_left, evidence.reach, upper)
        everything = Interval(-evidence.reach, evidence.reach)
        return Comparison(evidence.estimate, everything, Outcome.CHANGED, None, lower, upper, moved)
    interval = Interval(float(lower[-1]), float(upper[-1]))
    outcome = _outcome(interval, margin)
    more = 0 if outcome != Outcome.UNDECIDED else _more(evidence, margin, threshold)
    return Comparison(evidence.estimate, interval, outcome, more, lower, upper, moved=None)


def _outcome(interval: Interval, margin: float) -> Outcome:
    if -margin < interval.lower and interval.upper < margin:
        return Outcome.EQUIVALENT
    if interval.lower > 0.0:
        return Outcome.HIGHER
    return Outcome.LOWER if interval.upper < 0.0 else Outcome.UNDECIDED


def _bounds(evidence: Evidence, grid: Floats, threshold: float) -> tuple[Floats, Floats]:
    """The ends after each block: of the differences in the grid, all up to the lower end are rejected, from the left.

    The end is the last one that is rejected, so that a truth between two of them stays inside.
    """
    at_most, at_least = evidence.against(grid)
    out_left = np.maximum.accumulate(at_most, axis=0) >= threshold
    out_right = np.maximum.accumulate(at_least, axis=0)[:, ::-1] >= threshold
    left = np.logical_and.accumulate(out_left, axis=1).sum(axis=1)
    right = np.logical_and.accumulate(out_right, axis=1).sum(axis=1)
    ends = np.concatenate([[-evidence.reach], grid])
    other = np.concatenate([[evidence.reach], grid[::-1]])
    return ends[left], other[right]


def _cell(grid: Floats, end: float) -> tuple[float, float]:
    """The neighbours in the grid between which a finer one would move this end."""
    place = int(np.searchsorted(grid, end))
    return float(grid[max(place - 1, 0)]), float(grid[min(place + 1, grid.size - 1)])


def _more(evidence: Evidence, margin: float, threshold: float) -> int | None:
    """Rows until 0 is left out, or both margins are, whichever may be expected sooner."""
    different = _blocks_until(evidence, 0.0, threshold)
    alike = max(_blocks_until(evidence, one, threshold) for one in (-margin, margin))
    inside = abs(evidence.estimate) < margin
    rows = min(different, alike if inside else inf) * evidence.rows_per_block
    return max(1, ceil(rows)) if rows < _LONGEST else None


def _blocks_until(evidence: Evidence, difference: float, threshold: float) -> float:
    at_most, at_least = evidence.against(np.array([difference]))
    gathered = (at_most if evidence.estimate > difference else at_least)[:, 0]
    missing = threshold - float(gathered[-1])
    growth = evidence.growth(difference)
    if missing <= 0.0 or float(gathered.max()) >= threshold:
        return 0.0
    return missing / growth if growth > 0.0 else inf
