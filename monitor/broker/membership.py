"""A client's membership of its consumer group, where kafka-python 3.0.12 and the embedded broker need help."""

from __future__ import annotations

import time
from contextlib import suppress

from kafka import KafkaConsumer
from kafka.errors import KafkaError

CLOSE_TIMEOUT_MS = 3000


def finish_joining(consumer: KafkaConsumer) -> None:
    """Keep the client at joining the group until it is done; call it before each poll.

    The client forgets a join that a change of the topics began when a poll ends between its two steps: it then sees no
    need for another, and reads nothing for ever.
    """
    if consumer._coordinator.rejoining:
        consumer._coordinator.request_rejoin()


def leave(consumer: KafkaConsumer, patience_s: float) -> None:
    """Leave the group and close the client, though without a farewell in the middle of joining: the embedded broker
    would keep it for the leader, and nobody would ever be assigned anything again. Of whom it hears nothing any more it
    chooses a successor.

    Args:
        patience_s: how long a join may take to end first.
    """
    coordinator = consumer._coordinator
    deadline = time.monotonic() + patience_s
    with suppress(KafkaError):
        while coordinator.rejoining and time.monotonic() < deadline:
            finish_joining(consumer)
            consumer.poll(timeout_ms=100)
    if coordinator.rejoining:
        coordinator.reset_generation()  # closing then says nothing to the broker
    consumer.close(autocommit=False, timeout_ms=CLOSE_TIMEOUT_MS)
