"""Collectors killed at random moments: at the end the store equals a ledger that the producer kept outside of it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.broker import ClientConfig, Sink, ensure_topics

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
PREDICTIONS, KILLS = 12_000, 6


class Collectors:
    """Real collector processes on the topics of one test."""

    def __init__(self, database_url: str, broker: str, topic: str) -> None:
        self.topics = [f"{topic}.predictions", f"{topic}.labels", f"{topic}.deployments"]
        ensure_topics(ClientConfig(broker), self.topics, 4)
        self.env = {
            **os.environ,
            "SNELLEN_CONFIG": "/dev/null",
            "SNELLEN_DATABASE_URL": database_url,
            "SNELLEN_KAFKA__BOOTSTRAP_SERVERS": broker,
            "SNELLEN_KAFKA__GROUP": topic,
            "SNELLEN_KAFKA__PREDICTIONS_TOPIC": self.topics[0],
            "SNELLEN_KAFKA__LABELS_TOPIC": self.topics[1],
            "SNELLEN_KAFKA__DEPLOYMENTS_TOPIC": self.topics[2],
            "SNELLEN_INGEST__BATCH_RECORDS": "300",
        }
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        command = [sys.executable, "-m", "collectors", "ingest"]
        self.running.append(subprocess.Popen(command, env=self.env, cwd=ROOT, stderr=subprocess.DEVNULL))

    def kill(self, rng: random.Random) -> None:
        victim = self.running.pop(rng.randrange(len(self.running)))
        victim.kill()
        victim.wait()

    def stop(self) -> list[int]:
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        return [process.wait(15) for process in self.running]


@pytest.fixture
def collectors(database_url: str, broker: str, topic: str) -> Iterator[Collectors]:
    started = Collectors(database_url, broker, topic)
    yield started
    for process in started.running:
        process.kill()
        process.wait()


def test_kills_lose_nothing_and_double_nothing(
    collectors: Collectors, broker: str, rows: Callable[..., list[Any]]
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 (shown when the test fails, to repeat it)
    rng = random.Random(seed)
    ledger = _produce(Sink(ClientConfig(broker)), collectors.topics, rng)
    collectors.start()
    collectors.start()
    for _ in range(KILLS):
        before = rows("SELECT coalesce(sum(records), 0) FROM ingest_counters")[0]
        _wait_for(
            lambda past=before: (
                rows("SELECT coalesce(sum(records), 0) FROM ingest_counters")[0] > past or _done(rows, ledger)
            )
        )
        time.sleep(rng.uniform(0.0, 0.3))
        collectors.kill(rng)
        collectors.start()
    _wait_for(lambda: _done(rows, ledger))
    # One that was started a moment ago may not have its handler yet: then the signal itself ends it.
    assert set(collectors.stop()) <= {0, -signal.SIGTERM}
    assert rows("SELECT count(*), count(DISTINCT request_id) FROM predictions") == [
        (ledger["accepted"], ledger["accepted"])
    ]
    assert rows("SELECT sum(ok + error) FROM rollups_minute WHERE dimension = ''") == [ledger["accepted"]]
    assert rows("SELECT sum(ok + error) FROM rollups_minute WHERE dimension = 'device'") == [ledger["accepted"]]
    assert rows("SELECT count(*) FROM labels") == [ledger["labels"]]
    assert dict(rows("SELECT reason, count(*) FROM dead_letters GROUP BY 1")) == {
        "unreadable": ledger["unreadable"],
        "contradictory": ledger["contradictory"],
    }
    assert dict(rows("SELECT outcome, sum(records)::int FROM ingest_counters GROUP BY 1")) == {
        "accepted": ledger["accepted"] + ledger["labels"],
        "duplicate": ledger["duplicate"],
        "unreadable": ledger["unreadable"],
        "contradictory": ledger["contradictory"],
    }


def _produce(sink: Sink, topics: list[str], rng: random.Random) -> Counter[str]:
    """Predictions with retries, contradictions and garbage among them; the ledger says how many of each."""
    ledger: Counter[str] = Counter()
    start = datetime.now(UTC) - timedelta(hours=3)
    for index in range(PREDICTIONS):
        event = {
            "schema": "prediction/v1",
            "request_id": f"k{index}",
            "ts": (start + timedelta(seconds=index / 2)).isoformat(),
            "model": {"name": "m"},
            "task": "vqa",
            "status": rng.choice(["ok", "error"]),
            "slices": {"device": f"cam-{index % 3}"},
        }
        key = event["request_id"]
        sink.send(topics[0], msgspec.json.encode(event), key=key)
        ledger["accepted"] += 1
        if rng.random() < 0.05:
            sink.send(topics[0], msgspec.json.encode(event), key=key)
            ledger["duplicate"] += 1
        if rng.random() < 0.02:
            sink.send(topics[0], msgspec.json.encode({**event, "status": "timeout"}), key=key)
            ledger["contradictory"] += 1
        if rng.random() < 0.02:
            sink.send(topics[0], b"{" + rng.randbytes(20))
            ledger["unreadable"] += 1
        if rng.random() < 0.2:
            label = {
                "schema": "label/v1",
                "request_id": key,
                "ts": event["ts"],
                "annotator": {"id": "a", "kind": "human"},
            }
            sink.send(topics[1], msgspec.json.encode(label), key=key)
            ledger["labels"] += 1
    sink.flush()
    sink.close()
    return ledger


def _done(rows: Callable[..., list[Any]], ledger: Counter[str]) -> bool:
    stored: int = rows("SELECT coalesce(sum(records), 0) FROM ingest_counters")[0]
    return stored >= sum(ledger.values())


def _wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "no progress"
        time.sleep(0.05)
