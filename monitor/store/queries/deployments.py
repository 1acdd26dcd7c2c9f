"""What was rolled out, rolled back or reconfigured: the first thing that an on-call engineer asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from monitor.domain.window import Window
from monitor.store.queries.selection import bounds


@dataclass(frozen=True, slots=True)
class Deployed:
    ts: datetime
    model: str
    version: str
    variant: str
    action: str
    traffic_share: float | None
    note: str | None


_COLUMNS = "SELECT ts, model, version, variant, action, traffic_share, note FROM deployments"
_LAST = text(f"{_COLUMNS} WHERE ts < :before ORDER BY ts DESC, version LIMIT :limit")
_WITHIN = text(f"{_COLUMNS} WHERE ts >= :start AND ts < :end ORDER BY ts DESC, version LIMIT :limit")


def last_deployments(connection: Connection, before: datetime, limit: int = 5) -> list[Deployed]:
    """The newest ones before a moment, newest first."""
    return [Deployed(**row) for row in connection.execute(_LAST, {"before": before, "limit": limit}).mappings()]


def deployments_within(connection: Connection, window: Window, limit: int = 100) -> list[Deployed]:
    """Those of a window, newest first, at most `limit`."""
    return [Deployed(**row) for row in connection.execute(_WITHIN, {**bounds(window), "limit": limit}).mappings()]
