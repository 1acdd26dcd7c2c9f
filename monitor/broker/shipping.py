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
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from monitor.broker.client import ClientConfig

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
    """A record, and the size of what it was made of."""

    topic: str
    key: bytes
    value: bytes
    size: int


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

    def ship(self, shipments: Sequence[Shipment]) -> None:
        """Send until each is settled, or the shipping is stopped."""
        waiting, pause = list(shipments), FIRST_PAUSE_S
        while waiting and not self._stopped.is_set():
            waiting = self._round(waiting)
            if waiting:
                self.close()  # what the client knows of brokers and topics may be no longer so
                self._stopped.wait(pause * random.uniform(0.5, 1))  # noqa: S311 (spreads attempts, keeps no secret)
                pause = min(2 * pause, LAST_PAUSE_S)

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
        """Send each once; returns those that are neither acknowledged nor refused for good."""
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
        producer = KafkaProducer(
            acks="all",
            enable_idempotence=False,  # a broker that was made anew would refuse us; readers drop duplicates anyway
            linger_ms=20,
            batch_size=256 * 1024,
            compression_type="lz4",
            max_request_size=16 * 1024 * 1024,
            allow_auto_create_topics=False,
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
    """A promise, or why there is none."""
    try:
        return producer.send(one.topic, one.value, key=one.key)
    except HOPELESS as error:
        return error


_abandoned: list[KafkaProducer | None] = []
