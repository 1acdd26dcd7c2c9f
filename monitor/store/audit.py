"""Who did what that must be accounted for. Written in the transaction that does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from monitor.store.json_parameters import Json


@dataclass(frozen=True, slots=True)
class Entry:
    at: datetime
    actor: str
    action: str
    detail: Mapping[str, Any]


def record(connection: Connection, entry: Entry) -> None:
    connection.execute(
        text("INSERT INTO audit_log (at, actor, action, detail) VALUES (:at, :actor, :action, :detail)"),
        {"at": entry.at, "actor": entry.actor, "action": entry.action, "detail": Json(dict(entry.detail))},
    )


def entries(connection: Connection, action: str, limit: int = 100) -> list[Entry]:
    """The last entries of an action, the newest first."""
    rows = connection.execute(
        text("SELECT at, actor, action, detail FROM audit_log WHERE action = :action ORDER BY id DESC LIMIT :limit"),
        {"action": action, "limit": limit},
    )
    return [Entry(row.at, row.actor, row.action, row.detail) for row in rows]
