"""Objectives, their evaluations, incidents and messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import streamlit as st

from dashboards.data.connection import SLOW_TO_CHANGE, cached, config, engine
from monitor import bootstrap
from monitor.domain.window import Window
from monitor.slo.objective import Objective
from monitor.store import alert_actions, silences
from monitor.store.engine import transaction
from monitor.store.queries import alerts, incidents, slos
from monitor.store.queries.alerts import Incident

latest_ticks = cached(slos.latest_ticks)
slo_history = cached(slos.slo_history)
slo_tick = cached(slos.slo_tick)
incidents_within = cached(alerts.incidents_within)
open_incidents = cached(alerts.open_incidents)
incident = cached(alerts.incident)
transitions = cached(alerts.transitions)
deliveries = cached(alerts.deliveries)
silences_within = cached(silences.silences_within)
slice_shifts = cached(incidents.slice_shifts)


@st.cache_resource(ttl=SLOW_TO_CHANGE, show_spinner=False)
def objectives() -> dict[str, Objective]:
    """The SLOs of the settings' folder by name.

    Raises:
        SettingsError: with every fault of every document.
    """
    return {one.name: one for one in bootstrap.read_objectives(config())}


def as_of(one: Incident, at: datetime) -> Incident:
    """The incident as it stood at a moment: without what was done and said later."""
    if one.resolved_at is not None and one.resolved_at <= at:
        return one
    said = [(step.reason, step.explanation) for step in transitions(one.id) if step.tick <= at]
    reason, latest = said[-1] if said else ("", "")
    known = replace(one, resolved_at=None, latest_reason=reason, latest=latest)
    if one.acknowledged_at is not None and one.acknowledged_at > at:
        return replace(known, acknowledged_at=None, acknowledged_by=None)
    return known


def acknowledge(alert_id: int, by: str) -> bool:
    """Note who takes care of an incident; false when somebody did before, or it is over.

    Raises:
        ValueError: `by` is no name.
        StoreError: PostgreSQL does not answer.
    """
    with transaction(engine()) as connection:
        done = alert_actions.acknowledge(connection, alert_id, by, bootstrap.now())
    st.cache_data.clear()
    return done


def silence(slo: str, window: Window, by: str, reason: str) -> int:
    """Hold an SLO's messages back from now on; returns the silence's number.

    Raises:
        ValueError: a name or reason that is empty or too long; see `monitor.slo.silence.checked`.
        StoreError: PostgreSQL does not answer.
    """
    with transaction(engine()) as connection:
        number = silences.add_silence(connection, slo, window, by, reason, bootstrap.now())
    st.cache_data.clear()
    return number


def end_silence(number: int, by: str) -> bool:
    """End a silence; false when it is over already.

    Raises:
        StoreError: PostgreSQL does not answer.
    """
    with transaction(engine()) as connection:
        ended = silences.end_silence(connection, number, by, bootstrap.now())
    st.cache_data.clear()
    return ended
