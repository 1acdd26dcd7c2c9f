"""The alert state machine: from one evaluation to the next, which incidents open, go on, and close. Pure.

One incident at most per SLO and severity. What its tiers say together, most urgent first:

firing    a tier has the evidence                    opens; a clear spell starts anew
holding   above the limit, without the evidence      neither opens nor resolves
no data   a tier has nothing to judge by             neither; after a long time the incident expires, and says so
clear     no tier is above its limit, by the data    resolves after the keep-firing time, so a flapping tier stays one
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum, auto

from monitor.slo.evaluation import Evaluation, State, TierReading
from monitor.slo.explain import details, summary, withdrawal
from monitor.slo.incident import AlertState, Kind, Mute, Reason, Step, Transition
from monitor.slo.objective import Alerting, Objective
from monitor.slo.policy import Severity

_MUTE_ENDED = {Mute.SILENCE: Reason.SILENCE_ENDED, Mute.PAGE: Reason.SEVERITY_LOWERED}
_ALWAYS_TOLD = (Reason.NO_DATA, Reason.EXPIRED)
"""Of an announced incident, whatever the policy wishes: nothing ends for want of data without a word."""


class _Outlook(Enum):
    FIRING = auto()
    HOLDING = auto()
    NO_DATA = auto()
    CLEAR = auto()


def next_states(
    previous: Mapping[Severity, AlertState], evaluation: Evaluation, objective: Objective, *, silenced: bool = False
) -> dict[Severity, Step]:
    """The step of each severity that the objective alerts on, the most urgent first.

    A ticket keeps quiet while a page of the same SLO is open, and speaks up when that page closes first.

    Args:
        previous: the open incidents of this SLO.
        evaluation: the next tick's. A tick that is not after an incident's last one changes nothing.
        objective: the one evaluated.
        silenced: whether a silence covers this SLO at this tick.
    """
    steps: dict[Severity, Step] = {}
    for alerting in objective.alerting:
        page = steps.get(Severity.PAGE)
        muted = Mute.SILENCE if silenced else Mute.PAGE if page is not None and page.state is not None else None
        raised = alerting.severity is Severity.PAGE and Severity.TICKET in previous
        steps[alerting.severity] = next_state(
            previous.get(alerting.severity), evaluation, objective, alerting, muted_by=muted, raised=raised
        )
    return steps


def next_state(
    previous: AlertState | None,
    evaluation: Evaluation,
    objective: Objective,
    alerting: Alerting,
    *,
    muted_by: Mute | None = None,
    raised: bool = False,
) -> Step:
    """The step of one severity: its incident after this tick, and what is to be told of it, if anything.

    Args:
        previous: the open incident of this severity, None without one.
        evaluation: the next tick's.
        objective: the one evaluated.
        alerting: of the severity in question.
        muted_by: why nobody is to be told now.
        raised: an incident of lower severity is open.
    """
    if previous is not None and evaluation.tick <= previous.updated_at:
        return Step(previous, None)
    outlook = _outlook(evaluation.of(alerting.severity))
    if previous is None:
        reason = _reason_to_open(outlook, alerting, raised=raised)
        if reason is None:
            return Step(None, None)
        state, kind = _open(evaluation, alerting.severity, reason), Kind.OPENED
    else:
        state = _carry_on(previous, outlook, evaluation.tick)
        kind, reason = _news(previous, state, outlook, objective, alerting, muted_by)
    if reason is None:
        return Step(replace(state, muted_by=muted_by or state.muted_by), None)
    return _tell(state, kind, reason, evaluation, objective, alerting, muted_by)


def withdrawn(previous: AlertState, tick: datetime) -> Transition:
    """The end of an incident that is judged no more, because no document alerts on it. Told where it was announced."""
    said, why = withdrawal(previous, tick)
    return Transition(
        incident=previous.incident,
        slo=previous.slo,
        severity=previous.severity,
        number=previous.transitions + 1,
        kind=Kind.CLOSED,
        reason=Reason.WITHDRAWN,
        tick=tick,
        opened_at=previous.opened_at,
        notify=previous.announced,
        muted_by=None,
        summary=said,
        details=why,
    )


def _outlook(tiers: tuple[TierReading, ...]) -> _Outlook:
    if any(tier.state is State.FIRING for tier in tiers):
        return _Outlook.FIRING
    if any(tier.burning for tier in tiers):
        return _Outlook.HOLDING
    if any(tier.state is State.NO_DATA for tier in tiers):
        return _Outlook.NO_DATA
    return _Outlook.CLEAR


def _reason_to_open(outlook: _Outlook, alerting: Alerting, *, raised: bool) -> Reason | None:
    if outlook is _Outlook.FIRING:
        return Reason.SEVERITY_RAISED if raised else Reason.FIRST_BREACH
    return Reason.NO_DATA if outlook is _Outlook.NO_DATA and alerting.wishes.no_data else None


def _open(evaluation: Evaluation, severity: Severity, reason: Reason) -> AlertState:
    tick = evaluation.tick
    return AlertState(
        slo=evaluation.slo,
        severity=severity,
        opened_at=tick,
        updated_at=tick,
        cause=Reason.NO_DATA if reason is Reason.NO_DATA else Reason.FIRST_BREACH,
        transitions=0,
        announced=False,
        told_at=tick,
        muted_by=None,
        no_data_since=tick if reason is Reason.NO_DATA else None,
        no_data_noted=reason is Reason.NO_DATA,
    )


def _carry_on(previous: AlertState, outlook: _Outlook, tick: datetime) -> AlertState:
    """The open incident with this tick's outlook taken down, before it is known whether there is news."""
    clear = outlook is _Outlook.CLEAR
    no_data = outlook is _Outlook.NO_DATA
    return replace(
        previous,
        updated_at=tick,
        cause=Reason.FIRST_BREACH if outlook is _Outlook.FIRING else previous.cause,
        clear_since=(previous.clear_since or tick) if clear else None,
        no_data_since=(previous.no_data_since or tick) if no_data else None,
        no_data_noted=previous.no_data_noted and no_data,
    )


def _news(
    previous: AlertState,
    state: AlertState,
    outlook: _Outlook,
    objective: Objective,
    alerting: Alerting,
    muted_by: Mute | None,
) -> tuple[Kind, Reason | None]:
    """What there is to say of an open incident after this tick; None is nothing."""
    if state.clear_since is not None:
        over = state.updated_at - state.clear_since >= timedelta(minutes=objective.keep_firing_minutes)
        return Kind.CLOSED, Reason.RESOLVED if over else None
    if state.no_data_since is not None and state.cause is not Reason.NO_DATA:
        return _news_of_missing_data(state, state.updated_at - state.no_data_since, objective, alerting)
    if state.cause is not previous.cause:
        return Kind.NOTED, Reason.FIRST_BREACH
    if previous.no_data_noted and outlook is not _Outlook.NO_DATA:
        return Kind.NOTED, Reason.DATA_BACK
    return Kind.NOTED, None if muted_by else _reminder(state, alerting)


def _news_of_missing_data(
    state: AlertState, lasting: timedelta, objective: Objective, alerting: Alerting
) -> tuple[Kind, Reason | None]:
    # Where missing data are an incident of their own, this one becomes that and cannot expire.
    if lasting >= timedelta(minutes=objective.close_without_data_minutes) and not alerting.wishes.no_data:
        return Kind.CLOSED, Reason.EXPIRED
    # A quiet service has short windows without requests now and then: that alone is no news.
    new = lasting >= timedelta(minutes=objective.keep_firing_minutes) and not state.no_data_noted
    return Kind.NOTED, Reason.NO_DATA if new else None


def _reminder(state: AlertState, alerting: Alerting) -> Reason | None:
    if state.muted_by is not None:
        return _MUTE_ENDED[state.muted_by]
    due = state.updated_at - state.told_at >= timedelta(minutes=alerting.wishes.repeat_minutes)
    return Reason.REPEAT_INTERVAL if due else None


def _tell(
    state: AlertState,
    kind: Kind,
    reason: Reason,
    evaluation: Evaluation,
    objective: Objective,
    alerting: Alerting,
    muted_by: Mute | None,
) -> Step:
    """The step with its transition, and the decision whether people hear of it."""
    # A ticket that was announced must be seen to close, even while a page is open.
    muted = None if kind is Kind.CLOSED and muted_by is Mute.PAGE else muted_by
    notify = muted is None and _is_wished(kind, reason, alerting, announced=state.announced)
    missing = reason is Reason.NO_DATA
    state = replace(
        state,
        cause=Reason.NO_DATA if missing and alerting.wishes.no_data else state.cause,
        transitions=state.transitions + 1,
        announced=state.announced or notify,
        told_at=state.updated_at,
        muted_by=muted_by,
        no_data_noted=state.no_data_noted or missing,
    )
    transition = Transition(
        incident=state.incident,
        slo=state.slo,
        severity=state.severity,
        number=state.transitions,
        kind=kind,
        reason=reason,
        tick=state.updated_at,
        opened_at=state.opened_at,
        notify=notify,
        muted_by=muted,
        summary=summary(objective, evaluation, state, kind, reason),
        details=details(objective, evaluation, state, reason),
    )
    return Step(None if kind is Kind.CLOSED else state, transition)


def _is_wished(kind: Kind, reason: Reason, alerting: Alerting, *, announced: bool) -> bool:
    if kind is Kind.OPENED:
        return alerting.wishes.no_data if reason is Reason.NO_DATA else alerting.wishes.breaching
    if reason in _ALWAYS_TOLD:
        return announced
    return announced and alerting.wishes.resolved if kind is Kind.CLOSED else alerting.wishes.breaching
