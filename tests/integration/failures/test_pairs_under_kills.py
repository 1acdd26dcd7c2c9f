"""Both sides of a call in records of their own, anywhere in a topic, while collectors and PostgreSQL are killed.

One side waits in PostgreSQL for the other, which may come to another collector: each call must be met once, and none
may count as lost. SNELLEN_CHAOS_SEED repeats a run, as in `test_chaos.py`.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from monitor.broker import ClientConfig, Sink
from tests.integration.failures.fleet import Fleet, Servers, watch
from tests.pace import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.soak]
CALLS_PER_KILL, APART = 150, 60
"""How many calls come between two kills, and how many of them may lie between the sides of one."""
REPEATED = 0.05
WRITING = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'snellen-ingest' AND xact_start IS NOT NULL"


@pytest.mark.timeout(1800)
def test_sixty_kills_part_no_call_and_meet_none_twice(servers: Servers, tmp_path: Path) -> None:
    kills = int(os.environ.get("SNELLEN_CHAOS_KILLS", "60"))
    seed = int(os.environ.get("SNELLEN_CHAOS_SEED") or random.randrange(2**32))
    print(f"SNELLEN_CHAOS_SEED={seed} SNELLEN_CHAOS_KILLS={kills}")  # noqa: T201 (shown when the test fails)
    rng, calls = random.Random(seed), 0
    logs = tmp_path / "fleet"
    logs.mkdir()
    fleet = Fleet(servers, logs)
    sink = Sink(ClientConfig(servers.broker.bootstrap_servers), linger_ms=2)
    try:
        for _ in range(3):
            fleet.start("ingest")
        for _ in range(kills):
            for side in sides(range(calls, calls + CALLS_PER_KILL), rng):
                sink.send(servers.topics["predictions"], side, key=str(rng.random()))
            sink.flush()
            calls += CALLS_PER_KILL
            strike(servers, fleet, rng)
        wait_for(lambda: _number(servers, "SELECT count(*) FROM predictions") == calls, 120, "all calls are met")
        watch(lambda: _number(servers, "SELECT sum(records)::int FROM ingest_counters"), 2, 60)
        assert fleet.crashes() == []
        assert sorted(servers.rows("SELECT request_id FROM predictions")) == sorted(f"c{one}" for one in range(calls))
        assert servers.rows(
            "SELECT DISTINCT prompt = 'q' || request_id, answer = 'a' || request_id FROM predictions"
        ) == [(True, True)]
        assert servers.rows("SELECT sum(joined)::int, sum(lost)::int FROM pair_counts") == [(calls, 0)]
        assert _number(servers, "SELECT sum(ok)::int FROM rollups_minute WHERE dimension = ''") == calls
        assert servers.rows("SELECT reason FROM dead_letters") == []
    finally:
        sink.close()
        fleet.end()


def sides(numbers: range, rng: random.Random) -> Iterator[bytes]:
    """Of these calls, in an order that puts either side first and others between them; some come twice."""
    placed = [
        (number + rng.uniform(0, APART), number, kind)
        for number in numbers
        for kind in ("request", "response")
        for _ in range(1 + (rng.random() < REPEATED))
    ]
    return (half(number, kind) for _, number, kind in sorted(placed))


def half(number: int, kind: str) -> bytes:
    """As KServe's agent logs it, in structured mode."""
    at = START + timedelta(seconds=number % 3600, milliseconds=100 * (kind == "response"))
    text = {"request": ("instances", f"qc{number}"), "response": ("predictions", f"ac{number}")}[kind]
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": f"c{number}",
            "source": "http://agent/",
            "type": f"org.kubeflow.serving.inference.{kind}",
            "time": at.isoformat(),
            "inferenceservicename": "m",
            "datacontenttype": "application/json",
            "data": {text[0]: [text[1]]},
        }
    )


START = datetime.now(UTC) - timedelta(hours=3)


def strike(servers: Servers, fleet: Fleet, rng: random.Random) -> None:
    """Inside of a transaction, if one is found in time."""
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline and not servers.rows(WRITING):
        pass
    if rng.random() < 0.2:
        servers.kill_postgres()
        servers.postgres.start()
    else:
        member = rng.choice(fleet.of("ingest"))
        fleet.kill(member)
        fleet.start(member.kind)
    fleet.tend()
    time.sleep(rng.uniform(0, 1.5))


def _number(servers: Servers, query: str) -> int:
    return int(servers.rows(query)[0] or 0)
