"""How long a collector waits between tries: longer each time, up to a bound, and never all at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from collectors.consumer import Consumer
from collectors.sizing import Sizing
from collectors.watchdog import Watchdog
from collectors.worker import Worker
from monitor.domain.records import Batch, Partition, Record
from monitor.errors import BrokerError, StoreError, StoreUnavailable

PARTITION = Partition("c", "t", "i", 0)
NOMINAL = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0)
"""Seconds before each further try."""


class Clock(threading.Event):
    """Takes note of how long it is waited for, and takes no time. After so many waits, the collector is to stop."""

    def __init__(self, waits: int) -> None:
        super().__init__()
        self.left, self.waits = waits, []  # type: ignore[var-annotated]

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        self.left -= 1
        if not self.left:
            self.set()
        return self.is_set()


class Source:
    """One record again and again, or no broker."""

    def __init__(self, *, reachable: bool = True) -> None:
        self.reachable = reachable

    def poll(self, *_: int) -> Batch:
        if not self.reachable:
            raise BrokerError("away")
        return Batch((Record(PARTITION, 0, -1, b"x"),), {PARTITION: 0}, {PARTITION: 1}, {PARTITION: 1})

    def owns(self, _: Batch) -> bool:
        return True

    def behind(self) -> Mapping[Partition, int]:
        return {}

    def ends(self) -> Mapping[Partition, int]:
        return {}

    def nothing(self, *_: object) -> None:
        pass

    keep_alive = commit = reposition = renew = nothing
    lags = ends


class Handler:
    """PostgreSQL answers the same each time."""

    def __init__(self, fault: Exception) -> None:
        self.fault, self.tries = fault, 0

    def read(self, batch: Batch, now: datetime) -> None: ...

    def write(self, batch: Batch, now: datetime, read: None) -> None:
        self.tries += 1
        raise self.fault


class Nowhere:
    def note_ends(self, _: Mapping[Partition, int]) -> None: ...


def consumer(source: Source, handler: Handler) -> Consumer[Any]:
    parts: Any = (source, handler, Nowhere(), Worker(), lambda: datetime.now(UTC))
    return Consumer(*parts, sizing=Sizing(1, 1, 1.0), watchdog=Watchdog(source, 60.0), max_bytes=10, linger_ms=1)


def waits(fault: Exception, *, reachable: bool = True) -> list[float]:
    clock = Clock(len(NOMINAL))
    consumer(Source(reachable=reachable), Handler(fault)).run(clock)
    return clock.waits


def test_tries_are_ever_further_apart_up_to_a_bound_and_each_by_its_own_chance() -> None:
    runs = [waits(StoreUnavailable("away")) for _ in range(20)]
    for several, nominal in zip(zip(*runs, strict=True), NOMINAL, strict=True):
        assert all(0.5 * nominal <= one <= 1.5 * nominal for one in several)
        assert len(set(several)) == len(runs)
        assert max(several) - min(several) > 0.3 * nominal


def test_a_broker_that_is_away_is_not_asked_by_all_at_the_same_moment() -> None:
    several = waits(StoreUnavailable("unused"), reachable=False)
    assert all(0.5 <= one <= 1.5 for one in several)
    assert len(set(several)) == len(several)


def test_what_will_not_pass_is_not_tried_again() -> None:
    handler, clock = Handler(StoreError("no such table")), Clock(9)
    with pytest.raises(StoreError):
        consumer(Source(), handler).run(clock)
    assert (handler.tries, clock.waits) == (1, [])
