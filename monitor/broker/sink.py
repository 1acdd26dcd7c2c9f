"""A plain producer: for replays, the demo and tests."""

from __future__ import annotations

from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from monitor.broker.client import ClientConfig, make_client, translated
from monitor.broker.handshake import admitted
from monitor.domain.records import REPLAY_HEADER, Record
from monitor.errors import BrokerError

BATCH_BYTES = 128 * 1024
"""Of one partition, before they are packed. While a full one waits for its turn, kafka-python 3.0.12 wakes its own
thread for every further record, and gives up the interpreter for it: with its 16 kB, most of the time."""


class Sink:
    """Sends bytes to topics. `flush` returns once all of them were acknowledged, or raises."""

    def __init__(self, config: ClientConfig, *, linger_ms: int = 20) -> None:
        self._servers = config.bootstrap_servers
        self._failure: KafkaError | None = None
        with admitted(config):
            self._producer = make_client(
                KafkaProducer,
                acks="all",
                linger_ms=linger_ms,
                batch_size=BATCH_BYTES,
                compression_type="lz4",
                max_request_size=16 * 1024 * 1024,
                **config.options(),
            )

    def send(self, topic: str, value: bytes, *, key: str | None = None, replay: str | None = None) -> None:
        """Queue one record; equal keys go to the same partition, in order.

        Raises:
            BrokerError: an earlier record was not acknowledged, or this one cannot be queued.
        """
        headers = [(REPLAY_HEADER, replay.encode())] if replay else []
        self._queue(topic, value, key=key.encode() if key else None, headers=headers)

    def repeat(self, record: Record) -> None:
        """Queue a record as it once was: with its key, headers and time stamp, at the end of its topic.

        Raises:
            BrokerError: as `send`.
        """
        stamp = record.timestamp_ms if record.timestamp_ms >= 0 else None
        self._queue(
            record.partition.topic, record.value, key=record.key, headers=list(record.headers), timestamp_ms=stamp
        )

    def flush(self, timeout_s: float = 60.0) -> None:
        """Wait until everything that was sent is acknowledged.

        Raises:
            BrokerError: something was not.
        """
        with translated("flushing", self._servers):
            self._producer.flush(timeout=timeout_s)
        self._raise_failure()

    def close(self) -> None:
        """Wait a while for what is queued, then let go.

        Raises:
            BrokerError: something was not acknowledged.
        """
        with translated("closing", self._servers):
            self._producer.close(timeout=10)

    def _queue(self, topic: str, value: bytes, **options: Any) -> None:
        self._raise_failure()
        with translated(f"sending to {topic}", self._servers):
            future = self._producer.send(topic, value, **options)
        future.add_errback(self._remember)

    def _remember(self, failure: KafkaError) -> None:
        self._failure = failure

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise BrokerError(f"{self._servers} did not acknowledge a record: {self._failure!r}")
