"""PostgreSQL fails in the middle of a batch: nothing of it stays, and the same batch succeeds later, exactly once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, NullPool, create_engine, make_url, text

from monitor.domain.records import Batch, Partition
from monitor.embedded.probes import to_libpq
from monitor.errors import Fenced, StoreUnavailable
from monitor.services.ingest import IngestService
from monitor.store import rollups
from monitor.store.engine import make_engine
from tests.integration.conftest import make_service
from tests.integration.failures.proxy import Proxy
from tests.pace import wait_for, within

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PARTITIONS = [Partition("cluster", "t", "33333333-3333-3333-3333-333333333333", number) for number in range(2)]
Send = Callable[..., Batch]
Build = Callable[..., dict[str, Any]]
Rows = Callable[..., list[Any]]


@pytest.fixture
def batch(send: Send, prediction: Build, label: Build) -> Batch:
    """Something for every table: predictions, a label, a deployment and garbage."""
    deployment = {"schema": "deployment/v1", "model": "m", "version": "v2", "ts": "2026-11-20T11:00:00Z"}
    return send(
        *(prediction(f"r{index}") for index in range(20)),
        label("r1"),
        {**deployment, "action": "rollout"},
        b"garbage",
        prediction("r2"),
    )


def assert_nothing_is_stored(rows: Rows) -> None:
    for table in ("predictions", "rollups_minute", "labels", "deployments", "dead_letters", "ingest_counters"):
        assert rows(f"SELECT count(*) FROM {table}") == [0], table
    assert rows("SELECT next_offset FROM stream_offsets") == [0]


def assert_stored_once(rows: Rows) -> None:
    assert rows("SELECT count(*) FROM predictions") == [20]
    assert rows("SELECT dimension, sum(ok)::int FROM rollups_minute GROUP BY 1 ORDER BY 1") == [
        ("", 20),
        ("device", 20),
    ]
    assert rows("SELECT (SELECT count(*) FROM labels), (SELECT count(*) FROM deployments)") == [(1, 1)]
    assert rows("SELECT reason FROM dead_letters") == ["unreadable"]
    assert dict(rows("SELECT outcome, sum(records)::int FROM ingest_counters GROUP BY 1")) == {
        "accepted": 22,
        "duplicate": 1,
        "unreadable": 1,
    }
    assert rows("SELECT next_offset FROM stream_offsets") == [24]


def fail_once(engine: Engine, table: str, action: str) -> None:
    """The next row that is written to the table meets a fault of the server. A sequence is not rolled back: once."""
    with engine.begin() as connection:
        connection.execute(text("CREATE SEQUENCE faults"))
        connection.execute(
            text(
                "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                f"IF nextval('faults') = 1 THEN {action}; END IF; RETURN NEW; END $$"
            )
        )
        connection.execute(
            text(f"CREATE TRIGGER fault BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION fault()")
        )


TABLES = (
    "predictions", "rollups_minute", "labels", "deployments", "dead_letters", "ingest_counters", "stream_offsets",
)  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
def test_a_full_disk_in_any_table_leaves_no_trace_of_the_batch(
    ingest: IngestService, engine: Engine, batch: Batch, rows: Rows, table: str
) -> None:
    fail_once(engine, table, "RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'")
    with pytest.raises(StoreUnavailable, match="no space left"):
        ingest.write(batch, NOW)
    assert_nothing_is_stored(rows)
    ingest.write(batch, NOW)
    assert_stored_once(rows)


@pytest.mark.parametrize(
    ("sqlstate", "what"),
    [
        ("53200", "out of memory"),
        ("53300", "too many connections"),
        ("40001", "serialization failure"),
        ("55P03", "lock timeout"),
        ("57014", "statement timeout"),
        ("57P03", "starting up"),
        ("58030", "input/output error"),
        ("25P03", "idle in transaction"),
    ],
)
def test_faults_that_pass_are_tried_again(
    ingest: IngestService, engine: Engine, batch: Batch, rows: Rows, sqlstate: str, what: str
) -> None:
    fail_once(engine, "predictions", f"RAISE EXCEPTION '{what}' USING ERRCODE = '{sqlstate}'")
    with pytest.raises(StoreUnavailable, match=what):
        ingest.write(batch, NOW)
    assert_nothing_is_stored(rows)
    ingest.write(batch, NOW)
    assert_stored_once(rows)


def test_a_database_that_takes_no_writes_for_a_while_is_waited_for(
    ingest: IngestService, engine: Engine, database_url: str, batch: Batch, rows: Rows
) -> None:
    """So providers set it when its disk is nearly full. Sessions that began meanwhile keep it."""
    administrator = create_engine(database_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)

    def alter(setting: str) -> None:
        with administrator.connect() as connection:
            connection.execute(text("SET default_transaction_read_only = off"))
            connection.execute(text(f'ALTER DATABASE "{engine.url.database}" {setting}'))

    alter("SET default_transaction_read_only = on")
    engine.dispose()
    with pytest.raises(StoreUnavailable, match="read-only transaction"):
        ingest.write(batch, NOW)
    assert_nothing_is_stored(rows)  # and leaves a session behind
    alter("RESET default_transaction_read_only")
    with pytest.raises(StoreUnavailable, match="read-only transaction"):
        ingest.write(batch, NOW)
    ingest.write(batch, NOW)
    assert_stored_once(rows)


@pytest.mark.parametrize("table", ["predictions", "stream_offsets", "ingest_counters"])
def test_a_server_process_that_ends_in_the_middle_of_a_copy_leaves_no_trace(
    ingest: IngestService, engine: Engine, batch: Batch, rows: Rows, table: str
) -> None:
    fail_once(engine, table, "PERFORM pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(StoreUnavailable):
        ingest.write(batch, NOW)
    assert_nothing_is_stored(rows)
    ingest.write(batch, NOW)
    assert_stored_once(rows)


# ---- the network -------------------------------------------------------------------------------------------------


@pytest.fixture
def proxy(database_url: str, tmp_path: Path) -> Iterator[Proxy]:
    started = Proxy(Path(str(make_url(database_url).query["host"])), tmp_path)
    yield started
    started.close()


@pytest.fixture
def over_proxy(database_url: str, proxy: Proxy) -> Iterator[IngestService]:
    engine = make_engine(make_url(database_url).update_query_dict({"host": str(proxy.folder)}).render_as_string())
    yield make_service(engine, label_rate=1.0)  # each batch sends as many bytes as the one that was measured
    engine.dispose()


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99])
def test_a_connection_that_breaks_after_any_number_of_bytes_leaves_no_trace(
    over_proxy: IngestService, proxy: Proxy, send: Send, prediction: Build, rows: Rows, share: float
) -> None:
    """The breaks are spread over what a batch sends, most of them inside of its COPYs."""
    warm, measured, broken = (
        send(*(prediction(f"{name}{index:02}") for index in range(20)), b"garbage") for name in "abc"
    )
    over_proxy.write(warm, NOW)
    before = proxy.forwarded
    over_proxy.write(measured, NOW)
    proxy.cut_after(int(share * (proxy.forwarded - before)))
    with pytest.raises(StoreUnavailable):
        over_proxy.write(broken, NOW)
    assert rows("SELECT (SELECT count(*) FROM predictions), (SELECT count(*) FROM dead_letters)") == [(40, 2)]
    proxy.heal()
    over_proxy.write(broken, NOW)
    assert rows("SELECT (SELECT count(*) FROM predictions), (SELECT count(*) FROM dead_letters)") == [(60, 3)]
    assert rows("SELECT sum(ok)::int FROM rollups_minute WHERE dimension = ''") == [60]


def test_a_commit_whose_answer_is_lost_is_not_repeated(
    over_proxy: IngestService, proxy: Proxy, send: Send, prediction: Build, rows: Rows
) -> None:
    """Nobody can know whether it was done. The offset knows: the second try is fenced, and nothing counts twice."""
    over_proxy.write(send(prediction("a")), NOW)
    batch = send(prediction("b"), b"garbage")
    proxy.cut_at(b"INSERT INTO ingest_counters", b"COMMIT\x00")
    with pytest.raises(StoreUnavailable):
        over_proxy.write(batch, NOW)
    proxy.heal()
    wait_for(lambda: rows("SELECT next_offset FROM stream_offsets") == [3], 5, "the commit goes through")
    with pytest.raises(Fenced):
        over_proxy.write(batch, NOW)
    assert rows("SELECT sum(ok)::int FROM rollups_minute WHERE dimension = ''") == [2]
    assert rows("SELECT count(*) FROM dead_letters") == [1]


# ---- locks -------------------------------------------------------------------------------------------------------


def test_a_lock_that_is_held_too_long_is_waited_for_again(
    database_url: str, engine: Engine, batch: Batch, rows: Rows
) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"ALTER ROLE snellen IN DATABASE {engine.url.database} SET lock_timeout = '200ms'"))
    impatient = make_engine(database_url)
    service = make_service(impatient)
    with engine.begin() as holder:
        holder.execute(text("LOCK TABLE rollups_minute IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            service.write(batch, NOW)
    service.write(batch, NOW)
    impatient.dispose()
    assert_stored_once(rows)


def test_a_deadlock_that_postgresql_breaks_is_tried_again(
    ingest: IngestService,
    database_url: str,
    batch: Batch,
    rows: Rows,
    prediction: Build,
    send: Send,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each holds what the other wants. A session looks for a circle once, a while after it has begun to wait; who finds
    one is the victim. The other begins to wait first, and looks too late: only a superuser may be told to."""
    ingest.write(send(prediction("first"), partition=PARTITIONS[0]), NOW)
    superuser = make_url(database_url).set(username="postgres").render_as_string()
    with psycopg.connect(to_libpq(superuser)) as other, ThreadPoolExecutor(1) as pool:
        other.execute("SET deadlock_timeout = '1min'")
        other.execute("SELECT * FROM rollups_minute FOR UPDATE")
        offset = "UPDATE stream_offsets SET updated_at = now() WHERE partition = 0 AND topic_id LIKE '1111%'"
        waiting = f"SELECT 1 FROM pg_locks WHERE NOT granted AND pid = {other.info.backend_pid}"
        add = rollups.add

        def add_late(*what: Any) -> None:
            pool.submit(other.execute, offset)
            wait_for(lambda: rows(waiting), 10, "the other waits for the offset")
            add(*what)

        monkeypatch.setattr(rollups, "add", add_late)
        with pytest.raises(StoreUnavailable, match="deadlock"):
            ingest.write(batch, NOW)
        monkeypatch.undo()
        pool.shutdown()  # the other has it
        other.rollback()
    ingest.write(batch, NOW)
    assert rows("SELECT count(*) FROM predictions") == [21]
    assert rows("SELECT sum(ok)::int FROM rollups_minute WHERE dimension = ''") == [21]


def test_collectors_that_bring_the_same_ids_at_the_same_moment_store_each_once(
    engine: Engine, send: Send, prediction: Build, rows: Rows
) -> None:
    """Duplicate producers: two partitions hold the same events in other orders, and some contradict each other."""
    services = [make_service(engine) for _ in PARTITIONS]
    ids = [f"r{index}" for index in range(200)]
    for start in range(0, len(ids), 20):
        part = ids[start : start + 20]
        contradicted = part[::5]
        one = send(*(prediction(name) for name in part), partition=PARTITIONS[0])
        other = send(
            *(prediction(name, answer="other") if name in contradicted else prediction(name) for name in part[::-1]),
            partition=PARTITIONS[1],
        )
        race(services, [one, other])
    assert rows("SELECT count(*) FROM predictions") == [200]
    assert rows("SELECT sum(ok)::int FROM rollups_minute WHERE dimension = ''") == [200]
    assert dict(rows("SELECT outcome, sum(records)::int FROM ingest_counters GROUP BY 1")) == {
        "accepted": 200,
        "duplicate": 160,
        "contradictory": 40,
    }
    assert rows("SELECT count(*) FROM dead_letters WHERE reason = 'contradictory'") == [40]


def race(services: list[IngestService], batches: list[Batch]) -> None:
    """As collectors do it: what passes is tried again."""
    ready = threading.Barrier(len(services))

    def write(service: IngestService, batch: Batch) -> None:
        ready.wait(5)
        while True:
            try:
                service.write(batch, NOW)
            except StoreUnavailable:
                continue
            return

    with ThreadPoolExecutor(len(services)) as pool:
        for done in [pool.submit(write, *pair) for pair in zip(services, batches, strict=True)]:
            within(30, done.result)


# ---- values that only PostgreSQL refuses -------------------------------------------------------------------------

POSITIONS = {
    "first": {0},
    "middle": {8},
    "last": {15},
    "two beside each other": {7, 8},
    "both ends": {0, 15},
    "every other": set(range(0, 16, 2)),
    "all but one": set(range(16)) - {5},
    "all": set(range(16)),
}


@pytest.mark.parametrize("poison", POSITIONS.values(), ids=POSITIONS)
@pytest.mark.parametrize("sqlstate", ["22021", "54000"])
def test_poison_at_any_position_is_found_and_the_rest_is_stored_once(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build, rows: Rows, poison: set[int], sqlstate: str
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                f"IF NEW.answer = 'poison' THEN RAISE EXCEPTION 'cannot hold it' USING ERRCODE = '{sqlstate}'; END IF; "
                "RETURN NEW; END $$"
            )
        )
        connection.execute(
            text("CREATE TRIGGER refuse BEFORE INSERT ON predictions FOR EACH ROW EXECUTE FUNCTION refuse()")
        )
    answers = ["poison" if index in poison else "fine" for index in range(16)]
    batch = send(*(prediction(f"r{index}", output={"answer": one}) for index, one in enumerate(answers)))
    ingest.write(batch, NOW)
    refused = rows("SELECT record_offset FROM dead_letters WHERE reason = 'unstorable' ORDER BY 1")
    assert refused == sorted(poison)
    assert len(rows("SELECT request_id FROM predictions")) == 16 - len(poison)
    assert sum(rows("SELECT ok FROM rollups_minute WHERE dimension = ''")) == 16 - len(poison)
    with pytest.raises(Fenced):
        ingest.write(batch, NOW)
