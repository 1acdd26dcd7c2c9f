"""Topics: made where they lack, and identified so that one made anew is never mistaken for the old one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError, TopicAlreadyExistsError

from monitor.broker.client import ClientConfig, make_client, translated
from monitor.broker.handshake import admitted
from monitor.domain.records import Partition
from monitor.errors import BrokerError

ENDS_TIMEOUT_S = 10.0
REQUEST_TIMEOUT_MS = 5000
"""Who waits cannot be stopped meanwhile."""
NO_TOPIC_ID = "none:{}"
"""Brokers older than Kafka 2.8 give topics no id; then a topic made anew is only noticed by its offsets."""


class Topics:
    """A small administrator's view of the cluster; every call is one round trip (0.3 ms on loopback)."""

    def __init__(self, config: ClientConfig) -> None:
        self._servers = config.bootstrap_servers
        with admitted(config):
            self._admin = make_client(KafkaAdminClient, request_timeout_ms=REQUEST_TIMEOUT_MS, **config.options())
            try:
                self._cluster_id = str(self._admin.describe_cluster().get("cluster_id") or "none")
            except Exception:
                self.close()
                raise

    def partitions(self, topics: Iterable[str]) -> dict[str, list[Partition]]:
        """The partitions of each topic that exists, in number order.

        Raises:
            BrokerError: no answer.
        """
        with translated("describing topics", self._servers):
            described = self._admin.describe_topics(sorted(topics))
        return {topic["name"]: self._of(topic) for topic in described if not topic["error_code"]}

    def ensure(self, topics: Iterable[str], partitions: int) -> None:
        """Make the topics that do not exist.

        Raises:
            BrokerError: no answer, or no right to create.
        """
        missing = set(topics) - set(self.partitions(topics))
        if not missing:
            return
        wanted = {name: {"num_partitions": partitions, "replication_factor": -1} for name in sorted(missing)}
        with translated(f"creating topics {', '.join(sorted(missing))}", self._servers):
            try:
                self._admin.create_topics(wanted)
            except TopicAlreadyExistsError:
                return  # another process was faster

    def close(self) -> None:
        self._admin.close()

    def _of(self, topic: dict[str, Any]) -> list[Partition]:
        topic_id = str(topic["topic_id"] or NO_TOPIC_ID.format(topic["name"]))
        numbers = sorted(part["partition_index"] for part in topic["partitions"])
        return [Partition(self._cluster_id, topic["name"], topic_id, number) for number in numbers]


def ensure_topics(config: ClientConfig, topics: Iterable[str], partitions: int) -> None:
    """Make the topics that do not exist, with this number of partitions.

    Raises:
        BrokerError: no answer, or no right to create.
    """
    admin = Topics(config)
    try:
        admin.ensure(topics, partitions)
    finally:
        admin.close()


def require_topics(config: ClientConfig, topics: Sequence[str]) -> None:
    """
    Raises:
        BrokerError: no answer, or one of the topics does not exist; whoever sends to it would wait for a minute.
    """
    admin = Topics(config)
    try:
        known = admin.partitions(topics)
    finally:
        admin.close()
    if missing := [one for one in topics if one not in known]:
        names = ", ".join(map(repr, missing))
        raise BrokerError(
            f"there is no topic {names} at {config.bootstrap_servers}; `snellen migrate` makes Snellen's own"
        )


def topic_ends(config: ClientConfig, topics: Iterable[str]) -> dict[Partition, int]:
    """The offset after the last record of every partition of the topics that exist.

    Raises:
        BrokerError: no answer.
    """
    admin = Topics(config)
    try:
        partitions = [one for several in admin.partitions(topics).values() for one in several]
    finally:
        admin.close()
    with translated("reading log ends", config.bootstrap_servers):
        consumer = make_client(KafkaConsumer, group_id=None, enable_auto_commit=False, **config.options())
        try:
            ends = _ends(consumer, [TopicPartition(one.topic, one.number) for one in partitions])
        finally:
            consumer.close()
    return {one: ends[TopicPartition(one.topic, one.number)] for one in partitions}


def _ends(consumer: KafkaConsumer, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
    """Ask for offsets, then for records: Tansu 0.6 lists the end of a log one past the *first* record of its last
    batch, but tells the right one with every answer to a fetch."""
    ends: dict[TopicPartition, int] = consumer.end_offsets(partitions)
    waiting = {one for one, end in ends.items() if end > 0}
    consumer.assign(sorted(waiting))
    for one in waiting:
        consumer.seek(one, ends[one] - 1)
    deadline = time.monotonic() + ENDS_TIMEOUT_S
    while waiting:
        consumer.poll(timeout_ms=100, max_records=1)
        for one in [one for one in waiting if consumer.highwater(one) is not None]:
            ends[one] = max(ends[one], consumer.highwater(one))
            waiting.discard(one)
        if time.monotonic() > deadline:
            raise KafkaTimeoutError(f"no answer about {', '.join(map(str, sorted(waiting)))}")
    return ends
