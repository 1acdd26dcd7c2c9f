"""Streams of which no reference could be made, and why: they are not compared, and nobody shall think they are."""

from __future__ import annotations

from sqlalchemy import Connection, text

from monitor.domain.window import Window
from monitor.store.vectors import Source

_KEY = "model = :model AND stream = :stream AND embedder_id = :embedder"


def note(
    connection: Connection, source: Source, stream: str, window: Window, rows: int, reason: str, *, constant: bool
) -> None:
    """Take down the newest attempt; when a stream was last seen constant outlives it."""
    connection.execute(
        text(
            "INSERT INTO unfitted_streams AS known "
            "(model, stream, embedder_id, window_start, window_end, rows, reason, constant_until) "
            "VALUES (:model, :stream, :embedder, :start, :end, :rows, :reason, :constant_until) "
            "ON CONFLICT (model, stream, embedder_id) DO UPDATE SET window_start = EXCLUDED.window_start, "
            "window_end = EXCLUDED.window_end, rows = EXCLUDED.rows, reason = EXCLUDED.reason, "
            "constant_until = coalesce(EXCLUDED.constant_until, known.constant_until) "
            "WHERE EXCLUDED.window_end >= known.window_end"
        ),
        {
            **_key(source, stream), "start": window.start, "end": window.end, "rows": rows, "reason": reason,
            "constant_until": window.end if constant else None,
        },
    )  # fmt: skip


def forget(connection: Connection, source: Source, stream: str, *, blessed: bool) -> None:
    """There is a reference now. That the stream was constant before is kept until somebody blesses one."""
    condition = "" if blessed else " AND constant_until IS NULL"
    connection.execute(text(f"DELETE FROM unfitted_streams WHERE {_KEY}{condition}"), _key(source, stream))


def _key(source: Source, stream: str) -> dict[str, object]:
    return {"model": source.model, "stream": stream, "embedder": source.embedder_id}
