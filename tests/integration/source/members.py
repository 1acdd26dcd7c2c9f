"""What members of a consumer group read, and the store that says where."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from monitor.broker import Source
from monitor.domain.records import Batch, Partition
from monitor.errors import BrokerError
from tests.pace import Patience

SESSION_MS = 1500
"""The embedded broker lets a group wait for half of it; real ones want more."""


class Stored:
    """Offsets as PostgreSQL would hold them, and how they were asked for."""

    def __init__(self) -> None:
        self.offsets: dict[Partition, int] = {}
        self.beyond_end: list[Partition] = []

    def position(self, partition: Partition, beginning: int, *, beyond_end: bool) -> int:
        if beyond_end:
            self.beyond_end.append(partition)
            self.offsets[partition] = beginning
        return self.offsets.setdefault(partition, beginning)

    def take(self, batch: Batch) -> list[bytes]:
        """Store a batch as the real store does: only if it starts where the last one ended."""
        assert {one: self.offsets[one] for one in batch.expected} == batch.expected
        self.offsets |= batch.following
        return [record.value for record in batch.records]


def values(count: int, start: int = 0) -> list[bytes]:
    return [f"r{index}".encode() for index in range(start, start + count)]


def read(source: Source, stored: Stored, count: int, seconds: float = 10) -> list[bytes]:
    """Read until so many records came; and no more come at once."""
    found: list[bytes] = []
    patience = Patience(seconds)
    while len(found) < count and patience.rest():
        found += stored.take(source.poll(1000, 1 << 20, 100))
    return found + stored.take(source.poll(1000, 1 << 20, 50))


def poll_until(condition: Callable[[], bool], *sources: Source, seconds: float = 15) -> None:
    patience = Patience(seconds)
    while not condition():
        assert patience.rest(), "no progress"
        for source in sources:
            source.keep_alive()
            source.poll(1000, 1 << 20, 50)


def poll_for(source: Source, stored: Stored, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(BrokerError):
            stored.take(source.poll(1000, 1 << 20, 100))
