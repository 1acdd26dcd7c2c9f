"""Everything is killed at random moments: at the end the store equals the ledger that the producer kept outside of it.

The seed is printed; SNELLEN_CHAOS_SEED repeats a run, SNELLEN_CHAOS_KILLS sets how many kills it has.
"""

from __future__ import annotations

import math
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from monitor.broker import ClientConfig, Sink
from monitor.domain.window import Window
from monitor.drift.fit import learn
from monitor.services.score_labels import score_labels
from monitor.services.sketches import SketchService
from monitor.store import references
from monitor.store.embeddings import embedder_id
from monitor.store.engine import make_engine, transaction
from monitor.store.vectors import Source, embedded
from tests.integration.failures.fleet import SESSION_TIMEOUT_S, Fleet, Member, Servers, watch
from tests.integration.failures.ledger import CARRIED_EMBEDDER, DIMENSION, Message, Traffic
from tests.pace import wait_for

pytestmark = pytest.mark.integration
PREDICTIONS_PER_KILL = 300
SHARES = {
    "collector": 0.45, "transaction": 0.2, "embedder": 0.1, "postgres": 0.1, "broker": 0.1, "scheduler": 0.05,
}  # fmt: skip
"""What is killed, as shares of all kills."""
EXTRA = {"zombie": 0.1, "join": 0.1, "leave": 0.1}
"""What else happens, per kill."""
FEWEST, MOST = 2, 4
"""Collectors at a time."""


@pytest.mark.timeout(600)
def test_twenty_kills_lose_nothing_and_double_nothing(servers: Servers, tmp_path: Path) -> None:
    Chaos(servers, tmp_path, kills=int(os.environ.get("SNELLEN_CHAOS_KILLS", "20"))).run()


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_two_hundred_kills_lose_nothing_and_double_nothing(servers: Servers, tmp_path: Path) -> None:
    Chaos(servers, tmp_path, kills=200).run()


class Chaos:
    """One run."""

    def __init__(self, servers: Servers, folder: Path, kills: int) -> None:
        self.seed = int(os.environ.get("SNELLEN_CHAOS_SEED") or random.randrange(2**32))
        print(f"SNELLEN_CHAOS_SEED={self.seed} SNELLEN_CHAOS_KILLS={kills}")  # noqa: T201 (shown when the test fails)
        self.rng = random.Random(self.seed)
        self.servers = servers
        logs = folder / "fleet"
        logs.mkdir()
        self.fleet = Fleet(servers, logs)
        self.traffic = Traffic(self.seed, datetime.now(UTC))
        self.kills = kills
        self.sink = self._connect()

    def run(self) -> None:
        engine = make_engine(self.servers.postgres.url)
        try:
            add_reference(engine)
            for kind in ("ingest", "ingest", "embed", "schedule"):
                self.fleet.start(kind)
            for what in self._plan():
                self._produce(self.traffic.messages(PREDICTIONS_PER_KILL))
                self._wait_for_progress()
                time.sleep(self.rng.uniform(0, 0.4))
                getattr(self, f"_{what}")()
                self.fleet.tend()
            self._drain()
            for member in list(self.fleet.running):
                self.fleet.leave(member)
            assert not self.fleet.crashes()
            self._compare(engine)
        finally:
            self.sink.close()
            self.fleet.end()
            engine.dispose()

    def _plan(self) -> list[str]:
        """What happens, in random order: every kind at least once."""
        counts = {name: max(1, round(share * self.kills)) for name, share in SHARES.items()}
        counts["collector"] += self.kills - sum(counts.values())
        counts |= {name: math.ceil(share * self.kills) for name, share in EXTRA.items()}
        plan = list(Counter(counts).elements())
        self.rng.shuffle(plan)
        return plan

    # ---- what happens ------------------------------------------------------------------------------------------------

    def _collector(self) -> None:
        self._replace(self.rng.choice(self.fleet.of("ingest")))

    def _transaction(self) -> None:
        """Inside a transaction, if one is found: its rows, rollups, sketches and offset must vanish together."""
        working = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'snellen-ingest' AND xact_start IS NOT NULL"
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline and not self.servers.rows(working):
            pass
        self._collector()

    def _embedder(self) -> None:
        self._replace(self.fleet.of("embed")[0])

    def _scheduler(self) -> None:
        self._replace(self.fleet.of("schedule")[0])

    def _postgres(self) -> None:
        self.servers.kill_postgres()
        time.sleep(self.rng.uniform(0, 2))
        self.servers.postgres.start()

    def _broker(self) -> None:
        """The log is gone. What the collectors had read of it they store; what PostgreSQL then lacks is sent again."""
        self.sink.close()
        self.servers.kill_broker()
        watch(lambda: self.servers.rows("SELECT topic_id, partition, next_offset FROM stream_offsets"), 1.5, 60)
        self.servers.start_broker()
        self.sink = self._connect()
        self._produce(self.traffic.again(self.traffic.missing(self.servers.rows)))

    def _zombie(self) -> None:
        """One sleeps until others have its partitions, then goes on where it was."""
        sleeper = self.rng.choice(self.fleet.of("ingest"))
        sleeper.pause()
        try:
            self._produce(self.traffic.messages(PREDICTIONS_PER_KILL))
            time.sleep(2 * SESSION_TIMEOUT_S + self.rng.uniform(0, 1))
        finally:
            sleeper.wake()

    def _join(self) -> None:
        if len(self.fleet.of("ingest")) < MOST:
            self.fleet.start("ingest")

    def _leave(self) -> None:
        members = self.fleet.of("ingest")
        if len(members) > FEWEST:
            self.fleet.leave(self.rng.choice(members))

    def _replace(self, member: Member) -> None:
        self.fleet.kill(member)
        self.fleet.start(member.kind)

    # ---- the producer ------------------------------------------------------------------------------------------------

    def _connect(self) -> Sink:
        return Sink(ClientConfig(self.servers.broker.bootstrap_servers), linger_ms=2)

    def _produce(self, messages: Iterable[Message]) -> None:
        for one in messages:
            self.sink.send(self.servers.topics[one.kind], one.value, key=one.key)
        self.sink.flush()

    def _wait_for_progress(self) -> None:
        """Or not: after a kill the group takes seconds to find together."""
        done = self._stored()
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline and self._stored() == done:
            time.sleep(0.02)

    def _stored(self) -> int:
        return int(self.servers.rows("SELECT coalesce(sum(records), 0) FROM ingest_counters")[0])

    def _drain(self) -> None:
        left: list[Message] = []

        def drained() -> bool:
            self.fleet.tend()
            left[:] = self.traffic.missing(self.servers.rows)
            return not left

        try:
            wait_for(drained, 120, "all that was sent is stored")
        except AssertionError:
            offsets = self.servers.rows("SELECT * FROM stream_offsets")
            print(f"{len(left)} are missing: {left[:5]}", *offsets, *self.fleet.reports(), sep="\n")  # noqa: T201
            raise
        watch(self._stored, 2, 60)

    # ---- the ledger --------------------------------------------------------------------------------------------------

    def _compare(self, engine: Engine) -> None:
        ledger, rows = self.traffic.ledger, self.servers.rows
        expected = {
            request_id: (datetime.fromisoformat(one["ts"]), one["model"]["name"], one["status"], one["slices"])
            for request_id, one in ledger.predictions.items()
        }
        stored = rows("SELECT request_id, ts, model, status, slices FROM predictions")
        assert len(stored) == len(expected)
        assert {request_id: tuple(rest) for request_id, *rest in stored} == expected
        counted = rows(
            "SELECT minute, model, version, variant, task, dimension, value, "
            "ok, error, timeout, rejected, latency, confidence, cost_usd FROM rollups_minute"
        )
        assert {row[:7]: row[7:] for row in counted} == ledger.rollups()
        labels = rows("SELECT request_id, verdict FROM labels")
        assert sorted(labels) == sorted((one["request_id"], one["verdict"]) for one in ledger.labels.values())
        self._compare_dead_letters(rows)
        self._compare_counters(rows)
        self._compare_vectors(rows)
        compare_sketches(engine)
        score_labels(engine)
        verdicts = rows("SELECT request_id, correct FROM verdicts")
        assert sorted(verdicts) == sorted((key, one["verdict"] == "correct") for key, one in ledger.labels.items())

    def _compare_dead_letters(self, rows: Callable[..., list[Any]]) -> None:
        """Each as often as it was read, which is once unless its log was lost and it was sent again."""
        ledger = self.traffic.ledger
        letters = [(bytes(raw), reason) for raw, reason in rows("SELECT raw, reason FROM dead_letters")]
        assert dict(letters) == ledger.rejected
        for raw, times in Counter(raw for raw, _ in letters).items():
            assert 1 <= times <= ledger.sent[raw]

    def _compare_counters(self, rows: Callable[..., list[Any]]) -> None:
        ledger = self.traffic.ledger
        counters = dict(rows("SELECT outcome, sum(records)::int FROM ingest_counters GROUP BY 1"))
        assert counters.pop("accepted") == len(ledger.predictions) + len(ledger.labels)
        duplicates = counters.pop("duplicate", 0)
        assert counters == dict(rows("SELECT reason, count(*)::int FROM dead_letters GROUP BY 1"))
        read = len(ledger.predictions) + len(ledger.labels) + duplicates + sum(counters.values())
        assert read <= sum(ledger.sent.values())

    def _compare_vectors(self, rows: Callable[..., list[Any]]) -> None:
        stored = rows("SELECT request_id, kind FROM embeddings")
        assert len(stored) == len(set(stored))
        expected = {
            (request_id, kind) for request_id, kinds in self.traffic.ledger.embedded().items() for kind in kinds
        }
        assert set(stored) == expected


def add_reference(engine: Engine) -> None:
    """Something to sketch under: the frame does not matter, the sums do."""
    rows = np.random.default_rng(1).normal(size=(400, DIMENSION)).astype(np.float32)
    fit = learn(rows, CARRIED_EMBEDDER)
    now = datetime.now(UTC)
    with transaction(engine) as connection:
        number = embedder_id(connection, CARRIED_EMBEDDER, DIMENSION, None)
        references.next_epoch(connection)
        source = Source("m", number, CARRIED_EMBEDDER)
        references.insert_reference(connection, source, "image", fit, Window(now, now), len(rows), blessed=True)


def compare_sketches(engine: Engine) -> None:
    """Sums that grew batch by batch equal those over all vectors that are stored, to the last unit."""
    sketcher = SketchService(engine, ("device",), 100)
    with transaction(engine) as connection:
        [reference] = references.active_references(connection)
        vectors = list(embedded(connection, Source("m", reference.embedder_id, CARRIED_EMBEDDER)))
        sketcher.admit(vectors)
        expected = {
            (part.dimension, part.value, hour): (one.n, one.sums.tolist())
            for (part, hour), one in sketcher.sketch(reference, vectors).items()
        }
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT dimension, value, hour, n, sums FROM embedding_sketches").all()
    assert expected
    assert {tuple(row[:3]): tuple(row[3:]) for row in found} == expected
