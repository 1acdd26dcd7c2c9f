"""A transition in words: what burns, how fast, how sure, and what the reason means."""

from __future__ import annotations

from datetime import datetime

from monitor.slo import duration
from monitor.slo.evaluation import Evaluation, State, TierReading
from monitor.slo.incident import AlertState, Kind, Reason
from monitor.slo.objective import Objective

_SAYS = {
    Reason.FIRST_BREACH: "burns its error budget too fast",
    Reason.SEVERITY_RAISED: "burns its error budget faster than the open ticket says",
    Reason.NO_DATA: "has no data to judge by",
    Reason.DATA_BACK: "has data again, and still burns",
    Reason.REPEAT_INTERVAL: "still burns",
    Reason.SILENCE_ENDED: "still burns, and its silence has ended",
    Reason.SEVERITY_LOWERED: "burns more slowly than its page said, but still too fast",
    Reason.RESOLVED: "is back within its limits",
    Reason.EXPIRED: "has had no data for a long time; nothing shows that it is over",
    Reason.WITHDRAWN: "is judged no more; nothing shows that it is over",
}


def summary(objective: Objective, evaluation: Evaluation, state: AlertState, kind: Kind, reason: Reason) -> str:
    """One line: who, what, the figures of the tier that says most."""
    says = _SAYS[Reason.NO_DATA] if state.cause is Reason.NO_DATA and kind is not Kind.CLOSED else _SAYS[reason]
    subject = f"{objective.display_name} of {objective.service} {says}"
    if kind is Kind.CLOSED:
        return _closed(subject, state, evaluation.tick)
    tier = worst(evaluation.of(state.severity))
    return subject if tier is None else f"{subject}: {tier.figures}"


def withdrawal(state: AlertState, tick: datetime) -> tuple[str, str]:
    """Summary and details of an incident whose document is gone: its name is all that is known of it."""
    why = f"no document alerts on {state.slo} with this severity any more: this is not a recovery"
    return _closed(f"{state.slo} {_SAYS[Reason.WITHDRAWN]}", state, tick), f"{Reason.WITHDRAWN}: {why}"


def details(objective: Objective, evaluation: Evaluation, state: AlertState, reason: Reason) -> str:
    """Several lines: the reason, every tier of the severity, the budget."""
    lines = [_reason(objective, state, reason)]
    lines += [f"{tier.name} ({tier.state}): {tier.figures}; {tier.reason}" for tier in evaluation.of(state.severity)]
    return "\n".join([*lines, budget(objective, evaluation)])


def worst(tiers: tuple[TierReading, ...]) -> TierReading | None:
    """The tier that says most: a firing one before a burning one, then the highest burn rate over its factor."""
    with_data = [tier for tier in tiers if tier.burn_long is not None]
    return max(
        with_data,
        key=lambda tier: (tier.state is State.FIRING, tier.burning, (tier.burn_long or 0.0) / tier.factor),
        default=None,
    )


def budget(objective: Objective, evaluation: Evaluation) -> str:
    """What is left of the error budget, and until when."""
    window = duration.words(objective.window_minutes)
    if evaluation.budget_remaining is None:
        return f"error budget of {window}: no {objective.noun}, so nothing is known of it"
    allowed = float(objective.budget) * evaluation.total
    left = f"error budget of {window}: {evaluation.budget_remaining:.0%} left"
    spent = f"{evaluation.bad:,} bad {objective.noun} of {allowed:,.0f} allowed"
    ends = [one for one in evaluation.exhaustion if one.minutes is not None]
    if evaluation.budget_remaining <= 0 or not ends:
        return f"{left} ({spent})"
    first = ends[0]
    pace = (
        f"gone in {duration.words(first.minutes or 0)} at the pace of the last {duration.words(first.window_minutes)}"
    )
    return f"{left} ({spent}); {pace}"


def _closed(subject: str, state: AlertState, tick: datetime) -> str:
    lasted = (tick - state.opened_at).total_seconds() / 60
    return f"{subject} ({state.severity} open for {duration.words(lasted)})"


def _reason(objective: Objective, state: AlertState, reason: Reason) -> str:
    keep = duration.words(objective.keep_firing_minutes)
    close = duration.words(objective.close_without_data_minutes)
    explanation = {
        Reason.FIRST_BREACH: "a tier is above its limit in both its windows, with enough evidence",
        Reason.SEVERITY_RAISED: "a page tier is above its limit; a ticket was open already",
        Reason.NO_DATA: f"an open incident is not resolved by missing data; it expires after {close} of them",
        Reason.DATA_BACK: "data are back, and they do not show that it is over",
        Reason.REPEAT_INTERVAL: "a reminder: it goes on",
        Reason.SILENCE_ENDED: "a silence kept this quiet; it has ended and the incident has not",
        Reason.SEVERITY_LOWERED: "the page that told of this has closed, this ticket is still open",
        Reason.RESOLVED: f"no tier has been above its limit for {keep}",
        Reason.EXPIRED: f"closed because there was nothing to judge by for {close}: this is not a recovery",
    }
    return f"{reason}: {explanation[reason]}"
