"""Who did what that must be accounted for. Written in the transaction that does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, text

from monitor.store.json_parameters import Json

_LAST = text("""
    SELECT at, actor, action, detail FROM audit_log
    WHERE (CAST(:action AS text) IS NULL OR action = :action)
        AND at >= coalesce(CAST(:since AS timestamptz), '-infinity')
        AND at < coalesce(CAST(:until AS timestamptz), 'infinity')
    ORDER BY at DESC, id DESC LIMIT :limit
""")


class Action(StrEnum):
    """All that is accounted for. The names stay: entries of years are found by them."""

    ERASE = "erase"
    """`monitor.store.erasure` finds by it whether a person was erased before."""
    BLESS = "bless reference"
    ACTIVATE = "activate reference"
    SILENCE = "silence"
    END_SILENCE = "end silence"
    PURGE = "purge dead letters"


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


def entries(
    connection: Connection,
    action: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
) -> list[Entry]:
    """The last entries, the newest first: of an action, from `since` on and before `until`, where they are given."""
    given = {"action": action, "since": since, "until": until, "limit": limit}
    return [Entry(row.at, row.actor, row.action, row.detail) for row in connection.execute(_LAST, given)]
