"""Collector processes on real servers: whatever is sent and whatever goes away, nothing accepted is lost or doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from sqlalchemy import text

from monitor.broker import ClientConfig, Sink, ensure_topics
from monitor.embedded.broker import Broker
from monitor.embedded.postgres import Postgres
from monitor.store.engine import make_engine, migrate
from tests.pace import exit_code, wait_for

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

    def stop(self) -> None:
        """Ask it to stop. It must do so in time and say that nothing went wrong."""
        self.process.send_signal(signal.SIGTERM)
        assert exit_code(self.process, 10) == 0

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
    running.stop()


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

    wait_for(is_done, seconds=120)
    assert peak < 400 * MIB
    assert rows("SELECT count(*), min(length(raw)) FROM dead_letters") == [(len(large), 5 * MIB)]


# ---- what may go away --------------------------------------------------------------------------------------------


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[Postgres]:
    server = Postgres(tmp_path / "postgres", settings={"fsync": "off", "full_page_writes": "off"})
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
        running.stop()
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
        # Where it sleeps inside of a transaction, PostgreSQL ends that after 30 s; in a COPY, its successor does.
        wait_for(lambda: rows("SELECT count(*) FROM predictions WHERE request_id = 'r2999'") == [1], seconds=60)
    finally:
        sleeper.process.resume()
    send(broker, topics(topic)["predictions"], [event(index) for index in range(3000, 3100)])
    wait_for(lambda: rows("SELECT sum(records)::int FROM ingest_counters") == [3100])
    assert rows("SELECT count(*) FROM predictions") == [3100]
    assert rows("SELECT sum(ok) FROM rollups_minute WHERE dimension = ''") == [3100]
    assert rows("SELECT outcome FROM ingest_counters GROUP BY 1") == ["accepted"]
    sleeper.stop()


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
        running.stop()


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
        running.stop()


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
