"""Collector processes on real servers: whatever is sent and whatever goes away, nothing accepted is lost or doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from sqlalchemy import text

from collectors.consumer import Consumer
from collectors.sizing import Sizing
from collectors.watchdog import Watchdog
from collectors.worker import Worker
from monitor.broker import ClientConfig, Sink, ensure_topics
from monitor.broker.source import EMPTY
from monitor.domain.records import Batch, Partition, Record
from monitor.embedded.broker import Broker
from monitor.embedded.postgres import Postgres
from monitor.errors import BrokerError, BrokerRefused, Fenced, StoreError, StoreUnavailable
from monitor.store.engine import make_engine, migrate

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
NOW = datetime.now(UTC)
MIB = 1024 * 1024


class Collector:
    """A real process on the topics `<topic>.predictions` and so on."""

    def __init__(self, database_url: str, broker: str, topic: str, **settings: str) -> None:
        env = {name: value for name, value in os.environ.items() if not name.startswith("SNELLEN_")}
        env |= {
            "SNELLEN_CONFIG": os.devnull,
            "SNELLEN_DATABASE_URL": database_url,
            "SNELLEN_KAFKA__BOOTSTRAP_SERVERS": broker,
            "SNELLEN_KAFKA__GROUP": topic,
            "SNELLEN_KAFKA__SESSION_TIMEOUT_MS": "1500",
            **{f"SNELLEN_KAFKA__{kind.upper()}_TOPIC": name for kind, name in topics(topic).items()},
            **settings,
        }
        command = [sys.executable, "-m", "collectors", "ingest"]
        self.process = psutil.Popen(command, env=env, cwd=ROOT, stderr=subprocess.DEVNULL)

    def stop(self) -> float:
        """Ask it to stop; how many seconds it took. It must say that nothing went wrong."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0
        return time.monotonic() - began

    def end(self) -> None:
        if self.process.is_running():
            self.process.kill()
        self.process.wait()


def topics(topic: str) -> dict[str, str]:
    return {kind: f"{topic}.{kind}" for kind in ("predictions", "labels", "deployments")}


def event(index: int, **changes: Any) -> bytes:
    return msgspec.json.encode(
        {
            "schema": "prediction/v1",
            "request_id": f"r{index}",
            "ts": (NOW - timedelta(minutes=1)).isoformat(),
            "model": {"name": "m"},
            "task": "vqa",
            "status": "ok",
            **changes,
        }
    )


def send(broker: str, topic: str, messages: list[bytes]) -> None:
    sink = Sink(ClientConfig(broker))
    for message in messages:
        sink.send(topic, message)
    sink.flush()
    sink.close()


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "no progress"
        time.sleep(0.05)


@pytest.fixture
def collector(database_url: str, broker: str, topic: str) -> Iterator[Callable[..., Collector]]:
    """Starts collectors on the test's database and topics."""
    ensure_topics(ClientConfig(broker), topics(topic).values(), 2)
    with ExitStack() as stack:

        def start(**settings: str) -> Collector:
            started = Collector(database_url, broker, topic, **settings)
            stack.callback(started.end)
            return started

        yield start


# ---- what may be sent --------------------------------------------------------------------------------------------


def test_whatever_is_sent_is_stored_or_becomes_a_clear_dead_letter(
    collector: Callable[..., Collector], broker: str, topic: str, rows: Callable[..., list[Any]]
) -> None:
    bad = {
        b"": "unreadable",
        b"\x00\xff": "unreadable",
        event(90)[:-20]: "unreadable",
        b"[]": "unreadable",
        b'"text"': "unreadable",
        b'{"schema":"unknown field"}': "unknown_schema",
        event(91, colour="red")[:-1] + b',"schema":[]}': "unknown_schema",
        b'{"schema":"prediction/v2"}': "unknown_schema",
        event(92, request_id=7): "invalid",
        event(93, latency_ms="fast"): "invalid",
        event(94, cost_usd=1e308): "invalid",
        event(95, output=[]): "invalid",
        event(97, extra={"deep": msgspec.Raw(b"[" * 940 + b"]" * 940)}): "invalid",
        event(98, input={"prompt": "a\x00b"}): "unstorable",
        event(99, ts="2001-01-01T00:00:00Z"): "too_old",
        event(100, ts="2101-01-01T00:00:00Z"): "future_dated",
        event(101, input={"prompt": "x" * 5 * MIB}): "oversized",
        os.urandom(5 * MIB): "oversized",
    }
    good = [event(index) for index in range(len(bad) + 1)]
    mixed = [one for pair in zip(good, bad, strict=False) for one in pair]
    send(broker, topics(topic)["predictions"], [*mixed, good[-1]])
    send(broker, topics(topic)["labels"], [b"garbage"])
    running = collector(SNELLEN_PRIVACY__DEAD_LETTERS="keep")
    wait_for(lambda: sum(rows("SELECT records::int FROM ingest_counters")) == len(good) + len(bad) + 1)
    assert sorted(rows("SELECT request_id FROM predictions")) == sorted(f"r{index}" for index in range(len(good)))
    found = {
        bytes(raw): reason for raw, reason in rows("SELECT raw, reason FROM dead_letters WHERE topic LIKE '%tions'")
    }
    assert found == bad
    assert all(rows("SELECT length(detail) BETWEEN 10 AND 1000 FROM dead_letters"))
    assert running.stop() < 10


def test_a_flood_of_large_records_does_not_flood_the_memory(
    collector: Callable[..., Collector], broker: str, topic: str, rows: Callable[..., list[Any]]
) -> None:
    """Compressible ones are the worst: many of them come with one answer of the broker."""
    large = [b"x" * 5 * MIB] * 60
    send(broker, topics(topic)["predictions"], [*large, event(1)])
    running = collector()
    peak = 0

    def is_done() -> bool:
        nonlocal peak
        peak = max(peak, running.process.memory_info().rss)
        return sum(rows("SELECT records::int FROM ingest_counters")) == len(large) + 1

    wait_for(is_done, seconds=60)
    assert peak < 400 * MIB
    assert rows("SELECT count(*), min(length(raw)) FROM dead_letters") == [(len(large), 5 * MIB)]


# ---- what may go away --------------------------------------------------------------------------------------------


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[Postgres]:
    server = Postgres(tmp_path / "postgres", settings={"fsync": "off", "full_page_writes": "off"})
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    server = Broker(tmp_path, preferred_port=30000 + os.getpid() % 10000)
    server.start()
    yield server
    server.stop()


def test_a_restart_of_postgresql_loses_and_doubles_nothing(own_postgres: Postgres, broker: str, topic: str) -> None:
    migrate(own_postgres.url)
    ensure_topics(ClientConfig(broker), topics(topic).values(), 2)
    send(broker, topics(topic)["predictions"], [event(index) for index in range(4000)])
    with ExitStack() as stack:
        running = Collector(own_postgres.url, broker, topic, SNELLEN_INGEST__BATCH_RECORDS="50")
        stack.callback(running.end)
        wait_for(lambda: count(own_postgres.url) > 0)
        own_postgres.stop()
        time.sleep(2.5)
        assert running.process.is_running()
        own_postgres.start()
        wait_for(lambda: count(own_postgres.url) == 4000)
        assert running.stop() < 10
    assert count(own_postgres.url, "SELECT sum(ok) FROM rollups_minute WHERE dimension = ''") == 4000
    assert count(own_postgres.url, "SELECT sum(records) FROM ingest_counters") == 4000


def test_a_member_that_wakes_from_long_sleep_is_fenced(
    collector: Callable[..., Collector], broker: str, topic: str, rows: Callable[..., list[Any]]
) -> None:
    send(broker, topics(topic)["predictions"], [event(index) for index in range(3000)])
    sleeper = collector(SNELLEN_INGEST__BATCH_RECORDS="20")
    wait_for(lambda: bool(rows("SELECT 1 FROM predictions LIMIT 1")))
    sleeper.process.suspend()
    try:
        collector()
        # Where it sleeps inside of a transaction, PostgreSQL ends that after 30 s.
        wait_for(lambda: rows("SELECT count(*) FROM predictions WHERE request_id = 'r2999'") == [1], seconds=60)
    finally:
        sleeper.process.resume()
    send(broker, topics(topic)["predictions"], [event(index) for index in range(3000, 3100)])
    wait_for(lambda: rows("SELECT sum(records)::int FROM ingest_counters") == [3100])
    assert rows("SELECT count(*) FROM predictions") == [3100]
    assert rows("SELECT sum(ok) FROM rollups_minute WHERE dimension = ''") == [3100]
    assert rows("SELECT outcome FROM ingest_counters GROUP BY 1") == ["accepted"]
    assert sleeper.stop() < 10


def test_a_restart_of_the_broker_is_recorded_as_a_gap_and_reading_goes_on(
    database_url: str, own_broker: Broker, rows: Callable[..., list[Any]]
) -> None:
    servers, names = own_broker.bootstrap_servers, topics("t")
    with ExitStack() as stack:
        ensure_topics(ClientConfig(servers), names.values(), 1)
        send(servers, names["predictions"], [event(index) for index in range(10)])
        running = Collector(database_url, servers, "t")
        stack.callback(running.end)
        wait_for(lambda: rows("SELECT count(*) FROM predictions") == [10])
        own_broker.stop()
        own_broker.start()
        ensure_topics(ClientConfig(servers), names.values(), 1)
        send(servers, names["predictions"], [event(index) for index in range(5, 15)])
        wait_for(lambda: rows("SELECT count(*) FROM predictions") == [15])
        gaps = "SELECT reason, expected_offset, resumed_offset FROM stream_gaps WHERE topic = 't.predictions'"
        assert rows(gaps) == [("topic was made anew", 10, 0)]
        wait_for(lambda: rows("SELECT sum(records)::int FROM ingest_counters") == [20])
        assert dict(rows("SELECT outcome, sum(records)::int FROM ingest_counters GROUP BY 1")) == {
            "accepted": 15,
            "duplicate": 5,
        }
        own_broker.stop()
        assert running.stop() < 10


def test_a_collector_stops_at_once_while_postgresql_is_away(own_postgres: Postgres, broker: str, topic: str) -> None:
    migrate(own_postgres.url)
    ensure_topics(ClientConfig(broker), topics(topic).values(), 1)
    with ExitStack() as stack:
        running = Collector(own_postgres.url, broker, topic)
        stack.callback(running.end)
        send(broker, topics(topic)["predictions"], [event(1)])
        wait_for(lambda: count(own_postgres.url) == 1)
        own_postgres.stop()
        send(broker, topics(topic)["predictions"], [event(2)])
        time.sleep(1)
        assert running.stop() < 10


def test_a_wrong_setting_or_an_unmigrated_database_ends_it_with_one_clear_line(
    empty_database_url: str, broker: str, topic: str
) -> None:
    for url, clear in ((empty_database_url, "snellen migrate"), ("nonsense", "postgresql+psycopg://")):
        env = {**os.environ, "SNELLEN_CONFIG": os.devnull, "SNELLEN_DATABASE_URL": url}
        done = subprocess.run(
            [sys.executable, "-m", "collectors"],
            env={**env, "SNELLEN_KAFKA__BOOTSTRAP_SERVERS": broker, "SNELLEN_KAFKA__GROUP": topic},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        [line] = done.stderr.splitlines()
        assert clear in msgspec.json.decode(line)["message"]


def count(url: str, query: str = "SELECT count(*) FROM predictions") -> int:
    engine = make_engine(url)
    with engine.connect() as connection:
        found = connection.execute(text(query)).scalar()
    engine.dispose()
    return int(found or 0)


# ---- the loop ----------------------------------------------------------------------------------------------------


PARTITION = Partition("c", "t", "i", 0)


class FakeSource:
    """Hands out batches of one record; records what is asked of it."""

    def __init__(self, batches: int = 1) -> None:
        self.calls: list[str] = []
        self.owned = True
        self.reachable = True
        self.left = batches
        self.offset = 0

    def poll(self, *_: int) -> Batch:
        self.calls.append("poll")
        if not self.left:
            return EMPTY
        self.left -= 1
        self.offset += 1
        record = Record(PARTITION, self.offset - 1, -1, b"xx")
        ends = {PARTITION: self.offset}
        return Batch((record,), {PARTITION: self.offset - 1}, ends, ends)

    def commit(self, batch: Batch) -> None:
        self.calls.append(f"commit {batch.following[PARTITION]}")

    def reposition(self) -> None:
        self.calls.append("reposition")

    def keep_alive(self) -> None:
        self.calls.append("keep_alive")
        if not self.reachable:
            raise BrokerError("away")

    def owns(self, _: Batch) -> bool:
        return self.owned

    def ends(self) -> Mapping[Partition, int]:
        return {}

    def lags(self) -> Mapping[Partition, int]:
        return {}

    def behind(self) -> Mapping[Partition, int]:
        return {}

    def renew(self) -> None:
        self.calls.append("renew")


class FakeHandler:
    """Fails as told, then works."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.stored: list[int] = []
        self.reads = 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def read(self, batch: Batch, now: datetime) -> int:
        self.reads += 1
        return batch.records[0].offset

    def write(self, batch: Batch, now: datetime, read: int | None) -> None:
        self.may_answer.wait(20)
        if self.faults:
            raise self.faults.pop(0)
        assert read in (batch.records[0].offset, None)
        self.stored.append(batch.records[0].offset)


class FakePositions:
    def note_ends(self, _: Mapping[Partition, int]) -> None:
        pass


def loop(source: FakeSource, handler: FakeHandler, max_bytes: int = 10) -> Consumer[int]:
    return Consumer(
        source,  # type: ignore[arg-type]
        handler,
        FakePositions(),  # type: ignore[arg-type]
        Worker(),
        lambda: NOW,
        sizing=Sizing(1, 1, 1.0),
        watchdog=Watchdog(source, 60.0),
        max_bytes=max_bytes,
        linger_ms=1,
    )


def steps(consumer: Consumer[int], count: int, stop: threading.Event | None = None) -> None:
    for _ in range(count):
        consumer.step(stop or threading.Event())


def test_what_is_stored_is_committed() -> None:
    source, handler = FakeSource(), FakeHandler()
    steps(loop(source, handler), 2)
    assert (source.calls, handler.stored) == (["poll", "poll", "commit 1"], [0])


def test_the_next_batch_is_read_while_one_is_stored_but_not_a_third() -> None:
    source, handler = FakeSource(batches=3), FakeHandler()
    consumer = loop(source, handler)
    handler.may_answer.clear()
    steps(consumer, 1)
    threading.Timer(0.3, handler.may_answer.set).start()
    steps(consumer, 1)
    assert source.calls == ["poll", "poll", "commit 1"]
    steps(consumer, 2)
    assert (source.calls[3:], handler.stored) == (["poll", "commit 2", "poll", "commit 3"], [0, 1, 2])


def test_nothing_is_read_beside_a_batch_that_is_larger_than_asked_for() -> None:
    source, handler = FakeSource(batches=2), FakeHandler()
    steps(loop(source, handler, max_bytes=1), 2)
    assert source.calls == ["poll", "commit 1", "poll"]


def test_a_batch_is_tried_again_while_postgresql_is_away() -> None:
    source, handler = FakeSource(), FakeHandler(StoreUnavailable("a"), StoreUnavailable("b"))
    steps(loop(source, handler), 2)
    assert (source.calls, handler.stored) == (["poll", "poll", "keep_alive", "keep_alive", "commit 1"], [0])


@pytest.mark.parametrize("fault", [Fenced("other"), ValueError("a fault of ours"), StoreUnavailable("away")])
def test_whatever_is_not_stored_is_read_again_and_so_is_what_follows_it(fault: Exception) -> None:
    """Else the records after the dropped ones would follow next, and an idle partition would keep its last ones."""
    source, handler = FakeSource(batches=2), FakeHandler(fault)
    source.owned = False
    consumer = loop(source, handler)
    if isinstance(fault, ValueError):
        with pytest.raises(ValueError, match="ours"):
            steps(consumer, 2)
    else:
        steps(consumer, 3)
    assert source.calls.count("reposition") == 1
    assert handler.stored == []


def test_a_broker_that_goes_away_while_postgresql_is_away_loses_nothing() -> None:
    source = FakeSource()
    source.reachable = False
    with pytest.raises(BrokerError):
        steps(loop(source, FakeHandler(StoreUnavailable("away"))), 2)
    assert source.calls == ["poll", "poll", "keep_alive", "reposition"]


def test_a_stop_waits_for_what_is_being_stored_and_writes_nothing_more() -> None:
    source, handler, stop = FakeSource(batches=2), FakeHandler(), threading.Event()
    consumer = loop(source, handler)
    steps(consumer, 1)
    stop.set()
    consumer.run(stop)
    assert (source.calls, handler.stored) == (["poll", "commit 1"], [0])


def test_a_stop_does_not_wait_for_a_server_that_hangs() -> None:
    source, handler, stop = FakeSource(), FakeHandler(), threading.Event()
    handler.may_answer.clear()
    consumer = loop(source, handler)
    steps(consumer, 1)
    stop.set()
    began = time.monotonic()
    consumer.run(stop)
    handler.may_answer.set()
    assert time.monotonic() - began < 5
    assert source.calls == ["poll", "reposition"]


def test_a_fault_that_will_not_pass_ends_the_loop() -> None:
    for fault in (StoreError("no such table"), BrokerRefused("wrong password")):
        source = FakeSource(batches=9)
        with pytest.raises(type(fault)):
            loop(source, FakeHandler(fault)).run(threading.Event())
        assert source.calls[-1] == "reposition"
