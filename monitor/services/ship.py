"""Send the events of a replay through Kafka and see them stored. PostgreSQL alone says what arrived.

Kafka tells where its logs end after a chunk was sent, `stream_offsets` how far the collectors have stored them. Once
they are past that mark, or the logs were made anew, whatever PostgreSQL still lacks was lost and is sent again. So
nothing is sent twice on a guess, and an acknowledgement of a broker that then dies counts for nothing.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Engine

from monitor.broker import ClientConfig, Sink, ensure_topics, topic_ends
from monitor.domain.records import Partition
from monitor.errors import BrokerError, SnellenError, StoreUnavailable
from monitor.mapping.mapping import Mapped
from monitor.replay.pace import Pace
from monitor.services.missing import Events, missing
from monitor.store import replays
from monitor.store.engine import transaction

log = logging.getLogger(__name__)
T = TypeVar("T")

POLL_S = 0.2
LOOK_AT_LOGS_S = 1.0
FLUSH_S = 130.0
"""Longer than the client tries to deliver (120 s): a record has arrived or failed, and none is sent behind our back."""
VAIN_RESENDS = 3
"""How often a chunk that the collectors read, and that still is not stored, is sent again before we give up."""


@dataclass(frozen=True, slots=True)
class Wire:
    """How events reach Kafka, and who takes them from there."""

    make_sink: Callable[[], Sink]
    ensure_topics: Callable[[], None]
    topic_ends: Callable[[], dict[Partition, int]]
    predictions_topic: str
    labels_topic: str
    group: str
    """The consumer group that stores predictions and labels."""

    @classmethod
    def to(cls, config: ClientConfig, predictions_topic: str, labels_topic: str, partitions: int, group: str) -> Wire:
        """The broker of this address; topics that it lacks are made with so many partitions."""
        topics = (predictions_topic, labels_topic)
        return cls(
            make_sink=lambda: Sink(config),
            ensure_topics=lambda: ensure_topics(config, topics, partitions),
            topic_ends=lambda: topic_ends(config, topics),
            predictions_topic=predictions_topic,
            labels_topic=labels_topic,
            group=group,
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """How far to run ahead of PostgreSQL, and how long to wait for it."""

    chunk_rows: int = 5000
    """Sent, and looked up, together."""
    chunk_bytes: int = 16 * 1024 * 1024
    in_flight_events: int = 50_000
    in_flight_bytes: int = 64 * 1024 * 1024
    patience_s: float = 120.0
    """Without any progress."""
    catch_up_s: float = 15.0
    """Without any progress, before a resumed replay stops waiting for what its last run left in the logs."""


@dataclass(slots=True)
class Chunk:
    """Consecutive rows' events, until PostgreSQL holds them all."""

    last_row: int
    waiting: Events
    mark: dict[Partition, int] | None = None
    """Log ends after it was sent; None where sending failed."""

    @property
    def size(self) -> int:
        return sum(len(one.raw) for one in self.waiting.values())


@dataclass(slots=True)
class Tally:
    """What became of the events so far."""

    rows_done: int = 0
    """Last row up to which everything is stored, or refused with its dead letter."""
    found: int = 0
    """Held by PostgreSQL when we came to them."""
    sent: int = 0
    resent: int = 0
    in_flight: int = 0


class Shipping:
    """One replay on its way: `ship` chunk after chunk, then `finish`; `close` whatever happens."""

    def __init__(
        self,
        engine: Engine,
        wire: Wire,
        replay_id: str,
        pace: Pace,
        clock: Callable[[], datetime],
        on_progress: Callable[[Tally], None],
        limits: Limits,
    ) -> None:
        self.tally = Tally()
        self._engine = engine
        self._wire = wire
        self._replay_id = replay_id
        self._pace = pace
        self._clock = clock
        self._on_progress = on_progress
        self._limits = limits
        self._queue: deque[Chunk] = deque()
        self._sink: Sink | None = None
        self._looked_at_logs = 0.0

    def catch_up(self) -> None:
        """Before a resumed run: let the collectors store what the last run left in the logs.

        Raises:
            BrokerError: no answer.
            StoreUnavailable: no answer.
        """
        mark, seen = self._wire.topic_ends(), None
        patience = _Patience(self._limits.catch_up_s)
        while not _passed(positions := self._positions(), mark):
            if positions != seen:
                patience, seen = _Patience(self._limits.catch_up_s), positions
            elif patience.over:
                log.warning("collectors make no progress: what the last run left in Kafka is sent again, and dropped")
                return
            time.sleep(POLL_S)

    def ship(self, chunk: Chunk) -> None:
        """Send what PostgreSQL lacks of the chunk, as soon as there is room.

        Raises:
            SnellenError: nothing was stored for `patience_s`.
        """
        self.tally.found += self._strike_off(chunk)
        while self._queue and not self._has_room(chunk):
            self._settle_oldest(wait=True)
        self._queue.append(chunk)
        self.tally.sent += len(chunk.waiting)
        self.tally.in_flight += len(chunk.waiting)
        self._transmit(chunk)
        while self._queue and self._settle_oldest(wait=chunk.mark is None):
            pass

    def finish(self) -> None:
        """Wait until everything is stored.

        Raises:
            SnellenError: nothing was stored for `patience_s`.
        """
        while self._queue:
            self._settle_oldest(wait=True)

    def close(self) -> None:
        """Let go of the broker."""
        sink, self._sink = self._sink, None
        if sink is None:
            return
        try:
            sink.close()
        except BrokerError as error:
            log.warning("the producer did not close cleanly", extra={"error": str(error)})

    def _has_room(self, chunk: Chunk) -> bool:
        chunks = (*self._queue, chunk)
        events, size = sum(len(one.waiting) for one in chunks), sum(one.size for one in chunks)
        return events <= self._limits.in_flight_events and size <= self._limits.in_flight_bytes

    def _transmit(self, chunk: Chunk) -> None:
        """Send all that the chunk waits for; where the broker fails, its mark stays None."""
        if not chunk.waiting:
            chunk.mark = {}
            return
        chunk.mark = None
        try:
            self._send(chunk.waiting.values())
            chunk.mark = self._wire.topic_ends()
        except BrokerError as error:
            log.warning("the broker failed; what it lost is sent again", extra={"error": str(error)})
            self.close()

    def _send(self, events: Collection[Mapped]) -> None:
        if self._sink is None:
            self._wire.ensure_topics()
            self._sink = self._wire.make_sink()
        for event in events:
            if wait_s := self._pace.wait_s(event.ts, self._clock()):
                time.sleep(wait_s)
            topic = self._wire.labels_topic if event.is_label else self._wire.predictions_topic
            self._sink.send(topic, event.raw, key=event.request_id, replay=self._replay_id)
        self._sink.flush(FLUSH_S)

    def _settle_oldest(self, *, wait: bool) -> bool:
        """Is all of the oldest chunk stored? With `wait`, stay until it is; what was lost is sent again."""
        chunk, seen, vain = self._queue[0], None, 0
        patience = _Patience(self._limits.patience_s)
        while chunk.waiting:
            positions = self._positions()
            if positions != seen:
                patience, seen = _Patience(self._limits.patience_s), positions
                arrived = self._strike_off(chunk)
                self.tally.in_flight -= arrived
                vain = 0 if arrived else vain
            elif not wait:
                return False
            elif self._was_lost(chunk, positions):
                vain += 1
                self._resend(chunk, vain)
            elif patience.over:
                raise SnellenError(self._stalled())
            else:
                time.sleep(POLL_S)
        self._queue.popleft()
        self.tally.rows_done = chunk.last_row
        self._on_progress(self.tally)
        return True

    def _resend(self, chunk: Chunk, vain: int) -> None:
        if vain > VAIN_RESENDS:
            raise SnellenError(
                f"{len(chunk.waiting)} events up to row {chunk.last_row} were read by the collectors {vain} times, but "
                "are neither stored nor dead letters: do they use the same database and topics, and the native format?"
            )
        log.warning("events were lost on the way and are sent again", extra={"events": len(chunk.waiting)})
        self.tally.resent += len(chunk.waiting)
        self._transmit(chunk)

    def _was_lost(self, chunk: Chunk, positions: dict[Partition, int]) -> bool:
        """Have the collectors stored everything up to the chunk's mark, or can they no longer?"""
        if chunk.mark is not None and _passed(positions, chunk.mark):
            return True
        if time.monotonic() - self._looked_at_logs < LOOK_AT_LOGS_S:
            return False
        try:
            ends = self._wire.topic_ends()
        except BrokerError:
            return False  # down; patience decides
        finally:
            self._looked_at_logs = time.monotonic()
        if chunk.mark is None:
            chunk.mark = ends
            return False
        if chunk.mark.keys() <= ends.keys():
            return False
        self.close()  # its topics are gone
        return True

    def _strike_off(self, chunk: Chunk) -> int:
        """Forget those of the chunk's events that PostgreSQL holds; returns how many."""
        before = len(chunk.waiting)
        if before:
            chunk.waiting = self._patiently(lambda: missing(self._engine, self._replay_id, chunk.waiting))
        return before - len(chunk.waiting)

    def _positions(self) -> dict[Partition, int]:
        topics = (self._wire.predictions_topic, self._wire.labels_topic)
        return self._patiently(lambda: _read_positions(self._engine, self._wire.group, topics))

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Ask PostgreSQL again and again while it is away."""
        patience = _Patience(self._limits.patience_s)
        while True:
            try:
                return ask()
            except StoreUnavailable:
                if patience.over:
                    raise
                time.sleep(POLL_S)

    def _stalled(self) -> str:
        return (
            f"nothing was stored for {self._limits.patience_s:.0f} s, {self.tally.in_flight} events are on their way: "
            f"are the broker and a collector (`python -m collectors ingest`, group {self._wire.group}) running? "
            "Start them and give the same command again; it goes on from what is stored"
        )


class _Patience:
    """A stretch of time that runs out."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    @property
    def over(self) -> bool:
        return time.monotonic() > self._until


def _read_positions(engine: Engine, group: str, topics: Collection[str]) -> dict[Partition, int]:
    with transaction(engine) as connection:
        return replays.positions(connection, group, topics)


def _passed(positions: dict[Partition, int], mark: dict[Partition, int]) -> bool:
    return all(positions.get(partition, -1) >= end for partition, end in mark.items() if end > 0)
