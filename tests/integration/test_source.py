"""One member of a consumer group on a real broker: positions come from our store, and nothing is passed over."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError, RequestTimedOutError

from monitor.broker import ClientConfig, Sink, Source, ensure_topics, topic_ends
from monitor.broker import topics as topics_module
from monitor.broker.source import EMPTY
from monitor.domain.records import Batch, Partition
from monitor.embedded.broker import Broker
from monitor.errors import BrokerError

pytestmark = pytest.mark.integration
SESSION_MS = 1500
"""The embedded broker lets a group wait for half of it; real ones want more."""


class Stored:
    """Offsets as PostgreSQL would hold them, and how they were asked for."""

    def __init__(self) -> None:
        self.offsets: dict[Partition, int] = {}
        self.beyond_end: list[Partition] = []

    def position(self, partition: Partition, beginning: int, *, beyond_end: bool) -> int:
        if beyond_end:
            self.beyond_end.append(partition)
            self.offsets[partition] = beginning
        return self.offsets.setdefault(partition, beginning)

    def take(self, batch: Batch) -> list[bytes]:
        """Store a batch as the real store does: only if it starts where the last one ended."""
        assert {one: self.offsets[one] for one in batch.expected} == batch.expected
        self.offsets |= batch.following
        return [record.value for record in batch.records]


@pytest.fixture
def stored() -> Stored:
    return Stored()


@pytest.fixture
def member(broker: str, topic: str, stored: Stored) -> Iterator[Callable[..., Source]]:
    """Makes members of one group on the test's topic; all are closed at the end."""
    with ExitStack() as stack:

        def make(**changes: Any) -> Source:
            options = {"session_timeout_ms": SESSION_MS, **changes}
            source = Source(ClientConfig(broker), topic, [topic], stored.position, **options)
            stack.callback(source.close)
            return source

        yield make


@pytest.fixture
def send(broker: str, topic: str) -> Iterator[Callable[..., None]]:
    ensure_topics(ClientConfig(broker), [topic], 2)
    sink = Sink(ClientConfig(broker))

    def send_values(*values: bytes) -> None:
        for value in values:
            sink.send(topic, value, key=value.decode())
        sink.flush()

    yield send_values
    sink.close()


def values(count: int, start: int = 0) -> list[bytes]:
    return [f"r{index}".encode() for index in range(start, start + count)]


def read(source: Source, stored: Stored, count: int, seconds: float = 10) -> list[bytes]:
    """Read until so many records came; and no more come at once."""
    found: list[bytes] = []
    deadline = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < deadline:
        found += stored.take(source.poll(1000, 1 << 20, 100))
    return found + stored.take(source.poll(1000, 1 << 20, 50))


def poll_until(condition: Callable[[], bool], *sources: Source, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "no progress"
        for source in sources:
            source.keep_alive()
            source.poll(1000, 1 << 20, 50)


def test_the_store_says_where_to_read_on(
    member: Callable[..., Source], send: Callable[..., None], stored: Stored, topic: str, broker: str
) -> None:
    send(*values(20))
    for partition, end in topic_ends(ClientConfig(broker), [topic]).items():
        stored.offsets[partition] = end - 1
    assert len(read(member(), stored, 2)) == 2


def test_records_come_once_and_in_order_in_batches_of_the_size_asked_for(
    member: Callable[..., Source], send: Callable[..., None], stored: Stored
) -> None:
    send(*values(50))
    source = member()
    batches: list[list[bytes]] = []
    while sum(map(len, batches)) < 50:
        batches.append(stored.take(source.poll(7, 1 << 20, 100)))
    assert max(map(len, batches)) <= 7
    assert sorted(chain.from_iterable(batches)) == sorted(values(50))


def test_a_fault_after_records_were_fetched_passes_none_of_them_over(
    member: Callable[..., Source], send: Callable[..., None], stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(*values(10))
    source = member()
    assert len(read(source, stored, 10)) == 10
    send(*values(10, start=10))
    faults = [BrokerError("no answer about topics")]
    partitions = source._topics.partitions

    def unreliable(topics: Any) -> Any:
        if faults:
            raise faults.pop()
        return partitions(topics)

    monkeypatch.setattr(source._topics, "partitions", unreliable)
    with pytest.raises(BrokerError):
        read(source, stored, 1)
    send(*values(10, start=20))
    assert sorted(read(source, stored, 20)) == sorted(values(20, start=10))


def test_two_members_share_the_partitions_and_one_takes_over_what_the_other_leaves(
    member: Callable[..., Source], send: Callable[..., None], stored: Stored
) -> None:
    one, other = member(), member()
    poll_until(lambda: len(one.ends()) == len(other.ends()) == 1, one, other)
    send(*values(40))
    found = [read(source, stored, 1) for source in (one, other)]
    assert all(found)
    assert sorted(found[0] + found[1]) == sorted(values(40))
    other.close()
    poll_until(lambda: len(one.ends()) == 2, one)
    send(*values(20, start=40))
    assert sorted(read(one, stored, 20)) == sorted(values(20, start=40))


def test_a_member_that_loses_a_partition_knows_that_it_does_not_own_its_batch(
    member: Callable[..., Source], send: Callable[..., None], stored: Stored
) -> None:
    send(*values(40))
    one = member()
    batch = EMPTY
    while len(batch.expected) < 2:
        one.reposition()
        batch = one.poll(1000, 1 << 20, 500)
    assert one.owns(batch)
    other = member()
    poll_until(lambda: len(other.ends()) == 1, other, one)
    assert not one.owns(batch)


def test_a_member_that_waits_stays_in_the_group_and_takes_in_nothing(
    member: Callable[..., Source], send: Callable[..., None], stored: Stored
) -> None:
    send(*values(10))
    source = member()
    batch = EMPTY
    while not batch.records:
        batch = source.poll(5, 1 << 20, 100)
    deadline = time.monotonic() + 2 * SESSION_MS / 1000
    while time.monotonic() < deadline:
        source.keep_alive()
        time.sleep(0.05)
    assert source.owns(batch)
    found = stored.take(batch)
    assert sorted(found + read(source, stored, 10 - len(found))) == sorted(values(10))


def test_a_member_that_only_waits_joins_the_group_in_one_gathering(
    member: Callable[..., Source], send: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client would throw away a join that ends between two polls, which all do here, and gather the group again."""
    source = member()
    coordinator = source._consumer._coordinator
    gatherings: list[None] = []
    join = coordinator._do_join_and_sync_async
    monkeypatch.setattr(coordinator, "_do_join_and_sync_async", lambda: gatherings.append(None) or join())
    deadline = time.monotonic() + 10
    while len(source._consumer.assignment()) < 2:
        assert time.monotonic() < deadline, f"{len(gatherings)} gatherings"
        source.keep_alive()
        time.sleep(0.05)
    assert len(gatherings) == 2  # the first is answered with an id, with which to come again


def test_a_join_that_failed_between_two_polls_is_begun_anew(
    member: Callable[..., Source], send: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = member()
    coordinator = source._consumer._coordinator
    join = coordinator._do_join_and_sync_async
    faults = [KafkaTimeoutError("not connected in time"), RequestTimedOutError("no answer in time")]

    async def unreliable() -> Any:
        if faults:
            raise faults.pop()
        return await join()

    monkeypatch.setattr(coordinator, "_do_join_and_sync_async", unreliable)
    deadline = time.monotonic() + 10
    while len(source._consumer.assignment()) < 2:
        assert time.monotonic() < deadline, f"{len(faults)} faults are left"
        source.keep_alive()
        time.sleep(0.05)


def test_a_membership_that_was_lost_before_it_was_taken_is_asked_for_anew(
    member: Callable[..., Source], send: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = member()
    coordinator = source._consumer._coordinator
    join, joined = coordinator._do_join_and_sync_async, threading.Event()

    async def noted() -> Any:
        assignment = await join()
        joined.set()
        return assignment

    monkeypatch.setattr(coordinator, "_do_join_and_sync_async", noted)
    while not coordinator._generation.has_member_id():
        source.keep_alive()
    source.keep_alive()
    assert joined.wait(10)
    coordinator.reset_generation()
    poll_until(lambda: len(source._consumer.assignment()) == 2, source)
    assert coordinator._generation.generation_id >= 0


def test_a_client_that_starts_over_is_noticed_and_all_is_read_again(
    member: Callable[..., Source], send: Callable[..., None], stored: Stored
) -> None:
    """Kafka's client does so when the log was cut below its offset; the embedded broker's logs cannot be cut."""
    send(*values(10))
    source = member()
    assert len(read(source, stored, 10)) == 10
    for one in source._consumer.assignment():
        source._consumer.seek(one, 0)
    assert sorted(read(source, stored, 10)) == sorted(values(10))
    assert set(stored.beyond_end) == set(stored.offsets)


def test_partitions_are_read_alike_however_much_the_client_has_of_one(
    member: Callable[..., Source], stored: Stored, topic: str, broker: str
) -> None:
    """Halves of a call may lie in any two of them, and meet in memory only within a batch."""
    ensure_topics(ClientConfig(broker), [topic], 2)
    sink = Sink(ClientConfig(broker))
    for number in range(6000):
        sink.send(topic, b"x" * 20, key=f"r{number}")
    sink.flush()
    sink.close()
    source = member()
    poll_until(lambda: len(source.ends()) == 2, source)
    source.reposition()
    stored.offsets = dict.fromkeys(stored.offsets, 0)
    shares = []
    while sum(stored.offsets.values()) < 6000:
        batch = source.poll(1000, 1 << 20, 200)
        stored.take(batch)
        shares.append({one: batch.following[one] - batch.expected[one] for one in batch.expected})
    full = [one for one in shares if sum(one.values()) == 1000]
    assert len(full) >= 3
    assert sum(len(one) == 2 and min(one.values()) > 300 for one in full) >= len(full) - 2


def test_a_log_of_one_partition_is_read_as_fast_as_it_comes(
    member: Callable[..., Source], stored: Stored, topic: str, broker: str
) -> None:
    ensure_topics(ClientConfig(broker), [topic], 2)
    sink = Sink(ClientConfig(broker))
    for _ in range(6000):
        sink.send(topic, b"x", key="same")
    sink.flush()
    sink.close()
    source = member()
    poll_until(lambda: len(source.ends()) == 2, source)
    source.reposition()
    stored.offsets = dict.fromkeys(stored.offsets, 0)
    began = time.monotonic()
    assert len(read(source, stored, 6000)) == 6000
    assert time.monotonic() - began < 5


def test_a_member_that_stands_still_knows_that_it_is_behind_and_reads_on_when_it_is_made_anew(
    member: Callable[..., Source], send: Callable[..., None], stored: Stored
) -> None:
    source = member()
    poll_until(lambda: len(source.ends()) == 2, source)
    assert source.behind() == {}
    source._consumer.pause(*source._consumer.assignment())  # as a client would be that has forgotten to fetch
    send(*values(10))
    assert read(source, stored, 10, seconds=1) == []
    assert sum(source.behind().values()) > 0
    source.renew()
    assert sorted(read(source, stored, 10, seconds=15)) == sorted(values(10))
    assert source.behind() == {}


def test_lag_is_what_was_not_handed_out(
    member: Callable[..., Source], send: Callable[..., None], stored: Stored
) -> None:
    send(*values(30))
    source = member()
    while not source.poll(3, 1 << 20, 100).records:
        pass
    assert sum(source.lags().values()) <= 27
    source.reposition()
    read(source, stored, 30)
    assert sum(source.ends().values()) == 30
    assert set(source.lags().values()) == {0}


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker that the test may stop."""
    server = Broker(tmp_path, preferred_port=30000 + os.getpid() % 10000)
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize(("again", "topics_lack"), [(10, False), (4, True)], ids=["as many", "fewer, and later"])
def test_topics_made_anew_are_noticed_and_read_from_their_beginning(
    own_broker: Broker, stored: Stored, again: int, topics_lack: bool
) -> None:
    """A restart of the embedded broker: also where the new log ends exactly where the old one did, and also where the
    member has joined the group anew before there are any topics."""
    config = ClientConfig(own_broker.bootstrap_servers)
    ensure_topics(config, ["t"], 1)
    produce(config, values(10))
    with closing(Source(config, "g", ["t"], stored.position, session_timeout_ms=SESSION_MS)) as source:
        assert read(source, stored, 10) == values(10)
        [old] = stored.offsets
        own_broker.stop()
        own_broker.start()
        if topics_lack:
            poll_for(source, stored, seconds=2.5)
        ensure_topics(config, ["t"], 1)
        produce(config, values(again, start=10))
        assert sorted(read(source, stored, again, seconds=20)) == sorted(values(again, start=10))
        assert {one.topic_id for one in stored.offsets} > {old.topic_id}
        assert stored.beyond_end == []


def poll_for(source: Source, stored: Stored, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(BrokerError):
            stored.take(source.poll(1000, 1 << 20, 100))


def test_a_topic_that_is_made_or_enlarged_later_is_read(
    member: Callable[..., Source], stored: Stored, topic: str, broker: str
) -> None:
    source = member()
    poll_for(source, stored, seconds=2)
    ensure_topics(ClientConfig(broker), [topic], 2)
    sink = Sink(ClientConfig(broker))
    for one in values(10):
        sink.send(topic, one, key=one.decode())
    sink.flush()
    sink.close()
    assert sorted(read(source, stored, 10, seconds=20)) == sorted(values(10))


def test_a_member_that_is_closed_while_it_joins_leaves_a_group_that_others_can_join(
    member: Callable[..., Source], send: Callable[..., None], stored: Stored
) -> None:
    send(*values(10))
    hasty = member()
    poll_for(hasty, stored, 0.3)
    hasty.close()
    assert sorted(read(member(), stored, 10)) == sorted(values(10))


def test_a_join_that_the_client_has_forgotten_is_finished(
    member: Callable[..., Source], send: Callable[..., None], stored: Stored
) -> None:
    """As kafka-python leaves it when a poll ends between the two steps of a join that changed topics had begun."""
    source = member()
    poll_until(lambda: len(source.ends()) == 2, source)
    coordinator = source._consumer._coordinator
    source.on_partitions_revoked(source._consumer.assignment())
    coordinator.rejoining, coordinator.rejoin_needed = True, False
    send(*values(10))
    assert sorted(read(source, stored, 10)) == sorted(values(10))


def test_a_broker_that_is_away_is_told_and_a_member_can_still_be_closed(own_broker: Broker, stored: Stored) -> None:
    config = ClientConfig(own_broker.bootstrap_servers)
    ensure_topics(config, ["t"], 1)
    source = Source(config, "g", ["t"], stored.position, session_timeout_ms=SESSION_MS)
    poll_until(lambda: len(source.ends()) == 1, source)
    own_broker.stop()
    with pytest.raises(BrokerError, match="failed"):
        read(source, stored, 1)
    began = time.monotonic()
    source.close()
    assert time.monotonic() - began < 5


def produce(config: ClientConfig, messages: list[bytes]) -> None:
    sink = Sink(config)
    for message in messages:
        sink.send("t", message)
    sink.flush()
    sink.close()


def test_topics_without_ids_are_told_apart_by_name() -> None:
    """Before Kafka 2.8, and on brokers that leave ids out; two topics must never share a stored offset."""

    class Admin:
        def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
            parts = [{"partition_index": 0}]
            return [{"name": one, "topic_id": None, "partitions": parts, "error_code": 0} for one in names]

    topics = object.__new__(topics_module.Topics)
    topics._servers, topics._cluster_id, topics._admin = "s", "c", Admin()
    found = [one for several in topics.partitions(["a", "b"]).values() for one in several]
    assert len({(one.cluster_id, one.topic_id, one.number) for one in found}) == 2
