"""Look at the newest records of a topic: no consumer group, nothing committed, nobody disturbed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

from kafka import KafkaConsumer, TopicPartition

from monitor.broker.client import ClientConfig, make_client, translated
from monitor.broker.reading import read_our_way
from monitor.broker.source import record_of
from monitor.broker.topics import topic_ends
from monitor.domain.records import Partition, Record
from monitor.errors import BrokerError

PATIENCE_S = 10.0
"""Without any record, before what there is has to do: compacted logs may hold fewer than their offsets promise."""
POLL_MS = 200


def peek(config: ClientConfig, topic: str, limit: int) -> Iterator[Record]:
    """The newest records of a topic, about equally many of each partition, at most `limit`.

    Raises:
        BrokerError: no answer, or no such topic; the message names those that there are.
    """
    with translated("reading", config.bootstrap_servers):
        consumer = read_our_way(make_client(KafkaConsumer, group_id=None, enable_auto_commit=False, **config.options()))
        with closing(consumer):
            _demand(topic, consumer.topics(), config.bootstrap_servers)
            ends = {one: end for one, end in topic_ends(config, [topic]).items() if end > 0}
            if ends:
                yield from _newest(consumer, ends, limit)


def _newest(consumer: KafkaConsumer, ends: dict[Partition, int], limit: int) -> Iterator[Record]:
    partitions = {TopicPartition(one.topic, one.number): one for one in ends}
    consumer.assign(sorted(partitions))
    beginnings = consumer.beginning_offsets(list(partitions))
    share = -(-limit // len(partitions))
    for place, partition in partitions.items():
        consumer.seek(place, max(beginnings[place], ends[partition] - share))
    waiting = {place for place, partition in partitions.items() if beginnings[place] < ends[partition]}
    deadline = time.monotonic() + PATIENCE_S
    while waiting and limit and time.monotonic() < deadline:
        for place, some in consumer.poll(timeout_ms=POLL_MS, max_records=limit).items():
            deadline = time.monotonic() + PATIENCE_S
            yield from (record_of(partitions[place], raw) for raw in some)
            limit -= len(some)
            if some[-1].offset + 1 >= ends[partitions[place]]:
                waiting.discard(place)


def _demand(topic: str, names: set[str], servers: str) -> None:
    if topic not in names:
        known = ", ".join(sorted(one for one in names if not one.startswith("__"))) or "none"
        raise BrokerError(f"there is no topic {topic!r} at {servers}; there are: {known}")
