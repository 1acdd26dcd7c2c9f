"""Loggers on a real broker, and what a reader finds there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from monitor.broker import ClientConfig, LogCounts, PredictionLogger, ensure_topics
from monitor.formats.native import decode
from tests.pace import Patience

NOBODY = "127.0.0.1:9"
Make = Callable[..., PredictionLogger]


@pytest.fixture
def topics(broker: str, topic: str) -> str:
    """The prefix of two topics that exist."""
    ensure_topics(ClientConfig(broker), [topic, f"{topic}.labels"], 2)
    return topic


@pytest.fixture
def make(topic: str) -> Iterator[Make]:
    """Makes loggers that are closed at the end."""
    made: list[PredictionLogger] = []

    def logger(servers: str, **options: Any) -> PredictionLogger:
        usual = {"topic": topic, "labels_topic": f"{topic}.labels", "model": "m", "task": "vqa"}
        made.append(PredictionLogger(servers, **(usual | options)))
        return made[-1]

    yield logger
    for one in made:
        one.close(0)


def read(servers: str, topic: str, count: int, seconds: float = 10) -> list[Any]:
    """So many events of a topic, and those that come right after."""
    consumer = KafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest", enable_auto_commit=False)
    try:
        consumer.assign([TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()])
        consumer.seek_to_beginning()
        found: list[Any] = []
        patience = Patience(seconds)
        while len(found) < count and patience.rest():
            for records in consumer.poll(timeout_ms=100).values():
                found += [decode(record.value) for record in records]
        for records in consumer.poll(timeout_ms=200).values():
            found += [decode(record.value) for record in records]
        return found
    finally:
        consumer.close()


def ids(events: list[Any]) -> list[str]:
    return sorted(event.request_id for event in events)


def total(counts: LogCounts) -> int:
    return counts.sent + counts.waiting + counts.dropped + counts.invalid + counts.lost
