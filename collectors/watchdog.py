"""Notices a consumer that reads nothing though there is something to read, or that joins its group for ever: clients of
Kafka and brokers have had such bugs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from monitor.domain.records import Partition
from monitor.errors import RuntimeFailure

log = logging.getLogger(__name__)


class Watched(Protocol):
    """What the watchdog asks of a source."""

    def is_joining(self) -> bool:
        """Has it not been told yet what to read, as it joins its group, or finds nobody who coordinates it?"""

    def behind(self) -> Mapping[Partition, int]:
        """Records that the broker has beyond what was read, for each partition of ours that has any."""

    def renew(self) -> None:
        """Begin as a new member of the group."""


class Watchdog:
    """After `patience_s` without progress, though the logs go on, or without an end of joining: a new consumer, once;
    after that again, the end."""

    def __init__(self, source: Watched, patience_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._source, self._patience_s, self._clock = source, patience_s, clock
        self._since = self._joined = self._answered = clock()
        self._renewed = False

    def progress(self) -> None:
        """Records came."""
        self._renewed = False
        self.rest()

    def rest(self) -> None:
        """Reading was not to be expected until now: PostgreSQL or the broker was away."""
        self._since = self._joined = self._answered = self._clock()

    def unanswered(self) -> None:
        """The broker gave no answer. Clients look for brokers only where they last were, and one whose thread has died
        asks nobody: now and then new ones are tried.

        Raises:
            BrokerError: nor do they get one.
        """
        self._since = self._joined = now = self._clock()
        if now - self._answered >= self._patience_s:
            self._answered = now
            log.warning("the broker does not answer: trying new clients")
            self._source.renew()

    def idle(self) -> None:
        """Nothing came.

        Raises:
            RuntimeFailure: nothing comes, though there is something, also to a new consumer.
            BrokerError: the broker does not answer.
        """
        now = self._answered = self._clock()
        if not self._source.is_joining():
            self._joined = now
        if now - self._since < self._patience_s:
            return
        trouble = self._trouble(now - self._joined)
        self.rest()
        if not trouble:
            return
        if self._renewed:
            raise RuntimeFailure(
                f"for {self._patience_s:g} s {trouble}, also as a new consumer: ending, so that a supervisor starts "
                "this collector anew; if that does not help, see the broker's log"
            )
        log.warning("nothing was read: starting over", extra={"why": trouble})
        self._source.renew()
        self._renewed = True

    def _trouble(self, joining_s: float) -> str:
        """What is wrong; empty: nothing is, there is nothing to read."""
        if joining_s >= self._patience_s:
            return "its group has not let it join"
        behind = self._source.behind()
        places = ", ".join(f"{one.topic}/{one.number} ({records} records)" for one, records in sorted(behind.items()))
        return places and f"nothing was read though there is more in {places}"
