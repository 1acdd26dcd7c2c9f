"""What PostgreSQL holds of a replay: the only truth about how far it got."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from monitor.domain.records import Partition

_REGISTER = text("""
    INSERT INTO replays (id, name, start_ts, rows) VALUES (:id, :name, :start, :rows) ON CONFLICT DO NOTHING
""")
_START = text("SELECT start_ts FROM replays WHERE id = :id")
_REGISTERED = text("SELECT id FROM replays WHERE id = ANY(:ids)")
_LABELS = text("SELECT content_hash FROM labels WHERE content_hash = ANY(:hashes)")
_REFUSED = text("""
    SELECT DISTINCT digest
    FROM (SELECT coalesce(digest, sha256(raw)) AS digest FROM dead_letters WHERE replay = :id) AS refused
    WHERE digest = ANY(:digests)
""")
_REASONS = text("SELECT reason, count(*) AS events FROM dead_letters WHERE replay = :id GROUP BY reason")
_POSITIONS = text("""
    SELECT cluster_id, topic, topic_id, partition, next_offset FROM stream_offsets
    WHERE consumer_group = :group AND topic = ANY(:topics)
""")


@dataclass(frozen=True, slots=True)
class Registered:
    start: datetime
    """Of the synthesised event times, as the first run fixed it."""
    resumed: bool
    """An earlier run registered it."""


def register(connection: Connection, replay_id: str, name: str, start: datetime, rows: int) -> Registered:
    """Enter a replay, or find what its first run entered."""
    key = {"id": replay_id}
    entered = connection.execute(_REGISTER, {**key, "name": name, "start": start, "rows": rows})
    return Registered(connection.execute(_START, key).scalar_one(), resumed=entered.rowcount == 0)


def registered(connection: Connection, replay_ids: Collection[str]) -> set[str]:
    """Those of the ids that are entered."""
    return {row.id for row in connection.execute(_REGISTERED, {"ids": list(replay_ids)})}


def known_labels(connection: Connection, hashes: Collection[bytes]) -> set[bytes]:
    """Those of the content hashes whose label is stored."""
    return {bytes(row.content_hash) for row in connection.execute(_LABELS, {"hashes": list(hashes)})}


def refused(connection: Connection, replay_id: str, digests: Iterable[bytes]) -> set[bytes]:
    """Those of the SHA-256 digests whose record is a dead letter of this replay."""
    rows = connection.execute(_REFUSED, {"id": replay_id, "digests": list(digests)})
    return {bytes(row.digest) for row in rows}


def refusals(connection: Connection, replay_id: str) -> dict[str, int]:
    """Dead letters of this replay by reason."""
    return {row.reason: row.events for row in connection.execute(_REASONS, {"id": replay_id})}


def positions(connection: Connection, group: str, topics: Collection[str]) -> dict[Partition, int]:
    """How far the consumer group has stored each log of these topics, those that were since made anew included."""
    rows = connection.execute(_POSITIONS, {"group": group, "topics": list(topics)})
    return {Partition(row.cluster_id, row.topic, row.topic_id, row.partition): row.next_offset for row in rows}
