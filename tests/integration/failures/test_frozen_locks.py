"""Processes that stop while they hold a lock: Ctrl-Z in a backfill must not end all alerting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from monitor.errors import StoreUnavailable
from monitor.services import backfill as service
from monitor.services.backfill import CHUNK, backfill
from monitor.services.evaluation import Evaluation
from monitor.store import locks
from monitor.store.engine import transaction
from tests.pace import wait_for

pytestmark = pytest.mark.integration
START = datetime(2026, 3, 1, tzinfo=UTC)
HOLDER = """
import sys
from monitor.store import locks
from monitor.store.engine import make_engine

locks.SILENT_S = 2.0
with locks.hold(make_engine(sys.argv[1]), locks.BACKFILL):
    print("held", flush=True)
    sys.stdin.readline()
"""


def is_held(engine: Engine) -> bool:
    with transaction(engine) as connection:
        return locks.is_held(connection, locks.BACKFILL)


def test_a_process_that_is_stopped_loses_its_lock_and_learns_of_it(engine: Engine, database_url: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, database_url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stderr is not None
        assert holder.stdout.readline() == "held\n"
        os.kill(holder.pid, signal.SIGSTOP)
        assert is_held(engine)
        wait_for(lambda: not is_held(engine), 20, "the lock is free")
        os.kill(holder.pid, signal.SIGCONT)
        holder.stdin.close()
        assert "StoreUnavailable" in holder.stderr.read()
    assert holder.returncode == 1


@pytest.mark.parametrize("how", [locks.hold, locks.try_hold])
def test_who_works_for_long_keeps_it(engine: Engine, monkeypatch: pytest.MonkeyPatch, how: Any) -> None:
    monkeypatch.setattr(locks, "SILENT_S", 1.0)
    with how(engine, locks.BACKFILL):
        until = time.monotonic() + 3.0
        while time.monotonic() < until:
            assert is_held(engine)
            time.sleep(0.05)
    assert not is_held(engine)


def test_what_is_set_on_the_session_of_a_lock_goes_with_it(engine: Engine) -> None:
    with locks.hold(engine, locks.BACKFILL):
        pass
    with engine.connect() as connection:
        assert connection.execute(text("SHOW idle_session_timeout")).scalar() == "0"


def test_a_backfill_that_lost_its_lock_writes_no_more_history(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Live ticks went on meanwhile, and incidents are carried forward in time."""
    chunks: list[Sequence[datetime]] = []
    unused: Any = None

    def stopped(evaluation: Evaluation, ticks: Sequence[datetime], **_: object) -> None:
        chunks.append(ticks)
        with engine.begin() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
                    "WHERE datname = current_database() AND locktype = 'advisory' AND granted"
                )
            )

    monkeypatch.setattr(service, "evaluate_ticks", stopped)
    with pytest.raises(StoreUnavailable):
        backfill(Evaluation(engine, (), unused), START, START + timedelta(minutes=3 * CHUNK))
    assert len(chunks) == 1
