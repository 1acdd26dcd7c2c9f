"""Records that were not accepted, with everything needed to see why and to try again; and the count of outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, text

from monitor.domain.records import Record
from monitor.domain.window import MINUTE, floor

_INSERT = text("""
    INSERT INTO dead_letters (topic, topic_id, partition, record_offset, record_ts, reason, detail, raw, replay)
    VALUES (:topic, :topic_id, :partition, :offset, :record_ts, :reason, :detail, :raw, :replay)
    ON CONFLICT DO NOTHING
""")
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
    """Keep the raw bytes and where they stood."""
    if rejected:
        connection.execute(_INSERT, [_row(one) for one in rejected])


def count_outcomes(connection: Connection, outcomes: Counter[tuple[str, str]], now: datetime) -> None:
    """Add (topic, outcome) counts to the minute of processing, in key order."""
    minute = floor(now, MINUTE)
    rows = [
        {"minute": minute, "topic": topic, "outcome": outcome, "records": records}
        for (topic, outcome), records in sorted(outcomes.items())
    ]
    if rows:
        connection.execute(_COUNT, rows)


def _row(rejected: Rejected) -> dict[str, object]:
    record = rejected.record
    stamped = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC) if record.timestamp_ms > 0 else None
    return {
        "topic": record.partition.topic,
        "topic_id": record.partition.topic_id,
        "partition": record.partition.number,
        "offset": record.offset,
        "record_ts": stamped,
        "reason": rejected.reason,
        "detail": rejected.detail[:MAX_DETAIL].replace("\x00", "\\0"),
        "raw": record.value,
        "replay": record.replay,
    }
