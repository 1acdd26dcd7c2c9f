"""A partition is taken away between two lines of the poll thread, as a rebalance on the client's I/O thread may do.

The listener is called from inside of a call to the client, so each interleaving comes every time. That no record is
lost or counted twice is the offset fence's doing, also then; what these tests hold is that the member keeps nothing of
a partition that it lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from kafka import TopicPartition

from monitor.broker import ClientConfig, Sink, Source, ensure_topics
from monitor.domain.records import Batch, Partition

pytestmark = pytest.mark.integration
RECORDS = 400


class Store:
    """Offsets as PostgreSQL would hold them, and which of them were asked for because a log was cut."""

    def __init__(self) -> None:
        self.offsets: dict[Partition, int] = {}
        self.cut: list[Partition] = []

    def position(self, partition: Partition, beginning: int, *, beyond_end: bool) -> int:
        if beyond_end:
            self.cut.append(partition)
        return self.offsets.setdefault(partition, beginning)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def source(broker: str, topic: str, store: Store) -> Iterator[Source]:
    """The only member of its group; both partitions hold records."""
    config = ClientConfig(broker)
    ensure_topics(config, [topic], 2)
    sink = Sink(config)
    for number in range(RECORDS):
        sink.send(topic, b"x", key=f"r{number}")
    sink.flush()
    sink.close()
    with closing(Source(config, topic, [topic], store.position, session_timeout_ms=1500)) as made:
        yield made


@pytest.fixture
def meanwhile(source: Source, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[TopicPartition]]:
    """Has something happen to the first partition for which a method of the client is called, right after the call."""

    def arrange(method: str, *events: Callable[[list[TopicPartition]], None]) -> list[TopicPartition]:
        original = getattr(source._consumer, method)
        hit: list[TopicPartition] = []

        def interrupted(one: TopicPartition, *rest: Any, **options: Any) -> Any:
            answer = original(one, *rest, **options)
            if not hit:
                hit.append(one)
                for event in events:
                    event([one])
            return answer

        monkeypatch.setattr(source._consumer, method, interrupted)
        return hit

    return arrange


def read(source: Source) -> Batch:
    while not (batch := source.poll(RECORDS, 1 << 20, 500)).records:
        pass
    return batch


def places(partitions: Any) -> set[TopicPartition]:
    return {TopicPartition(one.topic, one.number) for one in partitions}


@pytest.mark.parametrize("method", ["seek", "highwater"])
def test_what_is_taken_away_while_it_is_positioned_or_handed_out_is_no_longer_read(
    source: Source, meanwhile: Callable[..., list[TopicPartition]], method: str
) -> None:
    """Else it would have a lag for ever, and the watchdog would take this member for one that stands still."""
    hit = meanwhile(method, source.on_partitions_revoked)
    batch = read(source)
    assert hit
    for told in (batch.following, batch.expected, source.ends(), source.lags(), source.behind()):
        assert not places(told) & set(hit)
    assert batch.records
    assert places(one.partition for one in batch.records) == places(batch.following)


def test_what_is_taken_away_and_given_back_while_it_is_positioned_is_positioned_again(
    source: Source, store: Store, meanwhile: Callable[..., list[TopicPartition]]
) -> None:
    """Meanwhile another member stored some of it: its offset is not what it was."""

    def others_store(taken: list[TopicPartition]) -> None:
        store.offsets |= {one: 50 for one in store.offsets if places([one]) == set(taken)}

    hit = meanwhile("seek", source.on_partitions_revoked, others_store, source.on_partitions_assigned)
    first: dict[TopicPartition, int] = {}
    while len(first) < 2:
        for one, offset in read(source).expected.items():
            first.setdefault(TopicPartition(one.topic, one.number), offset)
    assert {one: offset for one, offset in first.items() if offset} == {hit[0]: 50}


def test_what_is_taken_away_while_all_are_positioned_anew_is_not_waited_for(
    source: Source, meanwhile: Callable[..., list[TopicPartition]]
) -> None:
    """Else each poll would end with the first records that come, and batches would stay small for ever."""
    read(source)
    hit = meanwhile("pause", source.on_partitions_revoked)
    source.reposition()
    assert hit
    source._consumer.assignment = lambda: {TopicPartition(hit[0].topic, 1 - hit[0].partition)}
    assert len(read(source).records) > RECORDS // 4


def test_a_log_that_seemed_cut_is_not_read_again_after_others_had_it(
    source: Source, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is whoever has the partition next that finds the log's end."""
    read(source)
    [partition, *_] = source.ends()
    one = TopicPartition(partition.topic, partition.number)
    source._consumer.seek(one, 0)  # as the client does when the broker does not have its offset
    monkeypatch.setattr(source, "_settle", lambda: None)
    source.poll(RECORDS, 1 << 20, 300)
    monkeypatch.undo()
    source.on_partitions_revoked([one])
    source.on_partitions_assigned([one])
    read(source)
    assert store.cut == []
