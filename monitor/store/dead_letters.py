"""Records that were not accepted, with everything needed to see why and to try again; and the count of outcomes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from monitor.domain.records import Partition, Record
from monitor.domain.window import MINUTE, floor
from monitor.store.copy import raw, stage

_PLACE = (("topic", "text"), ("topic_id", "text"), ("partition", "int4"), ("record_offset", "int8"))
_COLUMNS = (
    *_PLACE, ("record_ts", "timestamptz"), ("reason", "text"), ("detail", "text"), ("raw", "bytea"),
    ("digest", "bytea"), ("key", "bytea"), ("headers", "bytea"), ("replay", "text"), ("subject_hashes", "bytea[]"),
    ("replay_of", "int8"),
)  # fmt: skip
_FIRST = """
    SELECT coalesce(known.replay_of, known.id) FROM dead_letters known
    WHERE known.id = {0}.replay_of AND known.raw = {0}.raw
"""
"""The first dead letter of a repeated record. Anybody may write our header: only the same bytes repeat it."""
_COUNT = text("""
    INSERT INTO ingest_counters (minute, topic, outcome, records) VALUES (:minute, :topic, :outcome, :records)
    ON CONFLICT (minute, topic, outcome) DO UPDATE SET records = ingest_counters.records + EXCLUDED.records
""")
_STAY_AWAKE = text("SELECT set_config('idle_in_transaction_session_timeout', :idle, true)")
IDLE_LIMIT = "30s"
"""How long a sender may hold dead letters and do nothing that PostgreSQL sees; to send some takes a few seconds."""
_RESOLVE = f"""
    UPDATE dead_letters SET resolved_at = %s
    FROM (SELECT ({_FIRST.format("given")}) AS id
          FROM unnest(%s::int8[], %s::bytea[]) AS given(replay_of, raw)) AS first
    WHERE resolved_at IS NULL AND (dead_letters.id = first.id OR dead_letters.replay_of = first.id)
"""
_UNSETTLED = "(resolved_at IS NULL AND (replayed_at IS NULL OR :again) AND length(raw) > 0)"
"""An empty record, also one whose content was erased, would fail for ever."""
MAX_TOGETHER = 256 * 1024
"""Bytes of sides of calls in one dead letter, but for a single one: Kafka's default limit of a record is a megabyte."""
MAX_DETAIL = 1000
"""Characters of a reason; a validation message can quote what it refused."""
_headers = msgspec.json.Decoder(list[tuple[str, bytes]])


@dataclass(frozen=True, slots=True)
class Choice:
    """Which dead letters: all that fit every part that is given."""

    ids: Collection[int] | None = None
    reason: str | None = None
    topic: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """By the time at which they were refused; `until` is excluded."""

    def values(self) -> dict[str, object]:
        """Of the parameters that `CHOSEN` binds."""
        return {
            "ids": None if self.ids is None else list(self.ids),
            "reason": self.reason, "topic": self.topic, "since": self.since, "until": self.until,
        }  # fmt: skip


CHOSEN = """
    (CAST(:ids AS bigint[]) IS NULL OR id = ANY(:ids)) AND (CAST(:reason AS text) IS NULL OR reason = :reason)
    AND (CAST(:topic AS text) IS NULL OR topic = :topic)
    AND (CAST(:since AS timestamptz) IS NULL OR created_at >= :since)
    AND (CAST(:until AS timestamptz) IS NULL OR created_at < :until)
"""


@dataclass(frozen=True, slots=True)
class Rejected:
    record: Record
    reason: str
    detail: str
    digest: bytes | None = None
    """SHA-256 of the bytes as they came, where the record holds others or none."""
    subjects: tuple[bytes, ...] = ()
    """Hashes of whose data it is, and of ids that were removed from it, see `monitor.privacy.subject`."""


def insert_dead_letters(connection: Connection, rejected: Sequence[Rejected]) -> None:
    """Keep the raw bytes and where they stood. By COPY, one at a time: together they may not fit the memory twice.

    What is refused of one record becomes one: sides of several calls that it brought follow each other, a line each.
    Of very many, several.
    """
    if rejected:
        *plain, replay_of = (name for name, _ in _COLUMNS)
        names = ", ".join(plain)
        staging = stage(connection, "dead_letters", _COLUMNS, map(_row, _by_place(rejected)))
        raw(connection).execute(
            f"INSERT INTO dead_letters ({names}, {replay_of}) SELECT {names}, ({_FIRST.format(staging)}) "
            f"FROM {staging} ON CONFLICT DO NOTHING"
        )


def resolve_dead_letters(connection: Connection, accepted: Sequence[Record], now: datetime) -> None:
    """Mark as resolved what accepted records repeat; a record that repeats none changes nothing."""
    repeated = [(number, one) for one in accepted if (number := one.dead_letter) is not None]
    if repeated:
        raw(connection).execute(
            _RESOLVE,
            (now, [number for number, _ in repeated], [one.value for _, one in repeated]),
        )


def unsettled(connection: Connection, choice: Choice, *, again: bool) -> tuple[list[int], int]:
    """Numbers of the chosen dead letters that are to be sent, oldest first, and how many of the choice are not."""
    rows = connection.execute(
        text(f"SELECT id, {_UNSETTLED} AS wanted FROM dead_letters WHERE {CHOSEN} ORDER BY id"),
        {**choice.values(), "again": again},
    ).all()
    wanted = [row.id for row in rows if row.wanted]
    return wanted, len(rows) - len(wanted)


def lock(connection: Connection, numbers: Sequence[int], *, again: bool) -> dict[int, tuple[str, Record]]:
    """Those of the dead letters that are still to be sent, by number, with their reason, held until the end of the
    transaction; what another one holds is left to it.

    A collector that reads what was sent waits for that end: so PostgreSQL ends it where the sender was suspended.
    """
    connection.execute(_STAY_AWAKE, {"idle": IDLE_LIMIT})
    rows = connection.execute(
        text(f"SELECT * FROM dead_letters WHERE id = ANY(:ids) AND {_UNSETTLED} ORDER BY id FOR UPDATE SKIP LOCKED"),
        {"ids": list(numbers), "again": again},
    )
    return {row.id: (row.reason, _record(row)) for row in rows}


def mark_replayed(connection: Connection, numbers: Iterable[int], now: datetime) -> None:
    connection.execute(
        text("UPDATE dead_letters SET replayed_at = :now WHERE id = ANY(:ids)"), {"ids": list(numbers), "now": now}
    )


def purge(connection: Connection, before: datetime) -> int:
    """Delete what was refused before a time; returns how many."""
    return connection.execute(text("DELETE FROM dead_letters WHERE created_at < :before"), {"before": before}).rowcount


def count_before(connection: Connection, before: datetime) -> int:
    """How many `purge` would delete."""
    found = connection.execute(text("SELECT count(*) FROM dead_letters WHERE created_at < :before"), {"before": before})
    return int(found.scalar_one())


def count_outcomes(connection: Connection, outcomes: Counter[tuple[str, str]], now: datetime) -> None:
    """Add (topic, outcome) counts to the minute of processing, in key order."""
    minute = floor(now, MINUTE)
    rows = [
        {"minute": minute, "topic": topic, "outcome": outcome, "records": records}
        for (topic, outcome), records in sorted(outcomes.items())
    ]
    if rows:
        connection.execute(_COUNT, rows)


def encode_headers(headers: Sequence[tuple[str, bytes]]) -> bytes | None:
    """As they are stored; None for none."""
    return msgspec.json.encode(headers) if headers else None


def decode_headers(stored: bytes | None) -> tuple[tuple[str, bytes], ...]:
    return tuple(_headers.decode(stored)) if stored else ()


def _by_place(rejected: Iterable[Rejected]) -> Iterator[Rejected]:
    found: dict[tuple[Partition, int], list[Rejected]] = defaultdict(list)
    for one in rejected:
        found[one.record.partition, one.record.offset].append(one)
    for several in found.values():
        yield from map(_together, _portions(several)) if len(several) > 1 else several


def _portions(several: Sequence[Rejected]) -> Iterator[list[Rejected]]:
    """Those of the same bytes, and others as long as they are few enough."""
    by_value: dict[bytes, list[Rejected]] = defaultdict(list)
    for one in several:
        by_value[one.record.value].append(one)
    portion: list[Rejected] = []
    size = 0
    for value, same in by_value.items():
        if portion and size + len(value) > MAX_TOGETHER:
            yield portion
            portion, size = [], 0
        portion += same
        size += len(value) + 1
    yield portion


def _together(several: Sequence[Rejected]) -> Rejected:
    first = several[0]
    values = dict.fromkeys(one.record.value for one in several)
    details = dict.fromkeys(one.detail for one in several)
    subjects = dict.fromkeys(subject for one in several for subject in one.subjects)
    record = replace(first.record, value=b"\n".join(values))
    return replace(first, record=record, detail="; ".join(details), subjects=tuple(subjects))


def _row(rejected: Rejected) -> tuple[object, ...]:
    record, where = rejected.record, rejected.record.partition
    return (
        where.topic, where.topic_id, where.number, record.offset, _stamp(record.timestamp_ms), str(rejected.reason),
        _storable(rejected.detail[:MAX_DETAIL]), record.value, rejected.digest, record.key,
        encode_headers(record.headers), record.replay, list(rejected.subjects) or None, record.dead_letter,
    )  # fmt: skip


def _record(row: Any) -> Record:
    """What stands in the row, where it stood; of its cluster nothing is known any more."""
    return Record(
        partition=Partition("", row.topic, row.topic_id, row.partition),
        offset=row.record_offset,
        timestamp_ms=-1 if row.record_ts is None else round(row.record_ts.timestamp() * 1000),
        value=bytes(row.raw),
        headers=decode_headers(row.headers),
        key=None if row.key is None else bytes(row.key),
    )


def _storable(detail: str) -> str:
    """Messages quote what they refuse: NUL and lone surrogates, which PostgreSQL cannot hold, are written out."""
    return detail.replace("\x00", "\\0").encode("utf-8", "backslashreplace").decode()


def _stamp(milliseconds: int) -> datetime | None:
    """None where there is no timestamp, or one of no calendar: producers may write any 64 bits."""
    with suppress(ValueError, OverflowError):
        return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds > 0 else None
    return None
