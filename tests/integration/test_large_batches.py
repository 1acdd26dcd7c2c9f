"""Compressed batches that unpack to far more than was fetched: little of them is in memory at a time."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from confluent_kafka import Producer

from monitor.broker import ClientConfig, Source, ensure_topics
from monitor.broker.reading import LARGE, TAKEN_BYTES

pytestmark = pytest.mark.integration
PARTITIONS, RECORDS, SIZE = 6, 2000, 9000
MAX_BYTES = 8 * 1024 * 1024


def test_of_many_partitions_one_holds_a_large_batch_at_a_time(broker: str, topic: str) -> None:
    ensure_topics(ClientConfig(broker), [topic], PARTITIONS)
    packed = {"compression.codec": "zstd", "batch.size": 2 * RECORDS * SIZE, "message.max.bytes": 2 * RECORDS * SIZE}
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 200, "log_level": 0, **packed})
    for number in range(PARTITIONS * RECORDS):
        producer.produce(topic, bytes(SIZE), partition=number % PARTITIONS)
    assert producer.flush(60) == 0

    left, most_held = PARTITIONS * RECORDS, 0
    source = Source(ClientConfig(broker), topic, [topic], lambda _, first, beyond_end: first, session_timeout_ms=1500)
    with closing(source):
        while left:
            got = source.poll(4000, MAX_BYTES, 200).records
            assert sum(len(one.value) for one in got) < MAX_BYTES + 2 * TAKEN_BYTES
            most_held = max(most_held, sum(size > LARGE for size in unpacked(source)))
            left -= len(got)
    assert most_held == 1


def unpacked(source: Source) -> list[int]:
    """Bytes of each batch that the client has unpacked and not handed out."""
    fetcher: Any = source._consumer._fetcher
    current = fetcher._next_partition_records
    return [one.unpacked for one in (*fetcher._paused_partition_records.values(), *([current] if current else []))]
