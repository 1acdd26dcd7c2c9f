"""Where each consumer group stands, moved by compare-and-set inside the transaction that stores the batch."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, text

from monitor.domain.records import Batch, Partition
from monitor.errors import Fenced

_ADVANCE = text("""
    UPDATE stream_offsets SET next_offset = :next, end_offset = :end, updated_at = :now
    WHERE consumer_group = :group AND cluster_id = :cluster AND topic_id = :topic_id AND partition = :partition
      AND next_offset = :expected
""")
_STAY_AWAKE = text("""
    SELECT set_config('idle_in_transaction_session_timeout', :idle, true), set_config('statement_timeout', :busy, true),
        set_config('lock_timeout', :locked, true)
""")
_END_FROZEN = text("""
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity AS session
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid() AND state = 'active'
      AND wait_event IN ('ClientRead', 'ClientWrite') AND query_start < clock_timestamp() - CAST(:idle AS interval)
      AND 0 < (SELECT count(*) FROM pg_locks WHERE pg_locks.pid = session.pid AND mode = 'RowExclusiveLock'
                 AND relation = CAST('stream_offsets' AS regclass))
""")
"""Sessions that moved an offset and wait for their client, in the midst of sending it something or of being sent it."""
_REGISTER = text("""
    INSERT INTO stream_offsets (consumer_group, cluster_id, topic_id, partition, topic, next_offset, updated_at)
    VALUES (:group, :cluster, :topic_id, :partition, :topic, :next, :now)
    ON CONFLICT DO NOTHING
""")
_READ = text("""
    SELECT next_offset FROM stream_offsets
    WHERE consumer_group = :group AND cluster_id = :cluster AND topic_id = :topic_id AND partition = :partition
""")
_OTHER_LOG = text("""
    SELECT next_offset, greatest(next_offset, end_offset) AS reached FROM stream_offsets
    WHERE consumer_group = :group AND topic = :topic AND partition = :partition
      AND (topic_id, cluster_id) <> (:topic_id, :cluster)
    ORDER BY updated_at DESC LIMIT 1
""")
_GAP = text("""
    INSERT INTO stream_gaps (consumer_group, topic, topic_id, partition, expected_offset, resumed_offset, reason)
    VALUES (:group, :topic, :topic_id, :partition, :expected, :resumed, :reason)
""")
_SEEN_END = text("""
    UPDATE stream_offsets SET end_offset = :end, updated_at = :now
    WHERE (consumer_group, cluster_id, topic_id, partition) = (
        SELECT consumer_group, cluster_id, topic_id, partition FROM stream_offsets
        WHERE consumer_group = :group AND cluster_id = :cluster AND topic_id = :topic_id AND partition = :partition
        FOR NO KEY UPDATE SKIP LOCKED
    )
""")

IDLE_LIMIT, BUSY_LIMIT, LOCK_LIMIT = "30s", "120s", "10s"
"""How long a collector may do nothing, one of its statements may take, and it may wait for another's lock, while it
holds the row of a partition or wants to."""


def advance(connection: Connection, group: str, batch: Batch, now: datetime) -> None:
    """Move every partition of the batch from its expected to its following offset, in key order (no deadlocks).

    From here to the end of the transaction the next owner of the partition would wait for us. So PostgreSQL ends the
    transaction of a collector that was frozen, or whose machine is gone. One that was in the midst of a COPY, or of
    reading a large answer, it would wait for without end, whatever its time limits: that one we end, so we must not
    wait for its row for too long.

    Raises:
        Fenced: a partition stands elsewhere, so another consumer owns it; roll back and drop the batch.
    """
    _hold_up_nobody(connection)
    for partition in sorted(batch.following):
        expected, following = batch.expected[partition], batch.following[partition]
        found = connection.execute(
            _ADVANCE,
            {**_key(group, partition), "expected": expected, "next": following,
             "end": batch.end_offsets.get(partition), "now": now},
        )  # fmt: skip
        if found.rowcount != 1:
            raise Fenced(f"{group}: {partition.topic}/{partition.number} no longer stands at offset {expected}")


def starting_offset(
    connection: Connection, group: str, partition: Partition, beginning: int, now: datetime, *, beyond_end: bool
) -> int:
    """Where to read on, registering a log that was never seen. Whatever cannot be read any more is recorded as a gap.

    Args:
        beginning: first offset that the broker still has.
        beyond_end: the broker has shown that its log ends before the stored offset. It was cut, and nobody knows which
            of its records are new: all are read again, and what is known is recognised by its content.
    """
    key = _key(group, partition)
    stored = connection.execute(_READ, key).scalar()
    if stored is None:
        previous = connection.execute(_OTHER_LOG, {**key, "topic": partition.topic}).one_or_none()
        if previous is not None and previous.reached > 0:  # else it held nothing
            _record_gap(connection, group, partition, previous.next_offset, beginning, "topic was made anew")
        connection.execute(_REGISTER, {**key, "topic": partition.topic, "next": beginning, "now": now})
        return int(connection.execute(_READ, key).scalar_one())
    if stored >= beginning and not beyond_end:
        return int(stored)
    _hold_up_nobody(connection)
    reason = "offset beyond the end" if beyond_end else "records expired"
    _record_gap(connection, group, partition, stored, beginning, reason)
    connection.execute(_ADVANCE, {**key, "expected": stored, "next": beginning, "end": None, "now": now})
    return beginning


def note_ends(connection: Connection, group: str, ends: Iterable[tuple[Partition, int]], now: datetime) -> None:
    """Remember the log ends of idle partitions, so that lag is shown also when nothing arrives.

    What somebody moves just now is left out: a note is not worth waiting for, and `advance` would wait behind it.
    """
    _hold_up_nobody(connection)
    for partition, end in sorted(ends):
        connection.execute(_SEEN_END, {**_key(group, partition), "end": end, "now": now})


def _hold_up_nobody(connection: Connection) -> None:
    """Before a row is moved: end who froze while holding one, and be ended if we freeze."""
    connection.execute(_STAY_AWAKE, {"idle": IDLE_LIMIT, "busy": BUSY_LIMIT, "locked": LOCK_LIMIT})
    connection.execute(_END_FROZEN, {"idle": IDLE_LIMIT})


def _record_gap(
    connection: Connection, group: str, partition: Partition, expected: int, resumed: int, reason: str
) -> None:
    connection.execute(
        _GAP,
        {**_key(group, partition), "topic": partition.topic,
         "expected": expected, "resumed": resumed, "reason": reason},
    )  # fmt: skip


def _key(group: str, partition: Partition) -> dict[str, object]:
    return {
        "group": group, "cluster": partition.cluster_id, "topic_id": partition.topic_id, "partition": partition.number,
    }  # fmt: skip
