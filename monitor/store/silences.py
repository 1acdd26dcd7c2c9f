"""Silences: added and ended by people, read by every evaluation."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text

from monitor.domain.window import Window
from monitor.slo.silence import Silence, checked
from monitor.store.audit import Action, Entry, record

_ADD = text("""
    INSERT INTO silences (slos, starts_at, ends_at, created_by, reason) VALUES (:slos, :start, :end, :by, :reason)
    RETURNING id
""")
_END = text("UPDATE silences SET ends_at = greatest(starts_at, :now) WHERE id = :id AND ends_at > :now")
_WITHIN = text("""
    SELECT id, slos, starts_at, ends_at, created_by, reason FROM silences
    WHERE starts_at < :end AND ends_at > :start AND ends_at > starts_at ORDER BY starts_at, id
""")


def add_silence(connection: Connection, slos: str, window: Window, by: str, reason: str, now: datetime) -> int:
    """Hold messages back in a window; returns the silence's number.

    Raises:
        ValueError: it is none; see `monitor.slo.silence.checked`.
    """
    checked(slos, window, by, reason, now)
    given = {"slos": slos.strip(), "start": window.start, "end": window.end, "by": by.strip(), "reason": reason.strip()}
    number = int(connection.execute(_ADD, given).scalar_one())
    said = {"silence": number, "slos": slos, "from": f"{window.start:%FT%RZ}", "to": f"{window.end:%FT%RZ}"}
    record(connection, Entry(now, by.strip(), Action.SILENCE, said))
    return number


def end_silence(connection: Connection, number: int, by: str, now: datetime) -> bool:
    """End it now; one that has not begun never will. False when there is none of this number, or it is over."""
    ended = connection.execute(_END, {"id": number, "now": now}).rowcount > 0
    if ended:
        record(connection, Entry(now, by, Action.END_SILENCE, {"silence": number}))
    return ended


def silences_within(connection: Connection, window: Window) -> list[Silence]:
    """Those that hold at some time of the window, in the order in which they begin."""
    return [
        Silence(row.id, row.slos, Window(row.starts_at, row.ends_at), row.created_by, row.reason)
        for row in connection.execute(_WITHIN, {"start": window.start, "end": window.end})
    ]
