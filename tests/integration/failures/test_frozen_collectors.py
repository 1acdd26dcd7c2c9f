"""Collectors that freeze while PostgreSQL waits for them: the next owner of their partition does not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine

from monitor.domain.records import Batch, Partition
from monitor.embedded.probes import to_libpq
from monitor.errors import Fenced, StoreUnavailable
from monitor.services.ingest import IngestService
from monitor.services.positions import Positions
from monitor.store import offsets
from monitor.store.packing import Block
from tests.integration.conftest import PARTITION, make_service, register
from tests.pace import Patience, wait_for, within

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
Send = Callable[..., Batch]
Build = Callable[..., dict[str, Any]]
Rows = Callable[..., list[Any]]
WAITED_FOR = """
    SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'active' AND wait_event IN ('ClientRead', 'ClientWrite')
"""
"""A session whose client says, or takes, nothing more."""


def test_a_collector_that_freezes_inside_a_transaction_holds_up_nobody(
    engine: Engine, send: Send, prediction: Build, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its locks would keep the next owner of its partition waiting, and TCP takes hours to notice a lost machine."""
    monkeypatch.setattr(offsets, "IDLE_LIMIT", "300ms")
    frozen, awake = threading.Event(), threading.Event()

    def freeze(*_: object) -> None:
        frozen.set()
        wait_for(awake.is_set, 10, "it may go on")

    sleeper, successor = make_service(engine), make_service(engine)
    monkeypatch.setattr(sleeper, "_sketch", freeze)
    batch = send(prediction("a"), b"garbage")
    with ThreadPoolExecutor(2) as pool:
        asleep = pool.submit(sleeper.write, batch, NOW)
        wait_for(frozen.is_set, 10, "it freezes")
        monkeypatch.setattr(offsets, "IDLE_LIMIT", "30s")  # on a slow machine the successor is idle for a while, too
        within(10, lambda: successor.write(batch, NOW))
        awake.set()
        with pytest.raises(StoreUnavailable):
            within(10, asleep.result)
    with pytest.raises(Fenced):
        make_service(engine).write(batch, NOW)
    assert rows("SELECT sum(ok)::int FROM rollups_minute WHERE dimension = ''") == [1]
    assert rows("SELECT count(*) FROM dead_letters") == [1]


def test_a_collector_that_freezes_inside_a_copy_holds_up_nobody(
    engine: Engine, send: Send, prediction: Build, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No time limit of PostgreSQL's ends a session whose client says nothing more in the midst of a COPY."""
    monkeypatch.setattr(offsets, "IDLE_LIMIT", "300ms")
    monkeypatch.setattr(offsets, "LOCK_LIMIT", "100ms")
    frozen, awake, of = threading.Event(), threading.Event(), Block.of

    def freeze(block: Block, chosen: set[str] | None) -> bytes:
        if not frozen.is_set():
            frozen.set()
            wait_for(awake.is_set, 20, "it may go on")
        return of(block, chosen)

    monkeypatch.setattr(Block, "of", freeze)
    batch = send(prediction("a"))
    with ThreadPoolExecutor(1) as pool:
        asleep = pool.submit(make_service(engine).write, batch, NOW)
        wait_for(frozen.is_set, 10, "it freezes")
        wait_for(lambda: rows(WAITED_FOR), 10, "PostgreSQL waits for it")
        store_in_the_end(make_service(engine), batch)
        awake.set()
        with pytest.raises(StoreUnavailable):
            within(10, asleep.result)
    with pytest.raises(Fenced):
        make_service(engine).write(batch, NOW)
    assert rows("SELECT sum(ok)::int FROM rollups_minute WHERE dimension = ''") == [1]


def test_a_collector_that_freezes_inside_a_large_answer_holds_up_nobody(
    engine: Engine, database_url: str, send: Send, prediction: Build, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor a session whose client does not read what it is told, once the socket is full."""
    monkeypatch.setattr(offsets, "IDLE_LIMIT", "300ms")
    monkeypatch.setattr(offsets, "LOCK_LIMIT", "100ms")
    make_service(engine).write(send(prediction("a")), NOW)
    with closing(psycopg.connect(to_libpq(database_url))) as sleeper:
        sleeper.execute(
            "SELECT set_config('idle_in_transaction_session_timeout', '300ms', true),"
            " set_config('statement_timeout', '300ms', true)"
        )
        sleeper.execute("UPDATE stream_offsets SET updated_at = now()")
        sleeper.pgconn.send_query(b"SELECT repeat('x', 1000) FROM generate_series(1, 100000)")
        wait_for(lambda: rows(WAITED_FOR), 10, "PostgreSQL waits for it")
        store_in_the_end(make_service(engine), send(prediction("b")))
        told = sleeper.pgconn.get_result()
    assert told is not None
    assert told.status == psycopg.pq.ExecStatus.FATAL_ERROR, "its session goes on"
    assert rows("SELECT sum(ok)::int FROM rollups_minute WHERE dimension = ''") == [2]


def test_the_end_of_a_log_is_not_waited_for_where_a_frozen_collector_moves_its_offset(
    engine: Engine, database_url: str, rows: Rows
) -> None:
    """On the thread that notes it, the batch would wait that ends the frozen session."""
    other = Partition("cluster", "t", PARTITION.topic_id, 1)
    for one in (PARTITION, other):
        register(engine, one)
    positions = Positions(engine, "g", lambda: NOW)
    with closing(psycopg.connect(to_libpq(database_url))) as sleeper, ThreadPoolExecutor(1) as pool:
        sleeper.execute("UPDATE stream_offsets SET next_offset = 1 WHERE partition = 0")
        noted = pool.submit(positions.note_ends, {PARTITION: 7, other: 9})
        try:
            within(10, noted.result)
        finally:
            sleeper.rollback()
    assert rows("SELECT end_offset FROM stream_offsets ORDER BY partition") == [None, 9]
    positions.note_ends({PARTITION: 7, other: 9})
    assert rows("SELECT end_offset FROM stream_offsets ORDER BY partition") == [7, 9]


def test_a_frozen_collector_holds_up_nobody_who_finds_its_records_expired(
    engine: Engine, database_url: str, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offsets, "IDLE_LIMIT", "300ms")
    monkeypatch.setattr(offsets, "LOCK_LIMIT", "100ms")
    register(engine, PARTITION)
    positions, found = Positions(engine, "g", lambda: NOW), None
    with closing(psycopg.connect(to_libpq(database_url))) as sleeper:
        sleeper.execute("UPDATE stream_offsets SET updated_at = now()")
        sleeper.pgconn.send_query(b"SELECT repeat('x', 1000) FROM generate_series(1, 100000)")
        patience = Patience(20)
        while found is None and patience.rest():
            with suppress(StoreUnavailable):
                found = positions.start(PARTITION, 5, beyond_end=False)
    assert found == 5
    assert rows("SELECT resumed_offset FROM stream_gaps") == [5]


def store_in_the_end(service: IngestService, batch: Batch) -> None:
    """Store a batch as a collector does, which tries again."""
    patience = Patience(10)
    while True:
        try:
            within(10, lambda: service.write(batch, NOW))
        except StoreUnavailable:
            assert patience.rest(), "it is refused again and again"
        else:
            return
