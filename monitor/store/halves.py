"""Sides of calls that wait for the other one, per consumer group; and how many calls met or lost a side."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, text

from monitor.domain.halves import Half
from monitor.domain.kept_halves import kept, written
from monitor.domain.records import HALF_HEADER, REPLAY_HEADER, WAITED, Partition, Record
from monitor.errors import StoreUnavailable
from monitor.store import locks
from monitor.store.copy import raw, stage
from monitor.store.json_parameters import TEXTS, as_json
from monitor.store.tombstones import erased

_COLUMNS = (
    ("consumer_group", "text"), ("pair_id", "text"), ("side", "text"), ("ts", "timestamptz"), ("digest", "bytea"),
    ("fields", "bytea"), ("replay", "text"), ("topic", "text"), ("topic_id", "text"), ("partition", "int4"),
    ("record_offset", "int8"), ("due_at", "timestamptz"), ("subject_hash", "bytea"),
    ("vectors", "bytea"), ("lost", "bool"),
)  # fmt: skip
_ROW = (
    "pair_id, side, ts, digest, fields, replay, topic, topic_id, partition, record_offset, lost, subject_hash, vectors"
)
_vectors = msgspec.msgpack.Decoder(dict[str, dict[str, bytes]])
_COUNT_KEY = "minute, model, version, variant, task"
_COUNT = text(f"""
    INSERT INTO pair_counts ({_COUNT_KEY}, joined, lost)
    VALUES (:minute, :model, :version, :variant, :task, :joined, greatest(:lost, 0))
    ON CONFLICT ({_COUNT_KEY}) DO UPDATE
    SET joined = pair_counts.joined + EXCLUDED.joined, lost = greatest(pair_counts.lost + :lost, 0)
""")
"""A side may be found again when retention has forgotten that it was lost."""

_QUEUES = 256
"""For the calls of batches: more of them would fill PostgreSQL's table of locks, which has room for some thousands."""


class HalfArrival(msgspec.Struct, frozen=True):
    """A side with the record that brought it."""

    half: Half
    digest: bytes
    """Of the half as it came, before anything was redacted."""
    record: Record
    """Of one that waited: where it stood, and what was read of it instead of its raw bytes, to be sent again."""
    replay: str | None
    lost: bool = False
    """It is counted as lost."""
    redacted: frozenset[str] | None = frozenset()
    """What it says, by kind of vector, that waited and so is no longer as it came; None: it waited as a whole."""
    preludes: tuple[Record, ...] = ()
    """The records of the preludes that it has taken up."""
    subject_hash: bytes | None = None
    """Of the person whom this side names, see `monitor.privacy.subject`; empty: nobody, None: nobody looked yet."""
    vectors: dict[str, dict[str, bytes]] | None = None
    """Made of it as it came, by fingerprint and kind, as they will be stored; None: it was not embedded."""


class CallKey(NamedTuple):
    """Whose call it was, and when."""

    minute: datetime
    model: str
    version: str
    variant: str
    task: str


def waiting(connection: Connection, group: str, pair_ids: Collection[str]) -> dict[str, HalfArrival]:
    """Those of these pairs of which one side waits."""
    query = f"SELECT {_ROW} FROM waiting_halves WHERE consumer_group = %s AND pair_id = ANY({TEXTS})"
    return {row[0]: _arrival(row) for row in raw(connection).execute(query, (group, as_json(pair_ids)))}


def demand_none(connection: Connection, group: str, pair_ids: Collection[str], calls: Collection[str]) -> None:
    """Let no other transaction bring sides of these calls until this one ends; of these pairs none must wait by now.

    Raises:
        StoreUnavailable: a side of one of these pairs came in the meantime; look again.
    """
    if not pair_ids:
        return
    queues = {zlib.crc32(f"{group} {call}".encode()) % _QUEUES for call in calls}
    locks.wait_for_all(connection, locks.CALLS, queues)
    _look_again(len(waiting(connection, group, pair_ids)))


def wait(connection: Connection, group: str, arrivals: Sequence[HalfArrival], due_at: datetime) -> None:
    """Let these sides wait, but for those of erased requests; in the order of their ids, so that two writers queue
    instead of deadlocking.

    Raises:
        StoreUnavailable: a side of one of these pairs came in the meantime; look again.
    """
    gone = erased(connection, {one.half.call for one in arrivals})
    arrivals = [one for one in arrivals if one.half.call not in gone]
    if not arrivals:
        return
    rows = (_row(group, one, due_at) for one in sorted(arrivals, key=lambda one: one.half.pair_id))
    staging = stage(connection, "waiting_halves", _COLUMNS, rows)
    names = ", ".join(name for name, _ in _COLUMNS)
    done = raw(connection).execute(
        f"INSERT INTO waiting_halves ({names}) SELECT {names} FROM {staging} ORDER BY pair_id ON CONFLICT DO NOTHING"
    )
    _look_again(len(arrivals) - done.rowcount)


def take(connection: Connection, group: str, pair_ids: Collection[str]) -> set[str]:
    """These pairs are complete: their waiting sides go. Returns those that had been counted as lost by now.

    Raises:
        StoreUnavailable: one of them is gone already; look again.
    """
    if not pair_ids:
        return set()
    query = f"DELETE FROM waiting_halves WHERE consumer_group = %s AND pair_id = ANY({TEXTS}) RETURNING pair_id, lost"
    gone = raw(connection).execute(query, (group, as_json(sorted(pair_ids)))).fetchall()
    _look_again(len(pair_ids) - len(gone))
    return {pair_id for pair_id, lost in gone if lost}


def overdue(connection: Connection, group: str, now: datetime, limit: int) -> list[HalfArrival]:
    """Sides that waited too long and are not counted as lost yet; locked until the transaction ends."""
    query = (
        f"SELECT {_ROW} FROM waiting_halves WHERE consumer_group = %s AND due_at < %s AND NOT lost "
        "ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED"
    )
    return [_arrival(row) for row in raw(connection).execute(query, (group, now, limit))]


def mark_lost(connection: Connection, group: str, pair_ids: Collection[str]) -> None:
    """Remember that these are counted as lost."""
    query = f"UPDATE waiting_halves SET lost = true WHERE consumer_group = %s AND pair_id = ANY({TEXTS})"
    raw(connection).execute(query, (group, as_json(pair_ids)))


def discard_before(connection: Connection, group: str, due_before: datetime, limit: int) -> list[HalfArrival]:
    """Take out sides that were due before a moment, oldest first; returns them."""
    return _discard(connection, group, "due_at < %s ORDER BY due_at LIMIT %s", due_before, limit)


def discard(connection: Connection, group: str, pair_ids: Collection[str]) -> list[HalfArrival]:
    """Take out those of these pairs that wait, and that nobody else is about to take; returns them."""
    return _discard(connection, group, f"pair_id = ANY({TEXTS})", as_json(pair_ids)) if pair_ids else []


def _discard(connection: Connection, group: str, chosen: str, *values: object) -> list[HalfArrival]:
    query = f"""
        DELETE FROM waiting_halves WHERE consumer_group = %s AND pair_id IN (
            SELECT pair_id FROM waiting_halves WHERE consumer_group = %s AND {chosen} FOR UPDATE SKIP LOCKED)
        RETURNING {_ROW}
    """
    return [_arrival(row) for row in raw(connection).execute(query, (group, group, *values))]


def due_time_of_oldest_within(connection: Connection, group: str, cap: int) -> datetime | None:
    """When the oldest of the newest `cap` sides is due: those before it are too many. None: there are fewer."""
    query = "SELECT due_at FROM waiting_halves WHERE consumer_group = %s ORDER BY due_at DESC OFFSET %s LIMIT 1"
    found = raw(connection).execute(query, (group, cap - 1)).fetchone()
    return found[0] if found else None


def count_calls(connection: Connection, joined: Counter[CallKey], lost: Counter[CallKey]) -> None:
    """Add to the counts by minute, in key order; `lost` may be negative, where a side came after all."""
    rows = [
        {**key._asdict(), "joined": joined[key], "lost": lost[key]}
        for key in sorted(joined.keys() | lost.keys())
        if joined[key] or lost[key]
    ]
    if rows:
        connection.execute(_COUNT, rows)


def _row(group: str, one: HalfArrival, due_at: datetime) -> tuple[object, ...]:
    half, where = one.half, one.record.partition
    return (
        group, half.pair_id, half.side, half.ts, one.digest, msgspec.json.encode(half.fields), one.replay,
        where.topic, where.topic_id, where.number, one.record.offset, due_at, one.subject_hash,
        None if one.vectors is None else msgspec.msgpack.encode(one.vectors), one.lost,
    )  # fmt: skip


def _arrival(row: Sequence[Any]) -> HalfArrival:
    pair_id, side, ts, digest, fields, replay, topic, topic_id, number, offset, lost, subject, vectors = row
    half = Half(pair_id, side, ts, msgspec.json.decode(fields))
    whose = None if subject is None else bytes(subject)
    headers = ((REPLAY_HEADER, replay.encode()),) if replay else ()
    record = Record(
        Partition("", topic, topic_id, number),
        offset,
        -1,
        written([kept(half, bytes(digest), whose)]),
        headers=((HALF_HEADER, WAITED), *headers),
        key=half.call.encode(),  # so that all that waited of a call is read in its order when it is sent again
    )
    return HalfArrival(
        half, bytes(digest), record, replay, lost, redacted=None, subject_hash=whose,
        vectors=None if vectors is None else _vectors.decode(vectors),
    )  # fmt: skip


def _look_again(missed: int) -> None:
    """Raises StoreUnavailable: the sides of one call met in two collectors at the same moment, and one goes again."""
    if missed:
        raise StoreUnavailable(f"{missed} calls found their other side in another collector just now")
