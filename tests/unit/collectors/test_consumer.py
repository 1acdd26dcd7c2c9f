"""What the loop does with a batch that PostgreSQL does not take: all of it, a part, and in which order."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from collectors import consumer
from collectors.consumer import Consumer
from collectors.sizing import Sizing
from collectors.watchdog import Watchdog
from collectors.worker import Worker
from monitor.domain.records import Batch, Partition, Record
from monitor.errors import StoreUnavailable

ONE, TWO = (Partition("c", "t", "i", number) for number in (0, 1))
RECORDS = 40


def records(partition: Partition, start: int, end: int) -> tuple[Record, ...]:
    return tuple(Record(partition, offset, -1, b"x") for offset in range(start, end))


class Log:
    """Stands for broker and store: two partitions, read from where the handler has stored them."""

    def __init__(self, most: int) -> None:
        self.most = most
        """Records that one transaction can hold."""
        self.stored = {ONE: 0, TWO: 0}
        self.position = dict(self.stored)
        self.tried: list[int] = []

    def poll(self, max_records: int, *_: int) -> Batch:
        expected = dict(self.position)
        following = {one: min(at + max_records // 2, RECORDS) for one, at in expected.items()}
        self.position = dict(following)
        several = (record for one in expected for record in records(one, expected[one], following[one]))
        return Batch(tuple(several), expected, following, {})

    def reposition(self) -> None:
        self.position = dict(self.stored)

    def read(self, batch: Batch, _: datetime) -> Batch:
        return batch

    def write(self, batch: Batch, _: datetime, read: Batch | None) -> None:
        self.tried.append(len(batch.records))
        if len(batch.records) > self.most:
            raise StoreUnavailable("out of shared memory")
        assert all(self.stored[one] == at for one, at in batch.expected.items())
        assert read in (None, batch)
        for one in batch.records:
            assert self.stored[one.partition] == one.offset
            self.stored[one.partition] += 1
        assert {one: self.stored[one] for one in batch.following} == batch.following

    def owns(self, _: Batch) -> bool:
        return True

    def ends(self) -> dict[Partition, int]:
        return {}

    lags = ends

    def note_ends(self, _: object) -> None:
        pass

    def commit(self, _: Batch) -> None:
        pass

    def keep_alive(self) -> None:
        pass

    def behind(self) -> dict[Partition, int]:
        return {}


def run(log: Any, until: Any) -> None:
    sizing = Sizing(2, 32, 1.0)
    watchdog = Watchdog(log, 60)
    loop = Consumer[Batch](
        log,
        log,
        log,
        Worker(),
        lambda: datetime.now(UTC),
        sizing=sizing,
        watchdog=watchdog,
        max_bytes=1000,
        linger_ms=1,
    )
    stop = threading.Event()
    for _ in range(100):
        loop.step(stop)
        if until():
            return


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "FIRST_RETRY_S", 0.001)


@pytest.mark.parametrize("most", [32, 20, 5, 1])
def test_a_batch_too_large_for_the_server_is_stored_in_parts(most: int) -> None:
    log = Log(most)
    run(log, lambda: all(end == RECORDS for end in log.stored.values()))
    assert log.stored == {ONE: RECORDS, TWO: RECORDS}
    assert log.tried[:4] == ([32, 32, 32, 16] if most < 32 else [32, 32, 16])


def test_the_first_records_of_a_batch_are_a_batch() -> None:
    whole = Batch((*records(ONE, 3, 5), *records(TWO, 7, 9)), {ONE: 3, TWO: 6}, {ONE: 6, TWO: 9}, {ONE: 9, TWO: 9})
    assert whole.first(1) == Batch(records(ONE, 3, 4), {ONE: 3}, {ONE: 4}, whole.end_offsets)
    assert whole.first(2) == Batch(records(ONE, 3, 5), {ONE: 3}, {ONE: 6}, whole.end_offsets)
    assert whole.first(3).following == {ONE: 6, TWO: 8}
    assert whole.first(9) == whole
