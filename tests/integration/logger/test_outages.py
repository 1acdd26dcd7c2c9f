"""Its broker comes late, goes, or is never there: that costs time, and nothing that was not counted."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from monitor.broker import ClientConfig, ensure_topics, lane, shipping
from monitor.embedded.broker import Broker
from tests.integration.logger.conftest import NOBODY, Make, ids, read, total
from tests.pace import wait_for, within

pytestmark = pytest.mark.integration


class Door:
    """An address that leads to whichever broker is behind it, or to none."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._listener: socket.socket | None = None
        self._behind = ("", 0)

    def open(self, servers: str) -> None:
        host, _, port = servers.partition(":")
        self._behind = (host, int(port))
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=True)
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                inner, _ = listener.accept()
                with suppress(OSError):
                    outer = socket.create_connection(self._behind, 1)
                    for one, other in ((inner, outer), (outer, inner)):
                        threading.Thread(target=_pump, args=(one, other), daemon=True).start()
                    continue
                inner.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError), source, sink:
        while data := source.recv(65_536):
            sink.sendall(data)


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door()
    yield made
    made.close()


def test_a_service_may_start_before_its_broker(broker: str, topics: str, door: Door, make: Make) -> None:
    log = make(door.address)
    assert log.prediction("early")
    wait_for(lambda: log.counts.last_fault, 20)
    assert log.counts.waiting == 1
    door.open(broker)
    assert log.flush(20)
    assert ids(read(broker, topics, 1)) == ["early"]


def test_a_broker_that_is_killed_and_comes_back_costs_time_and_nothing_else(
    tmp_path: Path, topic: str, door: Door, make: Make
) -> None:
    """With it goes what it had, but nothing of what it has not acknowledged."""
    log = make(door.address)
    with started(tmp_path / "first", topic) as first:
        door.open(first)
        assert log.prediction("before")
        assert log.flush(20)
    for n in range(300):
        assert log.prediction(f"during {n}")
        time.sleep(0.001)
    wait_for(lambda: log.counts.last_fault, 20)
    assert log.counts.waiting == 300
    with started(tmp_path / "second", topic) as second:
        door.open(second)
        assert log.prediction("after")
        assert log.flush(30)
        found = set(ids(read(second, topic, 301)))
    assert found == {"after", *(f"during {n}" for n in range(300))}
    assert log.counts.sent == log.counts.calls == 302


@contextmanager
def started(home: Path, topic: str) -> Iterator[str]:
    """A broker of one's own with the topic; killed at the end."""
    server = Broker(home, preferred_port=24_000 + os.getpid() % 5000)
    server.start()
    try:
        ensure_topics(ClientConfig(server.bootstrap_servers), [topic], 2)
        yield server.bootstrap_servers
    finally:
        server.process.stop(0)


def test_what_is_dropped_while_the_broker_is_away_is_told_meanwhile(
    make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "FIND_MS", 100)
    monkeypatch.setattr(lane, "FIRST_REPORT_S", 0.1)
    monkeypatch.setattr(lane, "REPORT_S", 0.1)
    log = make(NOBODY, max_events=10, topic="of.predictions", labels_topic="of.labels")
    with caplog.at_level(logging.WARNING, logger="monitor.broker.logger"):
        for n in range(30):
            log.prediction(f"{n}")
        for n in range(15):
            log.label(f"{n}", verdict="correct")
        for topic, dropped in (("of.predictions", 20), ("of.labels", 5)):
            told = re.compile(f"to {topic}: ([0-9]+) dropped, 0 invalid, 0 lost")
            wait_for(lambda told=told, all_of=dropped: sum(map(int, told.findall(caplog.text))) == all_of, 20)  # type: ignore[misc]
    assert log.counts.waiting == 20


def test_closing_without_a_broker_ends_in_time_with_labels_too(make: Make) -> None:
    log = make(NOBODY)
    log.prediction("a")
    log.label("a", verdict="correct")
    counts = within(3, lambda: log.close(0.5))
    assert (counts.lost, total(counts)) == (2, 2)


def test_closing_without_a_broker_ends_in_time(make: Make) -> None:
    log = make(NOBODY)
    for n in range(100):
        log.prediction(f"{n}")
    time.sleep(0.3)
    counts = within(3, lambda: log.close(0.5))
    assert (counts.lost, total(counts)) == (100, 100)


def test_an_absent_broker_holds_up_no_caller_and_no_event_loop(make: Make) -> None:
    async def serve() -> float:
        log, longest = make(NOBODY), 0.0
        for n in range(3000):
            began = time.perf_counter()
            log.prediction(f"{n}", prompt="What?", slices={"device": "cam"})
            longest = max(longest, time.perf_counter() - began)
            await asyncio.sleep(0)
        assert log.counts.waiting == 3000
        return longest

    # A wait for the broker would take seconds, and each time; a machine that stands still does so now and then.
    assert any(asyncio.run(serve()) < 0.5 for _ in range(3))


def test_a_call_from_within_a_call_does_not_lock_up(make: Make) -> None:
    """As signal handlers and destructors do it."""
    log = make(NOBODY)
    with log._queue._lock:
        assert log.prediction("inner")
    assert log.counts.waiting == 1
