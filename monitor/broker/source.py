"""Batches of records from a consumer group, positioned from our own store instead of Kafka's commits.

The rebalance listener runs on the client's I/O thread and may not block: it only pauses and takes note. The poll thread
then asks the store where to read on, seeks and resumes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from monitor.broker import membership
from monitor.broker.asking import ask
from monitor.broker.assignment import Assignment, Reading
from monitor.broker.client import ClientConfig, make_client, translated
from monitor.broker.handshake import admitted, demand_access
from monitor.broker.reading import RawRecord, read_our_way
from monitor.broker.topics import Topics
from monitor.broker.turns import Turns
from monitor.broker.unpacking import fault_of
from monitor.broker.waits import forget_waits
from monitor.domain.records import Batch, Partition, Record
from monitor.errors import BrokerError, StoreUnavailable

log = logging.getLogger(__name__)


class Position(Protocol):
    """Tells where to read a partition on."""

    def __call__(self, partition: Partition, beginning: int, *, beyond_end: bool) -> int:
        """The offset; `beginning` is the first that is still there, see `offsets.starting_offset` for `beyond_end`."""


EMPTY = Batch((), {}, {}, {})
POSITION_TIMEOUT_MS = 3000
STOP_JOINING_S = 1.5
"""How long a stop waits for a join to end: with what else it waits for, it must be over within 10 s."""
POLL_RECORDS = 32
"""Taken from the client at once, at most; fewer where the last ones were large. Sizes are not known before: compressed
records can be a thousand times larger than what was fetched."""
FETCH_WAIT_MS = 25
"""How long a broker may wait for records where it has none. The client has one request at a time on its way to each
broker: one that asks for idle partitions alone holds up those of which the last records were just handed out."""
LOGS_CHECKED_S = 2.0
"""How often, while nothing comes, the topics are asked whether they are still the same."""


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
        self._config, self._servers = config, config.bootstrap_servers
        self._options = config.options() | {
            "group_id": group,
            "session_timeout_ms": session_timeout_ms,
            "heartbeat_interval_ms": session_timeout_ms // 3,
        }
        self._topic_names = sorted(topics)
        self._position = position
        self._assignment = Assignment()
        self._record_bytes = 1
        """Mean size of the records that came last."""
        self._topics = Topics(config)
        with admitted(config):
            self._logs = self._current_logs()
            self._consumer = self._make_consumer(self._logs)
        missing = sorted(set(self._topic_names) - set(self._logs))
        if missing:
            log.warning(
                "topics are missing: `snellen migrate` makes our own; is the name of the others right?",
                extra={"topics": missing},
            )

    # ---- called by the client's I/O thread: take note only -------------------------------------------------------

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        assigned = set(assigned)
        self._consumer.pause(*assigned)
        self._assignment.assign(assigned)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._assignment.revoke(revoked)

    # ---- called by the poll thread: any partition may be taken away between two lines ------------------------------

    def poll(self, max_records: int, max_bytes: int, linger_ms: int) -> Batch:
        """The next records, as many as fit; empty when none came within `linger_ms`.

        Raises:
            BrokerRefused: our password or certificate is no longer accepted.
            BrokerError: no answer.
        """
        try:
            with translated("polling", self._servers):
                return self._next_batch(max_records, max_bytes, linger_ms)
        except BrokerError:
            self.reposition()
            demand_access(self._config)  # or the client would try a password that was changed for ever
            raise
        except Exception:
            self.reposition()  # the client takes for read whatever it handed out
            raise

    def reposition(self) -> None:
        """Forget all positions; the next poll asks the store again."""
        for one in self._consumer.assignment():
            self._unsettle(one)

    def keep_alive(self) -> None:
        """Stay in the group while a batch cannot be written, without fetching more."""
        paused = [one for one in self._consumer.assignment() if self._pause(one)]
        with translated("polling", self._servers):
            membership.poll(self._consumer, timeout_ms=0)
        for one in set(paused) - self._assignment.unsettled:
            with suppress(KeyError):  # taken away
                self._consumer.resume(one)

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
            reading.partition: max(self._highwater(one), reading.next) for one, reading in self._assignment.readings()
        }

    def lags(self) -> dict[Partition, int]:
        """Records between what was handed out and the log's end, per partition."""
        return {
            reading.partition: max(self._highwater(one) - reading.next, 0)
            for one, reading in self._assignment.readings()
        }

    def owns(self, batch: Batch) -> bool:
        """Are all partitions of the batch still ours?"""
        return set(batch.following) <= {reading.partition for _, reading in self._assignment.readings()}

    def is_joining(self) -> bool:
        """Has it not been told yet what to read, as it joins the group, or finds nobody who coordinates it?"""
        return membership.is_joining(self._consumer)

    def behind(self) -> dict[Partition, int]:
        """Records that the broker says it has beyond what was read, of partitions that are read now and have any.

        Raises:
            BrokerError: no answer.
        """
        with translated("asking for log ends", self._servers):
            ends = ask(self._consumer.end_offsets, [one for one, _ in self._assignment.readings()])
            return {
                reading.partition: ends[one] - position
                for one, reading in self._assignment.readings()
                if one in ends and (position := self._position_of(one, reading)) < ends[one]
            }

    def renew(self) -> None:
        """Begin as a new member of the group, with new clients: old ones look for brokers only where they last were.

        Raises:
            BrokerError: no answer.
        """
        topics, old = Topics(self._config), self._topics
        self._topics = topics
        with translated("joining the group anew", self._servers):
            with suppress(KafkaError, OSError):
                old.close()
            self._rejoin(self._current_logs())

    def close(self) -> None:
        membership.leave(self._consumer, STOP_JOINING_S)
        self._topics.close()

    def _next_batch(self, max_records: int, max_bytes: int, linger_ms: int) -> Batch:
        try:
            self._settle()
        except (KafkaError, StoreUnavailable):
            with suppress(BrokerError):
                self.keep_alive()  # or the others would wait for us with every change of the group
            raise
        fetched = self._fetch(max_records, max_bytes, linger_ms)
        if fetched or time.monotonic() - self._logs_checked > LOGS_CHECKED_S:
            logs = self._current_logs()
            if any(self._logs.get(name) != partitions for name, partitions in logs.items()):
                log.info("topics have changed, joining the group anew", extra={"topics": sorted(logs)})
                self._rejoin(logs)  # what was fetched may come from either log
                return EMPTY
        try:
            return self._batch(fetched)
        finally:
            fetched.clear()  # the client's errors know the frame that filled it, until a search for cycles

    def _current_logs(self) -> dict[str, list[Partition]]:
        logs = self._topics.partitions(self._topic_names)
        self._logs_checked = time.monotonic()
        return logs

    def _make_consumer(self, logs: Iterable[str]) -> KafkaConsumer:
        """It reads the topics that are there: of one that is missing the client complains ten times a second. Whether
        that has come we look ourselves."""
        consumer = make_client(
            KafkaConsumer,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # never used to decide where to read: see `_continues`
            max_partition_fetch_bytes=2 * 1024 * 1024,
            fetch_max_bytes=8 * 1024 * 1024,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            **self._options,
        )
        consumer.subscribe(sorted(logs) or self._topic_names, listener=self)
        return forget_waits(read_our_way(consumer))

    def _rejoin(self, logs: dict[str, list[Partition]]) -> None:
        """Begin as a new member. Where a topic was made, made anew or enlarged, client and embedded broker cling to
        what they knew of it, and may assign nothing for ever."""
        fresh = self._make_consumer(logs)
        try:
            membership.leave(self._consumer, self._options["session_timeout_ms"] / 1500)
        finally:
            self._assignment.clear()
            self._consumer, self._logs = fresh, logs

    def _settle(self) -> None:
        """Seek newly assigned partitions to where the store says, and let them flow."""
        waiting = self._assignment.due() & self._consumer.assignment()
        if not waiting:
            return
        known = {TopicPartition(one.topic, one.number): one for several in self._logs.values() for one in several}
        waiting &= set(known)
        try:
            beginnings = ask(self._consumer.beginning_offsets, sorted(waiting))
        except KafkaError:
            if not self._assignment.readings():
                raise
            beginnings = {}  # the others are read on
        self._assignment.set_aside(waiting - set(beginnings))
        for one in sorted(beginnings):
            rebalances = self._assignment.rebalances
            offset = self._position(known[one], beginnings[one], beyond_end=self._assignment.is_cut(one))
            with suppress(KeyError, ValueError):  # taken away
                self._consumer.seek(one, offset)
                if self._assignment.begin(one, Reading(known[one], offset), rebalances):
                    self._consumer.resume(one)

    def _fetch(self, max_records: int, max_bytes: int, linger_ms: int) -> dict[TopicPartition, list[RawRecord]]:
        """Poll until the batch is full or the time is over, from all partitions alike.

        The client would read all that it has of one partition before the next. Partitions would drift apart by as much,
        and what belongs together, such as the two halves of a call, would not meet in one batch.
        """
        fetched: dict[TopicPartition, list[RawRecord]] = {}
        records = size = 0
        deadline = time.monotonic() + linger_ms / 1000
        with Turns(self._consumer, self._assignment.unsettled) as turns:
            while records < max_records and size < max_bytes and not (records and self._assignment.is_held_up()):
                left_ms = int((deadline - time.monotonic()) * 1000)
                if left_ms <= 0:
                    break
                fitting = max((max_bytes - size) // self._record_bytes, 1)
                polled = turns.poll(left_ms, min(POLL_RECORDS, max_records - records, fitting))
                count, total = _add_up(polled)
                for one, some in polled.items():
                    fetched.setdefault(one, []).extend(some)
                records, size = records + count, size + total
                self._record_bytes = max(total // count, 1) if count else self._record_bytes
        return fetched

    def _batch(self, fetched: dict[TopicPartition, list[RawRecord]]) -> Batch:
        records: list[Record] = []
        expected: dict[Partition, int] = {}
        following: dict[Partition, int] = {}
        ends: dict[Partition, int] = {}
        for one, some in fetched.items():
            reading = self._assignment.get(one)
            if reading is None or not self._continues(one, reading.next, some[0].offset):
                continue
            partition, after = reading.partition, some[-1].offset + 1
            end = max(self._highwater(one), after)
            if not self._assignment.read_on(one, reading, after):
                continue
            records.extend(record_of(partition, raw) for raw in some)
            expected[partition], following[partition], ends[partition] = reading.next, after, end
        return Batch(tuple(records), expected, following, ends)

    def _continues(self, one: TopicPartition, expected: int, offset: int) -> bool:
        """Does this record follow what was read? Holes are normal (compaction, transactions), lost records are not.

        The client starts from the beginning when the broker does not have the offset that it asked for.
        """
        if offset == expected:
            return True
        if offset > expected and self._beginning(one) <= expected:
            return True
        self._unsettle(one, cut=offset < expected)
        return False

    def _beginning(self, one: TopicPartition) -> int:
        return ask(self._consumer.beginning_offsets, [one])[one]

    def _position_of(self, one: TopicPartition, reading: Reading) -> int:
        """Beyond what was handed out also where only marks of transactions followed, which are never handed out."""
        with suppress(KafkaError, AssertionError):
            return max(reading.next, self._consumer.position(one, timeout_ms=POSITION_TIMEOUT_MS) or 0)
        return reading.next

    def _highwater(self, one: TopicPartition) -> int:
        """The log's end as last told; 0 when nobody told, or the partition was taken away."""
        with suppress(KafkaError):
            return self._consumer.highwater(one) or 0
        return 0

    def _unsettle(self, one: TopicPartition, *, cut: bool = False) -> None:
        """Stop reading until the store has said where to read on."""
        if self._pause(one):
            self._assignment.unsettle(one, cut=cut)

    def _pause(self, one: TopicPartition) -> bool:
        """False when it was taken away."""
        with suppress(KeyError):
            self._consumer.pause(one)
            return True
        return False


def _add_up(polled: dict[TopicPartition, list[RawRecord]]) -> tuple[int, int]:
    """(records, bytes)."""
    sizes = [len(record.value or b"") for some in polled.values() for record in some]
    return len(sizes), sum(sizes)


def record_of(partition: Partition, raw: RawRecord) -> Record:
    """What the client read, as our services see it."""
    offset, timestamp_ms, key, value, headers, marked = raw
    return Record(partition, offset, timestamp_ms, value or b"", headers, key, fault_of(value), marked)
