"""Batches of records from a consumer group, positioned from our own store instead of Kafka's commits.

The rebalance listener runs on the client's I/O thread and may not block: it only pauses and takes note. The poll thread
then asks the store where to read on, seeks and resumes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any, Protocol

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from monitor.broker.client import ClientConfig, translated
from monitor.broker.topics import Topics
from monitor.domain.records import Batch, Partition, Record

log = logging.getLogger(__name__)


class Position(Protocol):
    """Tells where to read a partition on."""

    def __call__(self, partition: Partition, beginning: int, *, beyond_end: bool) -> int:
        """The offset; `beginning` is the first that is still there, see `offsets.starting_offset` for `beyond_end`."""


EMPTY = Batch((), {}, {}, {})


class Source(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """One member of a consumer group. All methods belong to one thread, the poll thread."""

    def __init__(
        self,
        config: ClientConfig,
        group: str,
        topics: Iterable[str],
        position: Position,
        *,
        session_timeout_ms: int = 6000,
    ) -> None:
        self._servers = config.bootstrap_servers
        self._topic_names = sorted(topics)
        self._position = position
        self._unsettled: set[TopicPartition] = set()
        self._cut: set[TopicPartition] = set()
        self._partitions: dict[TopicPartition, Partition] = {}
        self._next: dict[TopicPartition, int] = {}
        self._topics = Topics(config)
        with translated("connecting", self._servers):
            self._consumer = KafkaConsumer(
                group_id=group,
                enable_auto_commit=False,
                allow_auto_create_topics=False,
                auto_offset_reset="earliest",  # never used to decide where to read: see `_continues`
                session_timeout_ms=session_timeout_ms,
                heartbeat_interval_ms=session_timeout_ms // 3,
                max_partition_fetch_bytes=4 * 1024 * 1024,
                fetch_max_bytes=16 * 1024 * 1024,
                **config.options(),
            )
            self._consumer.subscribe(self._topic_names, listener=self)

    # ---- called by the client's I/O thread: take note only -------------------------------------------------------

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        assigned = set(assigned)
        self._consumer.pause(*assigned)
        self._unsettled |= assigned

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        for one in revoked:
            self._unsettled.discard(one)
            self._partitions.pop(one, None)
            self._next.pop(one, None)

    # ---- called by the poll thread ---------------------------------------------------------------------------------

    def poll(self, max_records: int, max_bytes: int, linger_ms: int) -> Batch:
        """The next records, as many as fit; empty when none came within `linger_ms`.

        Raises:
            BrokerError: no answer.
        """
        with translated("polling", self._servers):
            self._settle()
            fetched = self._fetch(max_records, max_bytes, linger_ms)
            if fetched and self._logs_changed():
                self.reposition()  # what was fetched may come from either log
                return EMPTY
        return self._batch(fetched)

    def reposition(self) -> None:
        """Forget all positions; the next poll asks the store again."""
        assigned = self._consumer.assignment()
        self._consumer.pause(*assigned)
        self._unsettled |= assigned

    def keep_alive(self) -> None:
        """Stay in the group while a batch cannot be written, without fetching more."""
        assigned = self._consumer.assignment()
        self._consumer.pause(*assigned)
        with translated("polling", self._servers):
            self._consumer.poll(timeout_ms=0)
        self._consumer.resume(*(assigned - self._unsettled))

    def commit(self, batch: Batch) -> None:
        """Tell Kafka, for lag tools only: our own store decides. A failure is logged and made good by the next one."""
        offsets = {
            TopicPartition(one.topic, one.number): OffsetAndMetadata(offset, "", -1)
            for one, offset in batch.following.items()
        }
        try:
            self._consumer.commit_async(offsets)
        except KafkaError as error:
            log.warning("commit to Kafka failed, lag tools are behind", extra={"error": repr(error)})

    def ends(self) -> dict[Partition, int]:
        """Log ends of the partitions that are read now, as the broker last told when it was asked for records."""
        return {
            partition: max(self._consumer.highwater(one) or 0, self._next[one])
            for one, partition in list(self._partitions.items())
            if one in self._next
        }

    def lags(self) -> dict[Partition, int]:
        """Records between what was handed out and the log's end, per partition."""
        following = {
            partition: self._next[one] for one, partition in list(self._partitions.items()) if one in self._next
        }
        return {
            partition: end - following[partition] for partition, end in self.ends().items() if partition in following
        }

    def owns(self, batch: Batch) -> bool:
        """Are all partitions of the batch still ours?"""
        return set(batch.following) <= set(self._partitions.values())

    def close(self) -> None:
        self._consumer.close(autocommit=False, timeout_ms=5000)
        self._topics.close()

    def _settle(self) -> None:
        """Seek newly assigned partitions to where the store says, and let them flow."""
        waiting = set(self._unsettled) & self._consumer.assignment()
        if not waiting:
            return
        known = {
            TopicPartition(one.topic, one.number): one
            for several in self._topics.partitions(self._topic_names).values()
            for one in several
        }
        waiting &= set(known)
        beginnings = self._consumer.beginning_offsets(list(waiting))
        for one in sorted(waiting):
            offset = self._position(known[one], beginnings[one], beyond_end=one in self._cut)
            self._cut.discard(one)
            if one not in self._consumer.assignment():
                continue  # taken away in the meantime
            self._consumer.seek(one, offset)
            self._consumer.resume(one)
            self._partitions[one], self._next[one] = known[one], offset
            self._unsettled.discard(one)

    def _fetch(self, max_records: int, max_bytes: int, linger_ms: int) -> dict[TopicPartition, list[Any]]:
        """Poll until the batch is full or the time is over."""
        fetched: dict[TopicPartition, list[Any]] = {}
        records = size = 0
        deadline = time.monotonic() + linger_ms / 1000
        while records < max_records and size < max_bytes and not (records and self._unsettled):
            left_ms = int((deadline - time.monotonic()) * 1000)
            if left_ms <= 0:
                break
            for one, some in self._consumer.poll(timeout_ms=left_ms, max_records=max_records - records).items():
                fetched.setdefault(one, []).extend(some)
                records += len(some)
                size += sum(len(record.value or b"") for record in some)
        return fetched

    def _batch(self, fetched: dict[TopicPartition, list[Any]]) -> Batch:
        records: list[Record] = []
        expected: dict[Partition, int] = {}
        following: dict[Partition, int] = {}
        ends: dict[Partition, int] = {}
        for one, some in fetched.items():
            partition, following_offset = self._partitions.get(one), self._next.get(one)
            if partition is None or following_offset is None or not self._continues(one, some[0].offset):
                continue
            records.extend(_record(partition, raw) for raw in some)
            expected[partition], following[partition] = following_offset, some[-1].offset + 1
            self._next[one] = following[partition]
            ends[partition] = max(self._consumer.highwater(one) or 0, following[partition])
        return Batch(tuple(records), expected, following, ends)

    def _continues(self, one: TopicPartition, offset: int) -> bool:
        """Does this record follow what was read? Holes are normal (compaction, transactions), lost records are not.

        The client starts from the beginning when the broker does not have the offset that it asked for.
        """
        expected = self._next[one]
        if offset == expected:
            return True
        if offset > expected and self._consumer.beginning_offsets([one])[one] <= expected:
            return True
        if offset < expected:
            self._cut.add(one)
        self._consumer.pause(one)
        self._unsettled.add(one)
        return False

    def _logs_changed(self) -> bool:
        current = {one for several in self._topics.partitions(self._topic_names).values() for one in several}
        return not set(self._partitions.values()) <= current


def _record(partition: Partition, raw: Any) -> Record:
    return Record(partition, raw.offset, raw.timestamp, raw.value or b"", tuple(raw.headers))
