"""The loop of a collector: poll and read a batch while the one before is stored, then hand over and commit.

What a batch means is the handler's business. Kafka belongs to the thread that runs the loop, PostgreSQL to that of the
worker. At most two batches are in memory: the one being stored, and the next.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from collectors.sizing import Sizing
from collectors.watchdog import Watchdog
from collectors.worker import Worker
from monitor.broker import Source
from monitor.domain.records import Batch, Partition
from monitor.errors import BrokerError, BrokerRefused, Fenced, StoreTooSlow, StoreUnavailable
from monitor.services.positions import Positions
from monitor.telemetry import BATCH_SECONDS, LAG

log = logging.getLogger(__name__)

FIRST_RETRY_S, LAST_RETRY_S = 0.2, 10.0
NOTE_ENDS_S = 5.0
WAKE_S = 1.0
"""How often the group hears from us while PostgreSQL is busy."""
SLOW_S = 30.0
"""So often is told that a batch is still being stored."""
STOP_S = 3.0
"""How long a stop waits for what is being stored."""

T = TypeVar("T")


class Handler(Protocol[T]):
    """Stores batches exactly once: offsets move in the transaction that stores the records."""

    def read(self, batch: Batch, now: datetime) -> T:
        """What can be done before the batch's turn has come: no word with the database."""

    def write(self, batch: Batch, now: datetime, read: T | None) -> object:
        """Store the batch, or raise and leave no trace of it. None: what was read has been used up by a failure."""


@dataclass(frozen=True, slots=True)
class Storing:
    """A batch in the worker's hands."""

    batch: Batch
    size: int
    """Bytes of its records."""
    seconds: Future[float]
    """How long it took."""


class Consumer(Generic[T]):
    """Feeds one handler from one source until told to stop."""

    def __init__(
        self,
        source: Source,
        handler: Handler[T],
        positions: Positions,
        worker: Worker,
        clock: Callable[[], datetime],
        *,
        sizing: Sizing,
        watchdog: Watchdog,
        max_bytes: int,
        linger_ms: int,
    ) -> None:
        self._source = source
        self._handler = handler
        self._positions = positions
        self._worker = worker
        self._clock = clock
        self._sizing = sizing
        self._watchdog = watchdog
        self._max_bytes, self._linger_ms = max_bytes, linger_ms
        self._storing: Storing | None = None
        self._noting: Future[None] | None = None
        self._ends_noted = 0.0

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set. What was polled is either stored whole or not at all.

        Raises:
            BrokerRefused: the broker refuses us; trying again would not help.
            StoreError: PostgreSQL refuses us; trying again would not help.
            RuntimeFailure: nothing is read any more though there is something.
        """
        while not stop.is_set():
            try:
                self.step(stop)
            except BrokerRefused:
                raise
            except (BrokerError, StoreUnavailable) as error:  # the latter while asking where to read on
                log.warning("no answer, trying again", extra={"error": str(error)})
                stop.wait(_jittered(1.0))
                self._rest(error)
        self._settle(stop)

    def _rest(self, error: BrokerError | StoreUnavailable) -> None:
        try:
            if isinstance(error, BrokerError):
                self._watchdog.unanswered()
            else:
                self._watchdog.rest()
        except BrokerRefused:
            raise
        except BrokerError as still:
            log.warning("no answer to new clients either", extra={"error": str(still)})

    def step(self, stop: threading.Event) -> int:
        """One batch: returns how many records it had. It is being stored then; the one before has been."""
        if self._storing and self._storing.size > self._max_bytes:
            self._settle(stop)  # its last poll brought more than was asked for: no second one beside it
        # Passed on unnamed: the client's errors know this frame, and would keep it until a search for cycles.
        return self._take(self._source.poll(self._sizing.records, self._max_bytes, self._linger_ms), stop)

    def _take(self, batch: Batch, stop: threading.Event) -> int:
        if batch.records:
            read = self._handler.read(batch, self._clock())
            self._watchdog.progress()
            if self._settle(stop):
                self._store(batch, read)
        else:
            self._settle(stop)
            self._watchdog.idle()
        self._note_ends()
        return len(batch.records)

    def _store(self, batch: Batch, read: T | None) -> None:
        def write() -> float:
            began = time.monotonic()
            with BATCH_SECONDS.time():
                self._handler.write(batch, self._clock(), read)
            return time.monotonic() - began

        size = sum(len(record.value) for record in batch.records)
        self._storing = Storing(batch, size, self._worker.submit(write))

    def _settle(self, stop: threading.Event) -> bool:
        """Wait until nothing is being stored. False: it was dropped, and so must be what follows it."""
        stored = self._storing is None
        try:
            delay = FIRST_RETRY_S
            while self._storing is not None:
                storing, self._storing = self._storing, None
                try:
                    stored = self._is_stored(storing, stop)
                except StoreUnavailable as error:
                    log.warning("PostgreSQL refused a batch, trying again", extra={"error": str(error)[:500]})
                    self._pause(delay, stop)
                    delay = min(2 * delay, LAST_RETRY_S)
                    if not stop.is_set() and self._source.owns(storing.batch):
                        self._store(storing.batch, None)
        finally:
            if not stored:
                self._source.reposition()  # or the records after those that we drop would follow next
        return stored

    def _is_stored(self, storing: Storing, stop: threading.Event) -> bool:
        """False: it has another owner now, or we are to stop and PostgreSQL does not answer.

        Raises:
            StoreError: as the handler raised it.
        """
        if not self._is_done(storing.seconds, stop):
            log.warning("PostgreSQL has not answered: its last batch is stored whole, or read again at the next start")
            return False
        try:
            self._sizing.took(len(storing.batch.records), storing.seconds.result())
        except Fenced as error:
            log.info(
                "batch dropped: it is stored in part, or its partition has another owner", extra={"error": str(error)}
            )
            return False
        except StoreTooSlow as error:
            records = len(storing.batch.records)
            self._sizing.overran(records)
            if records == 1:
                raise
            log.warning("PostgreSQL broke a batch off: read again in smaller ones", extra={"error": str(error)[:500]})
            return False
        self._source.commit(storing.batch)
        return True

    def _is_done(self, future: Future[float], stop: threading.Event) -> bool:
        """Wait for the worker, and stay in the group meanwhile. False: we are to stop, and it takes too long."""
        patience, began, told = STOP_S, time.monotonic(), time.monotonic()
        while not wait([future], WAKE_S).done:
            if stop.is_set():
                patience -= WAKE_S
                if patience <= 0:
                    return False
            else:
                self._source.keep_alive()
                self._watchdog.rest()
                if time.monotonic() - told >= SLOW_S:
                    told = time.monotonic()
                    log.warning(
                        "PostgreSQL has not stored a batch yet: slow, away, or it waits for somebody's lock",
                        extra={"seconds": round(told - began)},
                    )
        return True

    def _pause(self, delay: float, stop: threading.Event) -> None:
        stop.wait(_jittered(delay))
        self._watchdog.rest()
        if not stop.is_set():
            self._source.keep_alive()

    def _note_ends(self) -> None:
        """Now and then, and never a second time while the first has no answer."""
        if time.monotonic() - self._ends_noted < NOTE_ENDS_S or (self._noting and not self._noting.done()):
            return
        self._ends_noted = time.monotonic()
        ends = self._source.ends()
        self._noting = self._worker.submit(lambda: self._note(ends))
        LAG.clear()  # of partitions that were taken away
        for partition, lag in self._source.lags().items():
            LAG.labels(partition.topic, partition.number).set(lag)

    def _note(self, ends: dict[Partition, int]) -> None:
        try:
            self._positions.note_ends(ends)
        except StoreUnavailable as error:
            log.warning("log ends not noted", extra={"error": str(error)[:500]})


def _jittered(delay: float) -> float:
    return delay * random.uniform(0.5, 1.5)  # noqa: S311 (spreads retries, guards nothing)
