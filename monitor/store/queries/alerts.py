"""Incidents, what became of them and who was told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from monitor.domain.window import Window
from monitor.store.outbox import UNSET
from monitor.store.queries.selection import bounds


@dataclass(frozen=True, slots=True)
class Incident:
    """One alert, with the words of its first and its latest transition."""

    id: int
    slo: str
    severity: str
    opened_at: datetime
    resolved_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    backfilled: bool
    opening: str
    """Why it opened."""
    latest_reason: str
    latest: str
    """What was said last."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of an incident."""

    tick: datetime
    kind: str
    reason: str
    explanation: str
    evidence: Mapping[str, Any]
    backfilled: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message about a transition, on one channel."""

    alert_id: int
    slo: str
    kind: str
    channel: str
    due_at: datetime
    attempts: int
    sent_at: datetime | None
    failed_at: datetime | None
    last_error: str | None

    @property
    def was_missed(self) -> bool:
        """It has not reached its channel, from the first fault on."""
        return self.sent_at is None and self.last_error is not None

    @property
    def waits_for_channel(self) -> bool:
        """Nobody tries to send it, because its channel is not set; see `monitor.store.outbox.UNSET`."""
        return self.sent_at is None and self.failed_at is None and (self.last_error or "").startswith(UNSET)


_INCIDENT = """
    SELECT alerts.id, slo, severity, opened_at, resolved_at, acknowledged_at, acknowledged_by, alerts.backfilled,
           coalesce(first.explanation, '') AS opening,
           coalesce(last.reason, '') AS latest_reason, coalesce(last.explanation, '') AS latest
    FROM alerts
    LEFT JOIN LATERAL (
        SELECT explanation FROM alert_transitions WHERE alert_id = alerts.id ORDER BY tick, id LIMIT 1
    ) AS first ON true
    LEFT JOIN LATERAL (
        SELECT reason, explanation FROM alert_transitions WHERE alert_id = alerts.id
        ORDER BY tick DESC, id DESC LIMIT 1
    ) AS last ON true
"""
_WITHIN = text(f"""
    {_INCIDENT} WHERE opened_at < :end AND (resolved_at IS NULL OR resolved_at >= :start)
    ORDER BY resolved_at IS NULL DESC, opened_at DESC, alerts.id DESC LIMIT :limit
""")
_OPEN = text(f"""
    {_INCIDENT} WHERE opened_at <= :at AND (resolved_at IS NULL OR resolved_at > :at)
    ORDER BY severity, opened_at, alerts.id
""")
_BY_ID = text(f"{_INCIDENT} WHERE alerts.id = :id")
_TRANSITIONS = text("""
    SELECT tick, kind, reason, explanation, evidence, backfilled FROM alert_transitions
    WHERE alert_id = :id ORDER BY tick, id
""")
_DELIVERIES = text("""
    SELECT alerts.id AS alert_id, alerts.slo, kind, channel, due_at, attempts, sent_at, failed_at, last_error
    FROM notifications
    JOIN alert_transitions ON alert_transitions.id = transition_id JOIN alerts ON alerts.id = alert_id
    WHERE tick >= :start AND tick < :end ORDER BY tick DESC, notifications.id DESC LIMIT :limit
""")


def incidents_within(connection: Connection, window: Window, limit: int = 200) -> list[Incident]:
    """Incidents that were open at some time in the window: those open now first, then the newest."""
    rows = connection.execute(_WITHIN, {**bounds(window), "limit": limit})
    return [Incident(**row) for row in rows.mappings()]


def open_incidents(connection: Connection, at: datetime) -> list[Incident]:
    """Those open at a moment, pages before tickets, the oldest first."""
    return [Incident(**row) for row in connection.execute(_OPEN, {"at": at}).mappings()]


def incident(connection: Connection, alert_id: int) -> Incident | None:
    """By the number in its link; None when there is none."""
    row = connection.execute(_BY_ID, {"id": alert_id}).mappings().one_or_none()
    return None if row is None else Incident(**row)


def transitions(connection: Connection, alert_id: int) -> list[Transition]:
    """Of one incident, in order."""
    return [Transition(**row) for row in connection.execute(_TRANSITIONS, {"id": alert_id}).mappings()]


def deliveries(connection: Connection, window: Window, limit: int = 200) -> list[Delivery]:
    """Messages about what happened within the window, newest first; one that failed may be due again behind its end."""
    rows = connection.execute(_DELIVERIES, {**bounds(window), "limit": limit})
    return [Delivery(**row) for row in rows.mappings()]
