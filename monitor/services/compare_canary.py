"""Is the canary better or worse than what is stable? Reads, stores nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from monitor.domain.histograms import LATENCY_BOUNDS_MS
from monitor.domain.window import DAY, MINUTE, Window, floor
from monitor.stats.inputs import Floats
from monitor.stats.sequential import Comparison, Distances, Evidence, Outcome, TwoProportions, compare
from monitor.store.queries.canary import (
    Ints,
    LabelledRows,
    RequestMinutes,
    Rollout,
    labelled_rows,
    moments,
    request_minutes,
)
from monitor.store.queries.latency import quantile

MEASURES: Final = ("accuracy", "calibration", "errors", "latency")
"""What is compared; each gets its share of alpha, so that the chance of any false verdict, ever, is at most alpha."""

BEFORE: Final = DAY
"""Stable traffic before the rollout that says which latency is slow."""

SLOW_SHARE: Final = 0.95
_MOST_POINTS: Final = 200

Measure = Literal["accuracy", "calibration", "errors", "latency"]


class Verdict(StrEnum):
    """Of the canary against stable."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    CHANGED = "changed"
    UNDECIDED = "cannot tell yet"


_SAID: Final = {
    Outcome.EQUIVALENT: Verdict.EQUIVALENT, Outcome.CHANGED: Verdict.CHANGED, Outcome.UNDECIDED: Verdict.UNDECIDED,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CanaryOptions:
    """`alpha`: the chance of any false verdict. Margins: differences of shares that do not matter, in (0, 1)."""

    alpha: float
    label_margin: float
    """Of accuracy and of the calibration gap."""
    request_margin: float
    """Of the error rate and of the share of slow answers."""


@dataclass(frozen=True, slots=True)
class Side:
    """`n` labels or requests, and their plain mean; None without any. While traffic changes, that of a share which
    grows is of other traffic: the comparison's difference is of like times."""

    n: int
    mean: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One measure. `comparison` is of canary - stable, for calibration of their gaps' distances from 0; None while
    there are no rows of both."""

    measure: Measure
    noun: str
    """What was counted."""
    stable: Side
    canary: Side
    comparison: Comparison | None
    verdict: Verdict
    reason: str
    """In words."""
    at: tuple[datetime, ...]
    """When each step of the comparison's interval was known, thinned out as `lower` and `upper` are."""
    lower: tuple[float, ...]
    upper: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class CanaryReport:
    """All measures of one rollout as of a moment."""

    rollout: Rollout
    as_of: datetime
    options: CanaryOptions
    slow_ms: float | None
    """Answers above it are slow: the bound at or above the 95th percentile of stable answers in the day before the
    rollout; None: there were none."""
    measures: tuple[Judged, ...]

    @property
    def over(self) -> bool:
        """The canary serves no more."""
        return self.rollout.end is not None and self.rollout.end <= self.as_of

    @property
    def verdict(self) -> Verdict:
        """Worse if anything is, else changed, else undecided, else better if anything is."""
        found = {one.verdict for one in self.measures}
        order = (Verdict.WORSE, Verdict.CHANGED, Verdict.UNDECIDED, Verdict.BETTER)
        return next((one for one in order if one in found), Verdict.EQUIVALENT)


def compare_canary(connection: Connection, rollout: Rollout, as_of: datetime, options: CanaryOptions) -> CanaryReport:
    """Compare a canary with the stable version over the time that both served.

    Every interval holds at all times at once, so the report may be read at any time and as often as one likes.

    Raises:
        NotEnoughData: alpha or a margin outside (0, 1).
    """
    labels = labelled_rows(connection, rollout, as_of)
    window = _whole_minutes(rollout.window(as_of))
    stable, canary = (request_minutes(connection, rollout, window, canary=one) for one in (False, True))
    day_before = Window.before(window.start, BEFORE)
    slow_ms = _slow(request_minutes(connection, rollout, day_before, canary=False))
    alpha = options.alpha / len(MEASURES)
    measures = (
        _accuracy(labels, alpha, options.label_margin),
        _calibration(labels, alpha, options.label_margin),
        _errors(stable, canary, alpha, options.request_margin),
        _latency(stable, canary, slow_ms, alpha, options.request_margin),
    )
    report = CanaryReport(rollout, as_of, options, slow_ms, measures)
    return replace(report, measures=tuple(map(_at_the_end, measures))) if report.over else report


def _accuracy(labels: LabelledRows, alpha: float, margin: float) -> Judged:
    of_canary, right = labels.canary, labels.correct
    sides = [Side(int(one.sum()), _mean(right[one])) for one in (~of_canary, of_canary)]

    def evidence() -> TwoProportions:
        return TwoProportions(~of_canary, ~of_canary & right, of_canary, of_canary & right)

    return _judged("accuracy", "labels", sides, evidence, of_canary, labels.known_at, alpha, margin, Verdict.BETTER)


def _calibration(labels: LabelledRows, alpha: float, margin: float) -> Judged:
    """How far the signed gap, mean confidence - accuracy, is from 0: the nearer the better."""
    known = np.isfinite(labels.confidence)
    of_canary = labels.canary[known]
    gaps = labels.confidence[known] - labels.correct[known]
    sides = [Side(int(one.sum()), _mean(gaps[one])) for one in (~of_canary, of_canary)]
    return _judged(
        "calibration", "labels with a confidence", sides, lambda: Distances(gaps, of_canary), of_canary,
        labels.known_at[known], alpha, margin, Verdict.WORSE,
    )  # fmt: skip


def _errors(stable: RequestMinutes, canary: RequestMinutes, alpha: float, margin: float) -> Judged:
    counts = [(one.minute, one.ok + one.failed, one.failed) for one in (stable, canary)]
    return _of_requests("errors", "requests", counts, alpha, margin)


def _latency(
    stable: RequestMinutes, canary: RequestMinutes, slow_ms: float | None, alpha: float, margin: float
) -> Judged:
    if slow_ms is None:
        reason = "no stable answer with a latency in the day before the rollout says what is slow"
        nothing = Side(0, None)
        return Judged("latency", "answers", nothing, nothing, None, Verdict.UNDECIDED, reason, (), (), ())
    first = LATENCY_BOUNDS_MS.index(slow_ms) + 1
    counts = [(one.minute, one.latency.sum(axis=1), one.latency[:, first:].sum(axis=1)) for one in (stable, canary)]
    return _of_requests("latency", "answers", counts, alpha, margin)


def _of_requests(
    measure: Measure, noun: str, counts: Sequence[tuple[Ints, Ints, Ints]], alpha: float, margin: float
) -> Judged:
    """Counts (minute, requests, bad ones) of stable and of the canary; more bad ones are worse."""
    minutes = np.union1d(counts[0][0], counts[1][0])
    total, bad = np.zeros((2, 2, minutes.size))
    for side, (minute, requests, failed) in enumerate(counts):
        places = np.searchsorted(minutes, minute)
        total[side, places], bad[side, places] = requests, failed
    sides = [Side(int(n.sum()), float(k.sum() / n.sum()) if n.sum() else None) for n, k in zip(total, bad, strict=True)]
    known_at: Floats = 60.0 * (minutes.astype(np.float64) + 1.0)
    return _judged(
        measure, noun, sides, lambda: TwoProportions(total[0], bad[0], total[1], bad[1]), total[1], known_at, alpha,
        margin, Verdict.WORSE,
    )  # fmt: skip


def _judged(
    measure: Measure, noun: str, sides: list[Side], evidence: Callable[[], Evidence],
    of_canary: Floats | NDArray[np.bool_], known_at: Floats, alpha: float, margin: float, if_higher: Verdict,
) -> Judged:  # fmt: skip
    """`of_canary` are its rows in each increment of the evidence."""
    stable, canary = sides
    if not stable.n or not canary.n:
        missing = " or ".join(name for name, side in (("stable", stable), ("canary", canary)) if not side.n)
        reason = f"no {noun} of {missing} yet"
        return Judged(measure, noun, stable, canary, None, Verdict.UNDECIDED, reason, (), (), ())
    gathered = evidence()
    found = compare(gathered, alpha=alpha, margin=margin)
    verdict = _verdict(found.outcome, if_higher)
    reason = _reason(found, verdict, noun, margin)
    if _plain(measure, sides) not in found.interval:
        reason += "; the two means are of unlike times, the difference is of like ones"
    waiting = int(of_canary[gathered.ends[-1] + 1 :].sum())  # in no block yet
    if found.more and found.more <= waiting:
        reason = f"{waiting:,} {noun} of the canary wait for those of stable that they are to be compared with"
        found = replace(found, more=None)
    shown = np.unique(np.linspace(0, found.lower.size - 1, min(found.lower.size, _MOST_POINTS)).round().astype(int))
    return Judged(
        measure, noun, stable, canary, found, verdict, reason,
        moments(known_at[gathered.ends][shown]), tuple(found.lower[shown].tolist()), tuple(found.upper[shown].tolist()),
    )  # fmt: skip


def _plain(measure: Measure, sides: Sequence[Side]) -> float:
    """The difference of the two means as they stand there."""
    stable, canary = (one.mean or 0.0 for one in sides)
    return abs(canary) - abs(stable) if measure == "calibration" else canary - stable


def _verdict(outcome: Outcome, if_higher: Verdict) -> Verdict:
    if outcome in _SAID:
        return _SAID[outcome]
    better = (outcome == Outcome.HIGHER) == (if_higher == Verdict.BETTER)
    return Verdict.BETTER if better else Verdict.WORSE


def _reason(found: Comparison, verdict: Verdict, noun: str, margin: float) -> str:
    if verdict == Verdict.EQUIVALENT:
        return f"the difference is below {100 * margin:g} points either way"
    if found.moved is not None:
        below, above = 100 * found.moved.lower, 100 * found.moved.upper
        return f"the difference was below {below:+.2g} points at one time and above {above:+.2g} at another: judge anew"
    if verdict != Verdict.UNDECIDED:
        return "the interval of the difference leaves out 0"
    if found.more is None:
        return f"no foreseeable number of {noun} would tell"
    return f"about {_rounded(found.more):,} more {noun} of the canary needed, if it goes on like this"


def _at_the_end(one: Judged) -> Judged:
    """Nobody waits for more of a canary that serves no more."""
    waits = one.comparison is not None and one.comparison.more
    return replace(one, reason=f"too few {one.noun} to tell, and it serves no more") if waits else one


def _rounded(count: int) -> int:
    """To two digits: an expectation is no count."""
    return round(count, 2 - len(str(count))) if count > 99 else count


def _slow(before: RequestMinutes) -> float | None:
    """A bound of the histogram that at most a twentieth of the answers exceed."""
    known = quantile(before.latency.sum(axis=0).tolist(), SLOW_SHARE)
    return None if known is None else known.upper


def _mean(values: NDArray[np.bool_] | Floats) -> float | None:
    return float(values.mean()) if values.size else None


def _whole_minutes(window: Window) -> Window:
    """From the first whole minute of the rollout on: the minute of the rollout holds traffic from before it."""
    start = floor(window.start + MINUTE - timedelta(microseconds=1), MINUTE)
    return Window(start, max(start, floor(window.end, MINUTE)))
