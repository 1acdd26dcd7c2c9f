"""A backup is taken while collectors write; restored, it goes on exactly once from the offsets that it holds."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from monitor.broker import ClientConfig, Sink, ensure_topics
from monitor.embedded.postgres import Postgres, find_binaries
from monitor.embedded.probes import to_libpq
from tests.pace import exit_code, wait_for

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
BEFORE, AFTER = 8_000, 4_000


class Site:
    """Topics, and a collector on whichever database it is given."""

    def __init__(self, broker: str, topic: str) -> None:
        self.topics = [f"{topic}.predictions", f"{topic}.labels", f"{topic}.deployments"]
        self._broker, self._group = broker, topic
        ensure_topics(ClientConfig(broker), self.topics, 4)
        self.ledger: Counter[str] = Counter()
        self._collector: subprocess.Popen[bytes] | None = None

    def start_collector(self, url: str) -> None:
        names = ("PREDICTIONS_TOPIC", "LABELS_TOPIC", "DEPLOYMENTS_TOPIC")
        env = {
            **os.environ,
            "SNELLEN_CONFIG": os.devnull,
            "SNELLEN_DATABASE_URL": url,
            "SNELLEN_KAFKA__BOOTSTRAP_SERVERS": self._broker,
            "SNELLEN_KAFKA__GROUP": self._group,
            "SNELLEN_INGEST__BATCH_RECORDS": "200",
            **{f"SNELLEN_KAFKA__{name}": one for name, one in zip(names, self.topics, strict=True)},
        }
        self._collector = subprocess.Popen([sys.executable, "-m", "collectors", "ingest"], env=env, cwd=ROOT)

    def stop_collector(self) -> int | None:
        assert self._collector is not None
        self._collector.send_signal(signal.SIGTERM)
        return exit_code(self._collector, 15)

    def kill(self) -> None:
        if self._collector is not None:
            self._collector.kill()
            self._collector.wait()

    def produce(self, count: int, rng: random.Random) -> None:
        sink = Sink(ClientConfig(self._broker))
        for _ in range(count):
            number = self.ledger["accepted"]
            self._send(sink, number)
            self.ledger["accepted"] += 1
            if rng.random() < 0.1:
                self._send(sink, rng.randrange(number + 1))
                self.ledger["duplicate"] += 1
        sink.flush()
        sink.close()

    def _send(self, sink: Sink, number: int) -> None:
        event = {
            "schema": "prediction/v1",
            "request_id": f"b{number}",
            "ts": (START + timedelta(seconds=number)).isoformat(),
            "model": {"name": "m"},
            "task": "vqa",
            "status": "ok",
        }
        sink.send(self.topics[0], msgspec.json.encode(event), key=f"b{number}")


START = datetime.now(UTC) - timedelta(hours=6)


@pytest.fixture
def site(broker: str, topic: str) -> Iterator[Site]:
    made = Site(broker, topic)
    yield made
    made.kill()


def test_a_restored_backup_reads_on_from_its_own_offsets(
    site: Site, postgres_server: Postgres, database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 (shown when the test fails, to repeat it)
    rng = random.Random(seed)
    site.produce(BEFORE, rng)
    site.start_collector(database_url)
    wait_for(lambda: stored(database_url) > 1000, 60, "something is stored")
    dump = tmp_path / "snellen.dump"
    program("pg_dump", "--format=custom", f"--file={dump}", f"--dbname={to_libpq(database_url)}")
    site.produce(AFTER, rng)
    wait_for(lambda: stored(database_url) == site.ledger.total(), 60, "all is stored")
    assert site.stop_collector() == 0
    program(
        "pg_restore",
        "--no-owner",
        "--no-comments",
        "--exit-on-error",
        f"--dbname={to_libpq(empty_database_url)}",
        str(dump),
    )
    backed_up = stored(empty_database_url)
    assert 1000 < backed_up < site.ledger.total(), "the backup was taken in the middle"
    site.start_collector(empty_database_url)
    wait_for(lambda: stored(empty_database_url) == site.ledger.total(), 60, "the rest is stored")
    assert site.stop_collector() == 0
    for statement in COUNTS:
        assert query(empty_database_url, statement) == query(database_url, statement), statement
    assert dict(query(empty_database_url, COUNTS[0])) == site.ledger
    assert query(empty_database_url, "SELECT count(*) FROM stream_gaps") == [(0,)]


COUNTS = (
    "SELECT outcome, sum(records)::int FROM ingest_counters GROUP BY 1 ORDER BY 1",
    "SELECT count(*), count(DISTINCT request_id) FROM predictions",
    "SELECT count(*), count(DISTINCT request_id) FROM arrivals",
    "SELECT minute, sum(ok) FROM rollups_minute WHERE dimension = '' GROUP BY 1 ORDER BY 1",
    "SELECT partition, next_offset FROM stream_offsets ORDER BY 1, topic",
)


def program(name: str, *arguments: str) -> None:
    """One of PostgreSQL's own programs."""
    done = subprocess.run([str(find_binaries() / name), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def query(url: str, statement: str) -> list[Any]:
    with psycopg.connect(to_libpq(url)) as connection:
        return connection.execute(statement.encode()).fetchall()


def stored(url: str) -> int:
    return int(query(url, "SELECT coalesce(sum(records), 0) FROM ingest_counters")[0][0])
