"""Records that must arrive some time, however long the broker is away: sent in rounds, kept until acknowledged."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from typing import Any, NamedTuple

from kafka import KafkaProducer
from kafka.errors import (
    InvalidRecordError,
    InvalidTopicError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from monitor.broker.client import ClientConfig, make_client
from monitor.broker.log_queue import Entry

HOPELESS = (
    InvalidRecordError, InvalidTopicError, MessageSizeTooLargeError, RecordListTooLargeError, ValueError, TypeError
)  # fmt: skip
"""The same record would be refused again."""
FIND_MS = 5000
"""To wait for a broker to be found, or for what it knows of a topic."""
EXPIRY_MS = 4000
"""After it a record that is not acknowledged comes back to us."""
ROUND_S = 6.0
FIRST_PAUSE_S, LAST_PAUSE_S = 0.1, 2.0
"""Between rounds while the broker is away; doubled each time, with jitter."""


class Shipment(NamedTuple):
    """A record, and what it was made of."""

    key: bytes
    value: bytes
    entry: Entry


Acknowledged = Callable[[Sequence[Shipment]], None]
Refused = Callable[[Shipment, Exception], None]
"""For good. Each record is acknowledged or refused once."""


class Shipping:
    """Belongs to one thread, except `stop` and `abandon`.

    Args:
        note: told of each fault of the way to the broker.
    """

    def __init__(
        self, config: ClientConfig, acknowledged: Acknowledged, refused: Refused, note: Callable[[Exception], None]
    ) -> None:
        self._config = config
        self._acknowledged = acknowledged
        self._refused = refused
        self._note = note
        self._stopped = Event()
        self._producer: KafkaProducer | None = None
        self._pause = FIRST_PAUSE_S

    def ship(self, shipments: list[Shipment]) -> list[Shipment]:
        """Send each once; returns, after a pause, those that are neither acknowledged nor refused for good."""
        again = self._round(shipments) if shipments else []
        if again:
            self.close()  # what the client knows of brokers and topics may be no longer so
            self._stopped.wait(self._pause * random.uniform(0.5, 1))  # noqa: S311 (spreads attempts, keeps no secret)
            self._pause = min(2 * self._pause, LAST_PAUSE_S)
        else:
            self._pause = FIRST_PAUSE_S
        return again

    def stop(self) -> None:
        """Let `ship` return soon, done or not."""
        self._stopped.set()

    def close(self) -> None:
        """Let go of the connection. Not in the middle of `ship`: it would be made anew."""
        if self._producer is not None:
            with self._noting():
                self._producer.close(timeout=0)
            self._producer = None

    def abandon(self) -> None:
        """In a forked process: never touch the parent's connections, not even to close them."""
        _abandoned.append(self._producer)  # its destructor would close it

    def _round(self, shipments: list[Shipment]) -> list[Shipment]:
        sent: list[tuple[Shipment, Any]] = []
        with self._noting():
            producer = self._producer = self._producer or self._make_producer()
            sent.extend((one, _send(producer, one)) for one in shipments)  # a fault leaves those that were sent
        with self._noting():
            if self._producer is not None:
                self._producer.flush(timeout=ROUND_S)
        again, acknowledged = shipments[len(sent) :], []
        for one, promise in sent:
            fault = promise if isinstance(promise, Exception) else promise.exception
            if isinstance(fault, HOPELESS):
                self._refused(one, fault)
            elif fault is None and promise.succeeded():
                acknowledged.append(one)
            else:
                self._note(fault or KafkaTimeoutError("no answer"))
                again.append(one)
        self._acknowledged(acknowledged)
        return again

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 (whatever the client trips over: who sends must live on)
            self._note(error)

    def _make_producer(self) -> KafkaProducer:
        producer = make_client(
            KafkaProducer,
            acks="all",
            enable_idempotence=False,  # a broker that was made anew would refuse us; readers drop duplicates anyway
            linger_ms=20,
            batch_size=256 * 1024,
            compression_type="lz4",
            max_request_size=16 * 1024 * 1024,
            metrics_enabled=False,
            bootstrap_timeout_ms=FIND_MS,
            max_block_ms=FIND_MS,
            request_timeout_ms=EXPIRY_MS - 1000,
            delivery_timeout_ms=EXPIRY_MS,
            **self._config.options(),
        )
        producer._unregister_cleanup()  # at exit it would close itself before us, and in forked processes too
        return producer


def _send(producer: KafkaProducer, one: Shipment) -> Any:
    """A promise, or why there is none.

    Raises:
        KafkaError: what follows would fail as well, as where the topic is missing or not ours to write.
    """
    try:
        promise = producer.send(one.entry.topic, one.value, key=one.key)
    except KafkaTimeoutError as error:
        raise KafkaTimeoutError(f"nobody knows of topic {one.entry.topic}, is it there? {error}") from None
    except Exception as error:
        if isinstance(error, KafkaError) and not isinstance(error, HOPELESS):
            raise
        return error
    if promise.failed() and not isinstance(promise.exception, HOPELESS):
        raise promise.exception  # so early it can only be what the client knows of the topic
    return promise


_abandoned: list[KafkaProducer | None] = []
