"""Records that were not accepted, with everything needed to see why and to try again; and the count of outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, text

from monitor.domain.records import Record
from monitor.domain.window import MINUTE, floor
from monitor.store.copy import raw, stage

_COLUMNS = (
    ("topic", "text"), ("topic_id", "text"), ("partition", "int4"), ("record_offset", "int8"),
    ("record_ts", "timestamptz"), ("reason", "text"), ("detail", "text"), ("raw", "bytea"), ("replay", "text"),
)  # fmt: skip
_COUNT = text("""
    INSERT INTO ingest_counters (minute, topic, outcome, records) VALUES (:minute, :topic, :outcome, :records)
    ON CONFLICT (minute, topic, outcome) DO UPDATE SET records = ingest_counters.records + EXCLUDED.records
""")
MAX_DETAIL = 1000
"""Characters of a reason; a validation message can quote what it refused."""


@dataclass(frozen=True, slots=True)
class Rejected:
    record: Record
    reason: str
    detail: str


def insert_dead_letters(connection: Connection, rejected: Sequence[Rejected]) -> None:
    """Keep the raw bytes and where they stood. By COPY, one at a time: together they may not fit the memory twice."""
    if rejected:
        names = ", ".join(name for name, _ in _COLUMNS)
        staging = stage(connection, "dead_letters", _COLUMNS, map(_row, rejected))
        raw(connection).execute(
            f"INSERT INTO dead_letters ({names}) SELECT {names} FROM {staging} ON CONFLICT DO NOTHING"
        )


def count_outcomes(connection: Connection, outcomes: Counter[tuple[str, str]], now: datetime) -> None:
    """Add (topic, outcome) counts to the minute of processing, in key order."""
    minute = floor(now, MINUTE)
    rows = [
        {"minute": minute, "topic": topic, "outcome": outcome, "records": records}
        for (topic, outcome), records in sorted(outcomes.items())
    ]
    if rows:
        connection.execute(_COUNT, rows)


def _row(rejected: Rejected) -> tuple[object, ...]:
    record, where = rejected.record, rejected.record.partition
    return (
        where.topic, where.topic_id, where.number, record.offset, _stamp(record.timestamp_ms), str(rejected.reason),
        rejected.detail[:MAX_DETAIL].replace("\x00", "\\0"), record.value, record.replay,
    )  # fmt: skip


def _stamp(milliseconds: int) -> datetime | None:
    """None where there is no timestamp, or one of no calendar: producers may write any 64 bits."""
    with suppress(ValueError, OverflowError):
        return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds > 0 else None
    return None
