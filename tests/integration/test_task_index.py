"""Label tasks are reached by their key, time first: what a look costs does not grow with how many are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from monitor.domain.label_tasks import TaskKey
from monitor.domain.records import Batch
from monitor.domain.window import DAY
from monitor.privacy import Subjects
from monitor.services.erase import EraseService
from monitor.services.retain import make_partitions_ahead, retain
from monitor.services.sketches import SketchService
from monitor.settings import Retention
from monitor.store.engine import transaction
from monitor.store.erasure import delete_tasks
from monitor.store.label_tasks import FILES, give_back, hold
from tests.integration.conftest import NOW, make_service

pytestmark = pytest.mark.integration
Build = Callable[..., dict[str, Any]]
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]

TASKS = 20_000
KEYS = [TaskKey(NOW - number * timedelta(seconds=90), f"r{number}") for number in range(0, TASKS, TASKS // 10)]
IDS = [one.request_id for one in KEYS]
_FILL = text("""
    INSERT INTO label_tasks (ts, request_id, stratum, inclusion_probability)
    SELECT CAST(:now AS timestamptz) - number * interval '90 seconds', 'r' || number, 'all', 1
    FROM generate_series(0, :tasks - 1) AS number
""")
_LOOKS = text("SELECT seq_scan, idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'label_tasks'")


@pytest.fixture
def tasks(engine: Engine) -> None:
    """Of three weeks, with what PostgreSQL knows of them."""
    with engine.begin() as connection:
        connection.execute(_FILL, {"now": NOW, "tasks": TASKS})
        connection.execute(text("ANALYZE label_tasks"))


@contextmanager
def looks_of(connection: Connection) -> Iterator[dict[str, int]]:
    """Once the block is over: how often it walked over all tasks, and how often it looked into an index of them."""
    found: dict[str, int] = {}
    before = connection.execute(_LOOKS).one()
    yield found
    after = connection.execute(_LOOKS).one()
    found.update(walks=after.seq_scan - before.seq_scan, looks=after.idx_scan - before.idx_scan)


@pytest.mark.usefixtures("tasks")
def test_a_file_that_comes_back_finds_its_tasks_by_key(engine: Engine, rows: Rows) -> None:
    with transaction(engine) as connection:
        hold(connection, KEYS, f"{FILES}one", NOW + DAY)
    held = "SELECT count(*) FROM label_tasks WHERE claimed_by IS NOT NULL"
    assert rows(held) == [len(KEYS)]
    with transaction(engine) as connection, looks_of(connection) as found:
        give_back(connection, KEYS)
    assert found == {"walks": 0, "looks": len(KEYS)}
    assert rows(held) == [0]


@pytest.mark.usefixtures("tasks")
def test_an_erasure_finds_the_tasks_by_key(engine: Engine, rows: Rows) -> None:
    make_partitions_ahead(engine, KEYS[-1].ts, days=30)
    with transaction(engine) as connection, looks_of(connection) as found:
        gone = delete_tasks(connection, [(one.request_id, one.ts) for one in KEYS], IDS)
    assert sorted(gone) == sorted(IDS)
    assert found == {"walks": 0, "looks": 1 + len(KEYS)}, "one for tasks from before those days"
    assert rows("SELECT count(*) FROM label_tasks") == [TASKS - len(KEYS)]


@pytest.mark.parametrize("replayed", [False, True], ids=["dropped", "thinned"])
def test_an_erasure_finds_tasks_that_are_kept_longer_than_arrivals(
    engine: Engine, send: Send, prediction: Build, rows: Rows, replayed: bool
) -> None:
    service = make_service(engine, label_rate=1.0)
    then = NOW - 46 * DAY
    make_partitions_ahead(engine, then, days=50)
    service.write(send(prediction("r", ts=then.isoformat()), prediction("s", ts=then.isoformat())), then)
    if replayed:
        service.write(send(prediction("again", ts=then.isoformat()), replay="again"), NOW)
    service.write(send(prediction("r")), NOW)
    retain(engine, {**dict(Retention()), "label_tasks": 400 * DAY}, NOW)
    assert rows("SELECT ts FROM arrivals WHERE request_id = 'r'") == rows(
        "SELECT ts FROM predictions WHERE replay IS NULL"
    )
    erase = EraseService(engine, Subjects(()), SketchService(engine, (), 3))
    assert erase.requests(["r"], "ops", NOW, dry_run=False).rows["label_tasks"] == 2
    assert rows("SELECT request_id FROM label_tasks") == ["s"]
