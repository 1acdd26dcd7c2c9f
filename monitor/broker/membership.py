"""A client's membership of its consumer group, where kafka-python 3.0.12 and the embedded broker need help."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from kafka import KafkaConsumer
from kafka.coordinator.base import MemberState
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.errors import KafkaError
from kafka.future import Future

CLOSE_TIMEOUT_MS = 3000


class _Untaken:
    """A join that the client has still to take for its membership, whether or not it has ended."""

    def __init__(self, coordinator: ConsumerCoordinator, join: Future) -> None:
        self._coordinator = coordinator
        self._join = join

    @property
    def is_done(self) -> bool:
        """Over, and nothing to take: it failed, or the group has let go of us since."""
        lost = self._coordinator.state is MemberState.UNJOINED
        return self._join.is_done and (self._join.failed() or lost)

    def add_callback(self, call: Callable[..., Any]) -> None:
        self._join.add_callback(call)

    def add_errback(self, call: Callable[..., Any]) -> None:
        self._join.add_errback(call)

    def __await__(self) -> Any:
        return self._join.__await__()


def poll(consumer: KafkaConsumer, **options: Any) -> Any:
    """The client's own `poll`, which also joins the group, without two ways in which joining would never end.

    The client forgets a join that a change of the topics began when a poll ends between its two steps: it then sees no
    need for another, and reads nothing for ever. And it throws away a join that ended between two polls, and begins
    another, for which the group gathers once more: where polls are short, or two members are unlucky, again and again.
    """
    coordinator = consumer._coordinator
    if coordinator.rejoining:
        coordinator.request_rejoin()
        join = coordinator._join_task
        if join is not None and not isinstance(join, _Untaken):
            coordinator._join_task = _Untaken(coordinator, join)
    return consumer.poll(**options)


def is_joining(consumer: KafkaConsumer) -> bool:
    """Has it not been told yet what to read, as it joins the group, or finds nobody who coordinates it?"""
    return consumer._coordinator.state is not MemberState.STABLE


def leave(consumer: KafkaConsumer, patience_s: float) -> None:
    """Leave the group and close the client. Whoever leads the group, or may by now, goes without a farewell: where it
    comes while others join, the embedded broker keeps its sender for the leader, and nobody would ever be assigned
    anything again. Of whom it hears nothing any more it chooses a successor.

    Args:
        patience_s: how long a join may take to end first.
    """
    coordinator = consumer._coordinator
    deadline = time.monotonic() + patience_s
    with suppress(KafkaError, OSError):
        while coordinator.rejoining and time.monotonic() < deadline:
            poll(consumer, timeout_ms=100)
    if coordinator.rejoining or coordinator._is_leader:  # others may be joining, and it would hear so a heartbeat later
        coordinator.reset_generation()  # closing then says nothing to the broker
    consumer.close(autocommit=False, timeout_ms=CLOSE_TIMEOUT_MS)
