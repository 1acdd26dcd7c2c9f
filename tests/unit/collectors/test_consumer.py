"""The loop of a collector: what is stored is committed, and what is not is read again."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from collectors.consumer import Consumer
from collectors.sizing import Sizing
from collectors.watchdog import Watchdog
from collectors.worker import Worker
from monitor.broker.source import EMPTY
from monitor.domain.records import Batch, Partition, Record
from monitor.errors import BrokerError, BrokerRefused, Fenced, StoreError, StoreTooSlow, StoreUnavailable
from monitor.telemetry import LAG
from tests.pace import within

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PARTITION = Partition("c", "t", "i", 0)


class FakeSource:
    """Hands out batches of one record; records what is asked of it."""

    def __init__(self, batches: int = 1) -> None:
        self.calls: list[str] = []
        self.owned = True
        self.reachable = True
        self.left = batches
        self.offset = 0
        self.behind_by: dict[Partition, int] = {}

    def poll(self, *_: int) -> Batch:
        self.calls.append("poll")
        if not self.left:
            return EMPTY
        self.left -= 1
        self.offset += 1
        record = Record(PARTITION, self.offset - 1, -1, b"xx")
        ends = {PARTITION: self.offset}
        return Batch((record,), {PARTITION: self.offset - 1}, ends, ends)

    def commit(self, batch: Batch) -> None:
        self.calls.append(f"commit {batch.following[PARTITION]}")

    def reposition(self) -> None:
        self.calls.append("reposition")

    def keep_alive(self) -> None:
        self.calls.append("keep_alive")
        if not self.reachable:
            raise BrokerError("away")

    def owns(self, _: Batch) -> bool:
        return self.owned

    def ends(self) -> Mapping[Partition, int]:
        return {}

    def lags(self) -> Mapping[Partition, int]:
        return self.behind_by

    def is_joining(self) -> bool:
        return False

    def behind(self) -> Mapping[Partition, int]:
        return {}

    def renew(self) -> None:
        self.calls.append("renew")


class FakeHandler:
    """Fails as told, then works."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.stored: list[int] = []
        self.reads = 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def read(self, batch: Batch, now: datetime) -> int:
        self.reads += 1
        return batch.records[0].offset

    def write(self, batch: Batch, now: datetime, read: int | None) -> None:
        self.may_answer.wait(20)
        if self.faults:
            raise self.faults.pop(0)
        assert read in (batch.records[0].offset, None)
        self.stored.append(batch.records[0].offset)


class FakePositions:
    def note_ends(self, _: Mapping[Partition, int]) -> None:
        pass


def loop(source: FakeSource, handler: FakeHandler, max_bytes: int = 10, sizing: Sizing | None = None) -> Consumer[int]:
    return Consumer(
        source,  # type: ignore[arg-type]
        handler,
        FakePositions(),  # type: ignore[arg-type]
        Worker(),
        lambda: NOW,
        sizing=sizing or Sizing(1, 1, 1.0),
        watchdog=Watchdog(source, 60.0),
        max_bytes=max_bytes,
        linger_ms=1,
    )


def steps(consumer: Consumer[int], count: int, stop: threading.Event | None = None) -> None:
    for _ in range(count):
        consumer.step(stop or threading.Event())


def test_what_is_stored_is_committed() -> None:
    source, handler = FakeSource(), FakeHandler()
    steps(loop(source, handler), 2)
    assert (source.calls, handler.stored) == (["poll", "poll", "commit 1"], [0])


def test_the_next_batch_is_read_while_one_is_stored_but_not_a_third() -> None:
    source, handler = FakeSource(batches=3), FakeHandler()
    consumer = loop(source, handler)
    handler.may_answer.clear()
    steps(consumer, 1)
    threading.Timer(0.3, handler.may_answer.set).start()
    steps(consumer, 1)
    assert source.calls == ["poll", "poll", "commit 1"]
    steps(consumer, 2)
    assert (source.calls[3:], handler.stored) == (["poll", "commit 2", "poll", "commit 3"], [0, 1, 2])


def test_nothing_is_read_beside_a_batch_that_is_larger_than_asked_for() -> None:
    source, handler = FakeSource(batches=2), FakeHandler()
    steps(loop(source, handler, max_bytes=1), 2)
    assert source.calls == ["poll", "commit 1", "poll"]


def test_a_batch_is_tried_again_while_postgresql_is_away() -> None:
    source, handler = FakeSource(), FakeHandler(StoreUnavailable("a"), StoreUnavailable("b"))
    steps(loop(source, handler), 2)
    assert (source.calls, handler.stored) == (["poll", "poll", "keep_alive", "keep_alive", "commit 1"], [0])


@pytest.mark.parametrize("fault", [Fenced("other"), ValueError("a fault of ours"), StoreUnavailable("away")])
def test_whatever_is_not_stored_is_read_again_and_so_is_what_follows_it(fault: Exception) -> None:
    """Else the records after the dropped ones would follow next, and an idle partition would keep its last ones."""
    source, handler = FakeSource(batches=2), FakeHandler(fault)
    source.owned = False
    consumer = loop(source, handler)
    if isinstance(fault, ValueError):
        with pytest.raises(ValueError, match="ours"):
            steps(consumer, 2)
    else:
        steps(consumer, 3)
    assert source.calls.count("reposition") == 1
    assert handler.stored == []


def test_a_batch_that_takes_too_long_is_read_again_in_halves() -> None:
    class Log(FakeSource):
        """Eight records, from wherever it is positioned."""

        stored = 0

        def poll(self, max_records: int, *_: int) -> Batch:
            begin, self.offset = self.offset, min(self.offset + max_records, 8)
            records = tuple(Record(PARTITION, one, -1, b"x") for one in range(begin, self.offset))
            return Batch(records, {PARTITION: begin}, {PARTITION: self.offset}, {}) if records else EMPTY

        def commit(self, batch: Batch) -> None:
            self.stored = batch.following[PARTITION]

        def reposition(self) -> None:
            super().reposition()
            self.offset = self.stored

    class Slow(FakeHandler):
        def write(self, batch: Batch, now: datetime, read: int | None) -> None:
            self.stored.append(len(batch.records))
            if len(batch.records) > 3:
                raise StoreTooSlow("broken off")

    source, handler = Log(), Slow()
    consumer = loop(source, handler, sizing=Sizing(8, 8, 1.0))
    for _ in range(20):
        consumer.step(threading.Event())
    assert source.stored == 8
    assert handler.stored[:3] == [8, 4, 2]
    assert source.calls.count("reposition") == len([one for one in handler.stored if one > 3])


def test_one_record_that_takes_too_long_is_tried_again() -> None:
    source, handler = FakeSource(), FakeHandler(StoreTooSlow("a"))
    steps(loop(source, handler), 2)
    assert (source.calls, handler.stored) == (["poll", "poll", "keep_alive", "commit 1"], [0])


def test_now_and_then_is_said_that_postgresql_keeps_a_batch_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("collectors.consumer.WAKE_S", 0.05)
    monkeypatch.setattr("collectors.consumer.SLOW_S", 0.2)
    handler = FakeHandler()
    handler.may_answer.clear()
    consumer = loop(FakeSource(), handler)
    steps(consumer, 1)
    threading.Timer(1.0, handler.may_answer.set).start()
    steps(consumer, 1)
    said = [one for one in caplog.messages if "has not stored a batch yet" in one]
    assert 2 <= len(said) <= 5
    assert handler.stored == [0]


def test_a_broker_that_goes_away_while_postgresql_is_away_loses_nothing() -> None:
    source = FakeSource()
    source.reachable = False
    with pytest.raises(BrokerError):
        steps(loop(source, FakeHandler(StoreUnavailable("away"))), 2)
    assert source.calls == ["poll", "poll", "keep_alive", "reposition"]


def test_the_lag_of_a_partition_that_was_taken_away_is_told_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectors.consumer.NOTE_ENDS_S", 0.0)
    source = FakeSource(batches=0)
    consumer = loop(source, FakeHandler())
    seen = []
    for one in ({0: 7, 1: 9}, {1: 4}):
        source.behind_by = {Partition("c", "t", "i", number): lag for number, lag in one.items()}
        if consumer._noting is not None:
            consumer._noting.result()
        steps(consumer, 1)
        seen.append({sample.labels["partition"]: sample.value for sample in next(iter(LAG.collect())).samples})
    assert seen == [{"0": 7.0, "1": 9.0}, {"1": 4.0}]


def test_a_stop_waits_for_what_is_being_stored_and_writes_nothing_more() -> None:
    source, handler, stop = FakeSource(batches=2), FakeHandler(), threading.Event()
    consumer = loop(source, handler)
    steps(consumer, 1)
    stop.set()
    consumer.run(stop)
    assert (source.calls, handler.stored) == (["poll", "commit 1"], [0])


def test_a_stop_does_not_wait_for_a_server_that_hangs() -> None:
    source, handler, stop = FakeSource(), FakeHandler(), threading.Event()
    handler.may_answer.clear()
    consumer = loop(source, handler)
    steps(consumer, 1)
    stop.set()
    within(5, lambda: consumer.run(stop))
    handler.may_answer.set()
    assert source.calls == ["poll", "reposition"]


def test_a_fault_that_will_not_pass_ends_the_loop() -> None:
    for fault in (StoreError("no such table"), BrokerRefused("wrong password")):
        source = FakeSource(batches=9)
        with pytest.raises(type(fault)):
            loop(source, FakeHandler(fault)).run(threading.Event())
        assert source.calls[-1] == "reposition"
