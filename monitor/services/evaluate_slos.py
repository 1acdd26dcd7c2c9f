"""Evaluate SLOs at ticks, decide what becomes of their incidents, and store both in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection, Engine

from monitor.domain.window import MINUTE, Window
from monitor.services.attempts import attempt_all
from monitor.sli import SLIS
from monitor.sli.coverage import Coverage
from monitor.sli.drift import Drift
from monitor.sli.label_accuracy import LabelAccuracy
from monitor.sli.label_backlog import LabelBacklog
from monitor.sli.latency import Latency
from monitor.slo.alerting import next_states
from monitor.slo.burn_rate import EXHAUSTION_WINDOWS, evaluate
from monitor.slo.counts import CountSeries, LabelSeries
from monitor.slo.evaluation import Evaluation
from monitor.slo.incident import Reason, Step
from monitor.slo.objective import Objective
from monitor.slo.policy import Severity
from monitor.slo.unseen import unseen
from monitor.store import alerts, indicators, locks
from monitor.store.engine import transaction
from monitor.store.queries.deployments import deployments_within
from monitor.store.queries.seen import seen
from monitor.store.silences import silences_within

SHOWN_DEPLOYMENTS = 5


def evaluate_slos(
    engine: Engine, objectives: Sequence[Objective], ticks: Sequence[datetime], *, backfilled: bool
) -> int:
    """Evaluate every objective at each tick, in order; ticks that somebody evaluated before are left alone.

    Args:
        ticks: ascending whole minutes, aware.
        backfilled: past ticks: stored and marked, but no channel hears of them.

    Returns:
        Evaluations that were new.

    Raises:
        StoreError: PostgreSQL refused or does not answer; whole objectives are stored or not.
        Exception: the first fault of an objective, after all others were evaluated.
    """
    return sum(
        attempt_all((one.name, partial(_evaluate, engine, one, ticks, backfilled=backfilled)) for one in objectives)
    )


def read_series(connection: Connection, objective: Objective, ticks: Sequence[datetime]) -> CountSeries | LabelSeries:
    """Everything that evaluations of the objective at these ticks rest on."""
    longest = max(objective.window_minutes, *EXHAUSTION_WINDOWS) + objective.label_delay_minutes
    window = Window(ticks[0] - timedelta(minutes=longest), ticks[-1])
    measure = objective.measure
    sli = SLIS[measure.sli]
    if isinstance(sli, LabelAccuracy):
        labels = sli.count(indicators.label_outcomes(connection, measure.selector, window), measure.threshold)
        return LabelSeries.of_labels(labels.predicted_at, labels.known_at, labels.bad, labels.coin, labels.rate)
    first = indicators.first_minute(connection, ticks[-1]) or ticks[-1]
    start = max(window.start, min(first, ticks[-1]))
    if isinstance(sli, Coverage):
        events = sli.count(indicators.pair_counts(connection, measure.selector, window))
    elif isinstance(sli, LabelBacklog):
        patience = timedelta(hours=measure.threshold or 0)
        drawn = Window(start - patience, window.end - patience)
        events = sli.count(indicators.task_waits(connection, measure.selector, drawn), measure.threshold)
    elif isinstance(sli, Drift):
        events = sli.count(indicators.drift_looks(connection, measure.selector, Window(start, window.end)))
    else:
        timed = isinstance(sli, Latency)
        counts = indicators.minute_counts(connection, measure.selector, window, latency=timed)
        events = sli.count(counts, measure.threshold)
    series = CountSeries.of_minutes(_minute(start), _minute(window.end), events.minute, events.bad, events.total)
    slices = objective.time_slice
    return series.time_slices(slices.minutes, slices.target) if slices else series


def _evaluate(engine: Engine, objective: Objective, ticks: Sequence[datetime], *, backfilled: bool) -> int:
    with transaction(engine) as connection:
        locks.wait_for_named(connection, locks.OBJECTIVES, objective.name)
        series = read_series(connection, objective, ticks)
        evaluations = [evaluate(objective, series, tick) for tick in ticks]
        if not evaluations[-1].total:
            evaluations[-1] = replace(evaluations[-1], unseen=_unseen(connection, objective))
        new = alerts.insert_evaluations(connection, evaluations, backfilled=backfilled)
        _decide(connection, objective, [one for one in evaluations if one.tick in new], backfilled=backfilled)
    return len(new)


def _unseen(connection: Connection, objective: Objective) -> str:
    """Which name of the objective nothing stored has."""
    labelled = isinstance(SLIS[objective.measure.sli], LabelAccuracy | LabelBacklog)
    return unseen(objective.measure.selector, seen(connection, labelled=labelled))


def _decide(
    connection: Connection, objective: Objective, evaluations: Sequence[Evaluation], *, backfilled: bool
) -> None:
    """Carry the objective's incidents through the evaluations; their states are written once, at the end."""
    if not evaluations:
        return
    incidents = alerts.open_incidents(connection, objective.name)
    silences = silences_within(connection, Window(evaluations[0].tick, evaluations[-1].tick + MINUTE))
    channels = {one.severity: () if backfilled else one.channels for one in objective.alerting}
    for evaluation in evaluations:
        states = {severity: incident.state for severity, incident in incidents.items()}
        silenced = any(one.covers(objective.name, evaluation.tick) for one in silences)
        for severity, step in next_states(states, evaluation, objective, silenced=silenced).items():
            told = _with_deployments(connection, objective, step)
            _take(connection, incidents, severity, told, channels[severity], backfilled=backfilled)
    for incident in incidents.values():
        alerts.update_incident(connection, incident)


def _with_deployments(connection: Connection, objective: Objective, step: Step) -> Step:
    """A closing for want of data together with what was deployed meanwhile: a canary's traffic ends with its rollback,
    and the incident should not leave it to the reader to find out."""
    transition, selector = step.transition, objective.measure.selector
    if transition is None or transition.reason is not Reason.EXPIRED:
        return step
    meanwhile = deployments_within(connection, Window(transition.opened_at, transition.tick))
    found = [
        f"{one.action} of {one.model} {one.version} ({one.variant}) at {one.ts:%Y-%m-%d %H:%M} UTC"
        for one in meanwhile
        if selector.model in (None, one.model) and selector.version in (None, one.version)
    ][:SHOWN_DEPLOYMENTS]
    if not found:
        return step
    summary = f"{transition.summary}; deployed meanwhile: {found[0]}"
    details = "\n".join([transition.details, *(f"deployed meanwhile: {one}" for one in found)])
    return step._replace(transition=replace(transition, summary=summary, details=details))


def _take(
    connection: Connection,
    incidents: dict[Severity, alerts.OpenIncident],
    severity: Severity,
    step: Step,
    channels: Sequence[str],
    *,
    backfilled: bool,
) -> None:
    """Take one step: open, carry on or close the incident, and store what is to be told."""
    incident = incidents.get(severity)
    if incident is None:
        if step.state is None:
            return
        incident = alerts.open_incident(connection, step.state, backfilled=backfilled)
    if step.transition is not None:
        told = channels if step.transition.notify else ()
        alerts.insert_transition(connection, incident.alert_id, step.transition, told, backfilled=backfilled)
    if step.state is None:
        alerts.close_incident(
            connection, incident, step.transition.tick if step.transition else incident.state.updated_at
        )
        del incidents[severity]
    else:
        incidents[severity] = alerts.OpenIncident(incident.alert_id, step.state)


def _minute(moment: datetime) -> int:
    return int(moment.timestamp()) // 60
