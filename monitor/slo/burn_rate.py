"""How fast an SLO's error budget burns at one tick, exactly, and which tiers have the evidence to fire.

burn rate = bad share / (1 - target). Every comparison is strict and between integers (counts times the two parts of a
Fraction). Beyer et al., "The Site Reliability Workbook" (2018), chapter 5. The window of w minutes at tick t holds the
whole minutes [t - w, t); a young service's windows hold what there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache

from monitor.slo import duration
from monitor.slo.counts import Counts, CountSeries, KnownLabels, LabelSeries
from monitor.slo.evaluation import Evaluation, State, TierReading
from monitor.slo.evidence import LATEST_LABELS, LATEST_SHARE, MIN_BAD, MIN_EVENTS, SHORT_ALPHA
from monitor.slo.exhaustion import Exhaustion
from monitor.slo.objective import Objective
from monitor.slo.policy import Tier
from monitor.stats.intervals import clopper_pearson_lower

EXHAUSTION_WINDOWS = (6 * duration.HOUR, 3 * duration.DAY)
"""Minutes whose burn rate the forecast carries on."""

History = CountSeries | KnownLabels
_WORST_FIRST = tuple(State)


def evaluate(objective: Objective, counts: CountSeries | LabelSeries, tick: datetime) -> Evaluation:
    """The burn rates, states and budget of `objective` at `tick`, from what was known then.

    Args:
        objective: as `parse_objectives` made it.
        counts: by label for a sampled objective, else by minute; for an objective with time slices, what
            `CountSeries.time_slices` made with its length and target.
        tick: aware; floored to its minute, so only whole minutes count.

    Raises:
        ValueError: counts of the wrong kind, or that end before the tick; a naive tick.
    """
    if tick.tzinfo is None:
        raise ValueError(f"the tick {tick} has no time zone")
    minute = int(tick.timestamp() // 60)
    since = minute - objective.window_minutes
    history = _history(objective, counts, minute)
    budget = float(objective.budget)
    tiers = tuple(_read(tier, objective, history, minute, budget) for tier in objective.tiers)
    whole = history.between(since, minute)
    remaining = budget_remaining(whole, objective.target)
    return Evaluation(
        slo=objective.name,
        tick=_moment(minute),
        state=min((tier.state for tier in tiers), key=_WORST_FIRST.index),
        tiers=tiers,
        bad=whole.bad,
        total=whole.total,
        budget_remaining=None if remaining is None else float(remaining),
        exhaustion=_exhaustion(objective, history, minute, whole),
        covered_minutes=max(0, minute - max(since, history.start)),
        mature_until=_moment(minute - objective.label_delay_minutes),
    )


def burn_rate(counts: Counts, target: Fraction) -> Fraction | None:
    """Exact burn rate; at 1 the budget ends with the SLO's window. None without events."""
    return Fraction(counts.bad, counts.total) / (1 - target) if counts.total else None


def budget_remaining(counts: Counts, target: Fraction) -> Fraction | None:
    """Exact share of the error budget that is left, negative when overspent. None without events."""
    rate = burn_rate(counts, target)
    return None if rate is None else 1 - rate


def exceeds(counts: Counts, limit: Fraction) -> bool:
    """Whether the bad share is above `limit`, exactly and strictly; false without events."""
    return counts.bad * limit.denominator > limit.numerator * counts.total


def _history(objective: Objective, counts: CountSeries | LabelSeries, minute: int) -> History:
    if isinstance(counts, LabelSeries) != objective.sampled:
        raise ValueError(f"{objective.name} counts {'labels' if objective.sampled else 'minutes'}, not {type(counts)}")
    if isinstance(counts, LabelSeries):
        return counts.as_of(minute)
    expected = objective.time_slice.minutes if objective.time_slice else 0
    if counts.slice_minutes != expected:
        raise ValueError(f"{objective.name} needs time slices of {expected} min, not {counts.slice_minutes} (0: none)")
    return counts


@dataclass(frozen=True, slots=True)
class _Sight:
    """What a tier goes by at one tick."""

    long: Counts
    short: Counts
    short_window: str
    fresh: bool
    """Something recent enough to say whether it still burns."""
    young: bool
    """The history does not even fill the short window."""
    mature: int
    """Events of the long window whose labels had time to come; all of them for requests."""


def _look(tier: Tier, objective: Objective, history: History, minute: int) -> _Sight:
    start, delay = minute - tier.long_minutes, objective.label_delay_minutes
    long = history.between(start, minute)
    young = history.start > minute - tier.short_minutes
    if isinstance(history, KnownLabels):
        latest = max(LATEST_LABELS, long.total // LATEST_SHARE)
        short = history.latest(latest, start, minute)
        recent = history.between(minute - tier.short_minutes - delay, minute)
        mature = history.between(start, max(start, minute - delay))
        return _Sight(long, short, _latest_words(short.total), recent.total > 0, young, mature.total)
    short = history.between(minute - tier.short_minutes, minute)
    return _Sight(long, short, duration.words(tier.short_minutes), short.total > 0, young, long.total)


def _latest_words(labels: int) -> str:
    return f"latest {labels} label{'s' * (labels > 1)}" if labels else "latest labels"


def _read(tier: Tier, objective: Objective, history: History, minute: int, budget: float) -> TierReading:
    sight = _look(tier, objective, history, minute)
    long, short = sight.long, sight.short
    burning = sight.fresh and exceeds(long, tier.limit) and exceeds(short, tier.limit)
    bound = _lower_bound(long.bad, long.total, tier.alpha) if burning else None
    state, reason = _judge(tier, sight, bound, objective.noun)
    return TierReading(
        name=tier.name,
        severity=tier.severity,
        factor=float(tier.factor),
        limit=float(tier.limit),
        long_minutes=tier.long_minutes,
        short_window=sight.short_window,
        long_bad=long.bad,
        long_total=long.total,
        short_bad=short.bad,
        short_total=short.total,
        burn_long=long.bad / long.total / budget if long.total else None,
        burn_short=short.bad / short.total / budget if short.total else None,
        lower_bound=bound,
        burning=burning,
        state=state,
        reason=reason,
    )


def _judge(tier: Tier, sight: _Sight, bound: float | None, noun: str) -> tuple[State, str]:
    """State and reason, in the order in which a person would ask.

    `bound` is the lower one of the long window's bad share, None unless both windows exceed the limit.
    """
    window = duration.words(tier.long_minutes)
    if not sight.long.total:
        return State.NO_DATA, f"no {noun} in {window}"
    if bound is not None:
        return _judge_burning(tier, sight, bound, noun)
    if exceeds(sight.long, tier.limit):
        if not sight.fresh:
            return State.NO_DATA, f"{window} is above the limit, but no recent {noun} say whether it still burns"
        return State.OK, f"{window} is above the limit, but it burns no longer"
    if sight.mature < tier.events_to_clear:
        needed = f"{tier.events_to_clear} are needed to say that it does not burn"
        return State.INSUFFICIENT, f"{sight.mature} {noun} in {window} are old enough to judge; {needed}"
    return State.OK, f"{window} is within the limit"


def _judge_burning(tier: Tier, sight: _Sight, bound: float, noun: str) -> tuple[State, str]:
    """Whether what exceeds the limit could be bad luck."""
    long, short = sight.long, sight.short
    if long.total < MIN_EVENTS or long.bad < MIN_BAD:
        return State.INSUFFICIENT, f"above the limit, but {long.bad} of {long.total} {noun} could be bad luck"
    if sight.young:
        return (
            State.INSUFFICIENT,
            f"above the limit, but there is less than {duration.words(tier.short_minutes)} of history",
        )
    confidence = f"at least {bound:.1%} bad with {1 - tier.alpha:.0%} confidence"
    if bound <= tier.limit:
        return State.INSUFFICIENT, f"above the limit, but only {confidence}: it could be bad luck"
    if _lower_bound(short.bad, short.total, SHORT_ALPHA) <= tier.limit:
        recent = f"{short.bad} bad of the {short.total} most recent {noun}"
        return State.INSUFFICIENT, f"{confidence}, above the limit; but {recent} could be bad luck after it is over"
    return State.FIRING, f"{confidence}, above the limit"


@lru_cache(maxsize=65536)
def _lower_bound(bad: int, total: int, alpha: float) -> float:
    return clopper_pearson_lower(bad, total, alpha)


def _exhaustion(objective: Objective, history: History, minute: int, whole: Counts) -> tuple[Exhaustion, ...]:
    period = objective.window_minutes
    covered = min(period, minute - history.start)
    found = []
    for window in EXHAUSTION_WINDOWS:
        recent = history.between(minute - window, minute)
        if window <= period and recent.total:
            # Most labels of the last hours are still to come, so their pace is that of the whole window.
            pace = whole.total / covered if objective.sampled else recent.total / min(window, covered)
            spare = float(objective.budget * whole.total - whole.bad)
            found.append(Exhaustion(window, *recent, float(objective.budget), spare, pace, period, period - covered))
    return tuple(found)


def _moment(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, tz=UTC)
