"""Evaluations, incidents and their transitions, and the outbox that tells of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from monitor.slo.evaluation import Evaluation
from monitor.slo.incident import AlertState, Transition
from monitor.slo.policy import Severity
from monitor.store.copy import raw, stage
from monitor.store.json_parameters import Json

_EVALUATION_COLUMNS = (
    ("slo", "text"), ("tick", "timestamptz"), ("state", "text"), ("bad", "int8"), ("total", "int8"),
    ("budget_remaining", "float8"), ("burn", "float8"), ("tiers", "jsonb"), ("detail", "jsonb"), ("backfilled", "bool"),
)  # fmt: skip
_OPEN = text("SELECT id, severity, state FROM alerts WHERE slo = :slo AND resolved_at IS NULL FOR UPDATE")
_LEFT_ALONE = text("""
    SELECT id, state FROM alerts
    WHERE resolved_at IS NULL AND CAST(state ->> 'updated_at' AS timestamptz) < :before ORDER BY id FOR UPDATE
""")
_TOLD = text("""
    SELECT DISTINCT channel FROM notifications JOIN alert_transitions ON alert_transitions.id = transition_id
    WHERE alert_id = :alert_id
""")
_INSERT = text("""
    INSERT INTO alerts (slo, severity, opened_at, state, backfilled)
    VALUES (:slo, :severity, :opened_at, :state, :backfilled) RETURNING id
""")
_UPDATE = text("UPDATE alerts SET state = :state WHERE id = :id")
_RESOLVE = text("UPDATE alerts SET resolved_at = :tick WHERE id = :id")
_TRANSITION = text("""
    INSERT INTO alert_transitions (alert_id, tick, kind, reason, explanation, evidence, backfilled)
    VALUES (:alert_id, :tick, :kind, :reason, :explanation, :evidence, :backfilled) RETURNING id
""")
_NOTIFY = text("""
    INSERT INTO notifications (transition_id, channel, due_at) VALUES (:transition_id, :channel, :due_at)
    ON CONFLICT DO NOTHING
""")


@dataclass(frozen=True, slots=True)
class OpenIncident:
    alert_id: int
    state: AlertState


def insert_evaluations(connection: Connection, evaluations: Sequence[Evaluation], *, backfilled: bool) -> set[datetime]:
    """Store evaluations of one SLO; returns the ticks that nobody had evaluated before."""
    names = ", ".join(name for name, _ in _EVALUATION_COLUMNS)
    rows = (_evaluation_row(one, backfilled) for one in evaluations)
    staging = stage(connection, "slo_evaluations", _EVALUATION_COLUMNS, rows)
    found = raw(connection).execute(
        f"INSERT INTO slo_evaluations ({names}) SELECT {names} FROM {staging} ON CONFLICT DO NOTHING RETURNING tick"
    )
    return {row[0] for row in found}


def open_incidents(connection: Connection, slo: str) -> dict[Severity, OpenIncident]:
    """The incidents of an SLO that are not closed, locked until the end of the transaction."""
    return {
        Severity(row.severity): OpenIncident(row.id, AlertState.from_json(row.state))
        for row in connection.execute(_OPEN, {"slo": slo})
    }


def left_alone(connection: Connection, before: datetime) -> list[OpenIncident]:
    """Open incidents that nobody has judged since, the oldest first, locked until the end of the transaction."""
    return [
        OpenIncident(row.id, AlertState.from_json(row.state))
        for row in connection.execute(_LEFT_ALONE, {"before": before})
    ]


def channels_told(connection: Connection, alert_id: int) -> list[str]:
    """The channels that there are messages about an incident for."""
    return list(connection.execute(_TOLD, {"alert_id": alert_id}).scalars())


def open_incident(connection: Connection, state: AlertState, *, backfilled: bool) -> OpenIncident:
    found = connection.execute(
        _INSERT,
        {
            "slo": state.slo, "severity": str(state.severity), "opened_at": state.opened_at,
            "state": Json(state.to_json()), "backfilled": backfilled,
        },
    )  # fmt: skip
    return OpenIncident(int(found.scalar_one()), state)


def update_incident(connection: Connection, incident: OpenIncident) -> None:
    connection.execute(_UPDATE, {"id": incident.alert_id, "state": Json(incident.state.to_json())})


def close_incident(connection: Connection, incident: OpenIncident, tick: datetime) -> None:
    connection.execute(_RESOLVE, {"id": incident.alert_id, "tick": tick})


def insert_transition(
    connection: Connection, alert_id: int, transition: Transition, channels: Iterable[str], *, backfilled: bool
) -> None:
    """Store a transition, and an outbox row for each channel that is to hear of it."""
    found = connection.execute(
        _TRANSITION,
        {
            "alert_id": alert_id, "tick": transition.tick, "kind": str(transition.kind),
            "reason": str(transition.reason), "explanation": transition.summary,
            "evidence": Json(_plain(asdict(transition))), "backfilled": backfilled,
        },
    )  # fmt: skip
    transition_id = found.scalar_one()
    for channel in channels:
        connection.execute(_NOTIFY, {"transition_id": transition_id, "channel": channel, "due_at": transition.tick})


def _evaluation_row(evaluation: Evaluation, backfilled: bool) -> tuple[object, ...]:
    detail = {
        "covered_minutes": evaluation.covered_minutes,
        "mature_until": evaluation.mature_until,
        "exhaustion": [
            {
                "window_minutes": one.window_minutes,
                "minutes": one.minutes,
                "earliest": one.earliest,
                "latest": one.latest,
            }
            for one in evaluation.exhaustion
        ],
        "unseen": evaluation.unseen,
    }
    return (
        evaluation.slo, evaluation.tick, str(evaluation.state), evaluation.bad, evaluation.total,
        evaluation.budget_remaining, evaluation.burn,
        Json(msgspec.to_builtins(evaluation.tiers)), Json(_plain(detail)), backfilled,
    )  # fmt: skip


def _plain(value: Any) -> Any:
    """Times as text, so that JSON can hold them."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, datetime) else value
