"""Partitions read in turns: the client would read all that it has of one before the next."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Self

from kafka import KafkaConsumer, TopicPartition

from monitor.broker import membership
from monitor.broker.reading import LARGE, RawRecord

TURN_RECORDS = 128
"""Of one partition, before the others have their turn."""
AT_HAND_RECORDS = 512
"""Taken of what the client holds before it is driven again: to ask for more, and to stay in its group. That takes two
answers of its own thread, for each of which ours gives up the interpreter, and may wait for it as long as others like.
"""


class Turns:
    """Sets a partition aside once it had its share, until the others had theirs or have nothing at hand."""

    def __init__(self, consumer: KafkaConsumer, unsettled: set[TopicPartition]) -> None:
        self._consumer, self._unsettled = consumer, unsettled
        self._taken: Counter[TopicPartition] = Counter()
        self._aside: set[TopicPartition] = set()
        self._undriven = 0
        """Records taken since the client was driven."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._begin()

    def poll(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[RawRecord]]:
        """What the client has of the partitions whose turn it is. Where it has nothing at hand, a new turn begins.

        kafka-python 3.0.12 keeps what it unpacked of a partition that is set aside, and goes back to it only when it
        holds nothing of another; but an emptied holder counts as holding, and what was kept would never be read.
        """
        fetcher = self._consumer._fetcher
        if not fetcher._next_partition_records:
            fetcher._next_partition_records = None
            if not fetcher._completed_fetches:
                self._begin()
        polled: dict[TopicPartition, list[RawRecord]] = {}
        if self._undriven < AT_HAND_RECORDS:
            polled, _ = fetcher.fetched_records(max_records)
            self._undriven += max_records
        if not polled:
            left_ms = 0 if self._aside else timeout_ms
            polled = membership.poll(self._consumer, timeout_ms=left_ms, max_records=max_records)
            self._undriven = 0
        for one, some in polled.items():
            self._took(one, len(some))
        if not polled:
            self._begin()
        return polled

    def _took(self, one: TopicPartition, records: int) -> None:
        self._taken[one] += records
        if self._taken[one] >= TURN_RECORDS and not self._is_amid_a_large_batch(one):
            with suppress(KeyError):  # taken away
                self._consumer.pause(one)
                self._aside.add(one)

    def _is_amid_a_large_batch(self, one: TopicPartition) -> bool:
        """Set aside, it would keep what it unpacked."""
        current = self._consumer._fetcher._next_partition_records
        return bool(current) and current.topic_partition == one and current.unpacked > LARGE

    def _begin(self) -> None:
        """Let all flow again, but for those that wait for their position."""
        for one in self._aside - self._unsettled:
            with suppress(KeyError):
                self._consumer.resume(one)
        self._aside.clear()
        self._taken.clear()
