"""An upgrade while the previous version's collectors write: nothing is lost, doubled or held up."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from monitor.broker import ClientConfig, Sink, ensure_topics
from monitor.embedded.probes import to_libpq
from monitor.store.engine import migrate
from tests.pace import Patience, exit_code, wait_for

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
PREVIOUS = "eccb232"
"""The commit of the previous version."""
PAST = 60_000
"""Ids that the previous version stored before, all over the last days."""
LONGEST_STALL_S = 8.0


@pytest.fixture(scope="session")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the previous version's code."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed, so the previous version cannot be taken out")
    folder = tmp_path_factory.mktemp("previous")
    parts = ["monitor", "collectors", "alembic", "pyproject.toml"]
    archive = subprocess.run(["git", "archive", PREVIOUS, *parts], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        said = archive.stderr.decode().strip()
        remedy = "`git fetch --unshallow` brings it into a shallow clone; what was unpacked from an archive has none"
        pytest.skip(f"commit {PREVIOUS}, the previous version, is not here ({said}): {remedy}")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


class Site:
    """A database, topics, and collectors of either version."""

    def __init__(self, url: str, broker: str, topic: str) -> None:
        self.url = url
        self.topics = [f"{topic}.predictions", f"{topic}.labels", f"{topic}.deployments"]
        ensure_topics(ClientConfig(broker), self.topics, 4)
        self.sink = Sink(ClientConfig(broker))
        names = ("PREDICTIONS_TOPIC", "LABELS_TOPIC", "DEPLOYMENTS_TOPIC")
        self.env = {
            **os.environ,
            "SNELLEN_CONFIG": os.devnull,
            "SNELLEN_DATABASE_URL": url,
            "SNELLEN_KAFKA__BOOTSTRAP_SERVERS": broker,
            "SNELLEN_KAFKA__GROUP": topic,
            "SNELLEN_INGEST__BATCH_RECORDS": "200",
            **{f"SNELLEN_KAFKA__{name}": one for name, one in zip(names, self.topics, strict=True)},
        }
        self.running: list[subprocess.Popen[bytes]] = []

    def start_collector(self, code: Path) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-m", "collectors", "ingest"], env=self.env, cwd=code)
        self.running.append(process)
        return process

    def query(self, statement: str) -> list[Any]:
        with psycopg.connect(to_libpq(self.url)) as connection:
            return connection.execute(statement.encode()).fetchall()

    def number(self, statement: str) -> int:
        return int(self.query(statement)[0][0] or 0)

    def stored(self) -> int:
        return self.number("SELECT sum(records) FROM ingest_counters")


@pytest.fixture
def site(empty_database_url: str, broker: str, topic: str, previous: Path) -> Iterator[Site]:
    made = Site(empty_database_url, broker, topic)
    code = "import sys; from monitor.store.engine import migrate; migrate(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, made.url], cwd=previous, check=True)
    with psycopg.connect(to_libpq(made.url)) as connection:
        connection.execute(
            "INSERT INTO request_ids SELECT 'past-' || n, '\\x00', now() - n %% 20 * interval '1 day' "
            "FROM generate_series(1, %s) AS n",
            (PAST,),
        )
    yield made
    made.sink.close()
    for process in made.running:
        process.kill()
        process.wait()


class Traffic(threading.Thread):
    """New ids, retries and contradictions of earlier ones; the ledger says how many of each."""

    def __init__(self, site: Site, rng: random.Random) -> None:
        super().__init__()
        self.ledger: Counter[str] = Counter()
        self._site, self._rng = site, rng
        self._sent: list[dict[str, Any]] = []
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.02):
            for _ in range(60):
                self._send_one()
        self._site.sink.flush()

    def finish(self) -> None:
        self._over.set()
        self.join()

    def _send_one(self) -> None:
        kind = (
            self._rng.choices(["accepted", "duplicate", "contradictory"], [80, 15, 5])[0] if self._sent else "accepted"
        )
        event = self._new() if kind == "accepted" else self._rng.choice(self._sent)
        if kind == "contradictory":
            self._sent.remove(event)  # in one batch with its contradiction, a retry would count as one too
            earlier = (datetime.fromisoformat(event["ts"]) - timedelta(minutes=1)).isoformat()
            event = {**event, **self._rng.choice([{"status": "timeout"}, {"ts": earlier}])}
        self.ledger[kind] += 1
        self._site.sink.send(self._site.topics[0], msgspec.json.encode(event), key=event["request_id"])

    def _new(self) -> dict[str, Any]:
        ago = timedelta(seconds=self._rng.uniform(0, 3 * 86_400))
        event = {
            "schema": "prediction/v1",
            "request_id": f"new-{self.ledger['accepted']}",
            "ts": (datetime.now(UTC) - ago).isoformat(),
            "model": {"name": "m"},
            "task": "vqa",
            "status": self._rng.choice(["ok", "error"]),
        }
        self._sent.append(event)
        return event


def test_collectors_of_both_versions_count_every_prediction_once(site: Site, previous: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 (shown when the test fails, to repeat it)
    traffic = Traffic(site, random.Random(seed))
    old = site.start_collector(previous)
    traffic.start()
    try:
        wait_for(lambda: site.stored() > 3000, 90, "something is stored")
        progress = _Progress(site)
        progress.start()
        migrate(site.url)
        stalled = progress.finish()
        by_then = site.number("SELECT count(*) FROM request_ids WHERE request_id LIKE 'new-%'")
        assert site.number("SELECT count(*) FROM arrivals WHERE request_id LIKE 'past-%'") == PAST
        new = site.start_collector(ROOT)
        only_new = "SELECT count(*) FROM arrivals WHERE request_id NOT IN (SELECT request_id FROM request_ids)"
        wait_for(lambda: site.number(only_new) > 1000, 90, "the new version stores")
        after = site.number("SELECT count(*) FROM request_ids WHERE request_id LIKE 'new-%'")
        old.send_signal(signal.SIGTERM)
        assert exit_code(old, 15) == 0
    finally:
        traffic.finish()
    wait_for(lambda: site.stored() == traffic.ledger.total(), 90, "all is stored")
    new.send_signal(signal.SIGTERM)
    assert exit_code(new, 15) == 0
    assert after > by_then, "the previous version wrote on after the migration"
    assert not stalled
    assert dict(site.query("SELECT outcome, sum(records)::int FROM ingest_counters GROUP BY 1")) == traffic.ledger
    accepted = traffic.ledger["accepted"]
    assert site.query("SELECT count(*), count(DISTINCT request_id) FROM predictions") == [(accepted, accepted)]
    assert site.query("SELECT count(*), count(DISTINCT request_id) FROM arrivals") == [(accepted + PAST,) * 2]
    assert site.number("SELECT sum(ok + error) FROM rollups_minute WHERE dimension = ''") == accepted
    mismatches = """
        SELECT count(*) FROM request_ids r LEFT JOIN arrivals a USING (request_id, content_hash, ts)
        WHERE a.request_id IS NULL
    """
    assert site.number(mismatches) == 0


class _Progress(threading.Thread):
    """Watches for a time in which no batch was stored."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self._site = site
        self._over = threading.Event()
        self._stalled = False

    def run(self) -> None:
        last, patience = -1, Patience(LONGEST_STALL_S)
        with ThreadPoolExecutor(1) as pool:  # a look may have to wait as well
            look = pool.submit(self._site.stored)
            while not self._over.is_set():
                if look.done():
                    if look.result() != last:
                        last, patience = look.result(), Patience(LONGEST_STALL_S)
                    look = pool.submit(self._site.stored)
                self._stalled |= not patience.rest()

    def finish(self) -> bool:
        """Whether there was one that was too long."""
        self._over.set()
        self.join()
        return self._stalled
