"""One reader on a real broker: positions come from our store, and nothing is passed over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from itertools import chain
from typing import Any

import pytest

from monitor.broker import ClientConfig, Sink, Source, ensure_topics, topic_ends
from monitor.broker import topics as topics_module
from monitor.embedded.broker import Broker
from monitor.errors import BrokerError
from tests.integration.source.members import SESSION_MS, Stored, poll_for, poll_until, read, values
from tests.pace import within

pytestmark = pytest.mark.integration


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


def read_from_the_beginning(source: Source, stored: Stored) -> None:
    """Both partitions, however much was read of them while the group gathered."""
    poll_until(lambda: len(source.ends()) == 2, source)
    source.reposition()
    stored.offsets = dict.fromkeys(stored.offsets, 0)


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

    def are_read_alike() -> bool:
        read_from_the_beginning(source, stored)
        shares = []
        while sum(stored.offsets.values()) < 6000:
            batch = source.poll(1000, 1 << 20, 200)
            stored.take(batch)
            shares.append({one: batch.following[one] - batch.expected[one] for one in batch.expected})
        full = [one for one in shares if sum(one.values()) == 1000]
        return len(full) >= 3 and sum(len(one) == 2 and min(one.values()) > 300 for one in full) >= len(full) - 2

    assert any(are_read_alike() for _ in range(5))  # on a busy machine the client may have got one before the other


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
    read_from_the_beginning(source, stored)
    assert len(read(source, stored, 6000, seconds=5)) == 6000


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


def test_a_broker_that_is_away_is_told_and_a_member_can_still_be_closed(own_broker: Broker, stored: Stored) -> None:
    config = ClientConfig(own_broker.bootstrap_servers)
    ensure_topics(config, ["t"], 1)
    source = Source(config, "g", ["t"], stored.position, session_timeout_ms=SESSION_MS)
    poll_until(lambda: len(source.ends()) == 1, source)
    own_broker.stop()
    with pytest.raises(BrokerError, match="failed"):
        read(source, stored, 1)
    within(5, source.close)


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
