"""The loop of a collector: poll, hand over, commit. What a batch means is the handler's business."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from monitor.broker import Source
from monitor.domain.records import Batch
from monitor.errors import BrokerError, Fenced, StoreUnavailable
from monitor.services.positions import Positions
from monitor.telemetry import BATCH_SECONDS, LAG

log = logging.getLogger(__name__)

FIRST_RETRY_S, LAST_RETRY_S = 0.2, 10.0
NOTE_ENDS_S = 5.0


class Handler(Protocol):
    """Stores batches exactly once: offsets move in the transaction that stores the records."""

    def write(self, batch: Batch, now: datetime) -> object:
        """Store the batch, or raise and leave no trace of it."""


class Consumer:
    """Feeds one handler from one source until told to stop."""

    def __init__(
        self,
        source: Source,
        handler: Handler,
        positions: Positions,
        clock: Callable[[], datetime],
        *,
        max_records: int,
        max_bytes: int,
        linger_ms: int,
    ) -> None:
        self._source = source
        self._handler = handler
        self._positions = positions
        self._clock = clock
        self._limits = (max_records, max_bytes, linger_ms)
        self._ends_noted = 0.0

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set. What was polled is either stored whole or not at all."""
        while not stop.is_set():
            try:
                self.step(stop)
            except (BrokerError, StoreUnavailable) as error:  # the latter while asking where to read on
                log.warning("no answer, trying again", extra={"error": str(error)})
                stop.wait(_jittered(1.0))

    def step(self, stop: threading.Event) -> int:
        """One batch: returns how many records it had."""
        batch = self._source.poll(*self._limits)
        if batch.records:
            self._hand_over(batch, stop)
        self._note_ends()
        return len(batch.records)

    def _hand_over(self, batch: Batch, stop: threading.Event) -> None:
        stored = False
        try:
            stored = self._store(batch, stop)
        finally:
            if not stored:
                self._source.reposition()  # or the records after those that we drop would follow next
        if stored:
            self._source.commit(batch)

    def _store(self, batch: Batch, stop: threading.Event) -> bool:
        """Write, again and again while PostgreSQL is away. False: it has another owner now, or we were stopped."""
        delay = FIRST_RETRY_S
        while not stop.is_set():
            try:
                with BATCH_SECONDS.time():
                    self._handler.write(batch, self._clock())
            except Fenced as error:
                log.info("batch dropped, its partition has another owner", extra={"error": str(error)})
                return False
            except StoreUnavailable as error:
                log.warning("PostgreSQL refused a batch, trying again", extra={"error": str(error)[:500]})
                stop.wait(_jittered(delay))
                delay = min(2 * delay, LAST_RETRY_S)
                self._source.keep_alive()
                if not self._source.owns(batch):
                    return False
            else:
                return True
        return False

    def _note_ends(self) -> None:
        if time.monotonic() - self._ends_noted < NOTE_ENDS_S:
            return
        self._ends_noted = time.monotonic()
        try:
            self._positions.note_ends(self._source.ends())
            for partition, lag in self._source.lags().items():
                LAG.labels(partition.topic, partition.number).set(lag)
        except StoreUnavailable as error:
            log.warning("log ends not noted", extra={"error": str(error)[:500]})


def _jittered(delay: float) -> float:
    return delay * random.uniform(0.5, 1.5)  # noqa: S311 (spreads retries, guards nothing)
