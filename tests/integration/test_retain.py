"""Retention: what goes and what stays, nobody waits for it, and a run that was killed is finished by the next."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from monitor.domain.records import Batch
from monitor.errors import StoreUnavailable
from monitor.services.ingest import IngestService
from monitor.services.retain import Expired, retain
from monitor.settings import Retention
from monitor.store import locks, predictions, retired_days
from monitor.store.expiry import RULES
from monitor.store.models import PARTITIONED_BY_DAY
from monitor.store.partitions import existing_days
from tests.pace import wait_for

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
OLD, OLDER, LAST_KEPT = date(2026, 10, 10), date(2026, 10, 5), date(2026, 10, 21)
KEEP = {**dict(Retention()), "predictions": timedelta(days=30), "arrivals": timedelta(days=30)}
AT_ONCE = timedelta(milliseconds=200)
Build = Callable[..., dict[str, Any]]
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]


@pytest.fixture
def fill(ingest: IngestService, send: Send, prediction: Build) -> Callable[..., None]:
    """Predictions of a day, as they came in on that day."""

    def write(day: date, count: int = 20, replay: str | None = None) -> None:
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        ids = [f"{replay}-{day}-{number}" for number in range(count)]
        ingest.write(send(*(prediction(one, ts=noon.isoformat()) for one in ids), replay=replay), noon)

    return write


def run(engine: Engine, keep: Mapping[str, timedelta] = KEEP, **options: Any) -> dict[str, Expired]:
    return {one.table: one for one in retain(engine, keep, NOW, **options)}


def days_of(engine: Engine, table: str) -> set[date]:
    with engine.connect() as connection:
        return existing_days(connection, [table])


def test_days_that_are_whole_before_the_cutoff_go_and_all_others_stay(
    engine: Engine, fill: Callable[..., None], rows: Rows
) -> None:
    for day in (OLDER, OLD, date(2026, 10, 20), LAST_KEPT, NOW.date()):
        fill(day)
    done = run(engine)
    for table in PARTITIONED_BY_DAY:
        assert done[table].days == (OLDER, OLD, date(2026, 10, 20)), table
        assert days_of(engine, table) == {LAST_KEPT, NOW.date()}, table
    assert rows("SELECT count(*) FROM predictions") == rows("SELECT count(*) FROM arrivals") == [40]
    assert rows("SELECT count(*) FROM pg_class WHERE relname ~ '_20261005'") == [0]


def test_a_dry_run_says_the_same_and_takes_nothing(engine: Engine, fill: Callable[..., None], rows: Rows) -> None:
    fill(OLD)
    fill(OLDER, replay="r")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE predictions, arrivals"))
    keep = {**KEEP, "rollups": timedelta(days=30)}
    told = run(engine, keep, dry_run=True)
    assert (told["predictions"].days, told["predictions"].thinned, told["predictions"].rows) == ((OLD,), (OLDER,), 20)
    assert told["predictions"].bytes > 0
    assert told["rollups_minute"].rows == 2
    assert rows("SELECT count(*) FROM predictions") == [40]
    assert rows("SELECT count(*) FROM rollups_minute") == [4]
    done = run(engine, keep)
    assert (done["predictions"].days, done["predictions"].thinned) == ((OLD,), (OLDER,))
    assert done["rollups_minute"].rows == 2


def test_what_a_replay_sent_stays_and_its_day_is_thinned_once(
    engine: Engine, fill: Callable[..., None], rows: Rows
) -> None:
    fill(OLD)
    fill(OLD, replay="r")
    done = run(engine, {**KEEP, "rollups": timedelta(days=30)})
    assert done["predictions"].thinned == done["arrivals"].thinned == (OLD,)
    assert done["predictions"].rows == done["arrivals"].rows == 20
    assert rows("SELECT DISTINCT replay FROM predictions") == ["r"]
    assert rows("SELECT count(*) FROM arrivals JOIN predictions USING (ts, request_id)") == [20]
    assert rows("SELECT count(*) FROM arrivals") == [20]
    assert rows("SELECT sum(ok) FROM rollups_minute WHERE dimension = ''") == [40]
    assert run(engine)["predictions"].thinned == ()


def test_a_duplicate_is_known_as_long_as_its_arrival_is_kept(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build
) -> None:
    keep = {**KEEP, "arrivals": timedelta(days=60)}
    event = prediction("a", ts="2026-10-10T12:00:00Z")
    then = datetime(2026, 10, 10, 12, 1, tzinfo=UTC)
    ingest.write(send(event), then)
    run(engine, keep)
    assert ingest.write(send(event), then) == {("t", "duplicate"): 1}
    run(engine)
    assert ingest.write(send(event), then) == {("t", "accepted"): 1}


NAME = "CAST(:ts AS text)"
HASH = f"decode(md5({NAME}), 'hex')"
INSERTS = {
    "rollups_minute": "VALUES (:ts, 'm', 'v', 'stable', 'vqa', '', '', 1, 0, 0, 0, '{1}', '{1}', 0)",
    "pair_counts": "VALUES (:ts, 'm', 'v', 'stable', 'vqa', 1, 0)",
    "embedding_sketches": "SELECT id, '', '', :ts, 1, '{1}' FROM drift_references",
    "sketched_hours": "SELECT id, :ts, 1 FROM drift_references",
    "drift_results": "SELECT id, '', '', :ts, :ts, 1, 'ok', null, null, null, '{}' FROM drift_references",
    "drift_judgements": "(reference_id, dimension, value, since, useful, actor, at) "
    "SELECT id, '', '', :ts, true, 'a', :ts FROM drift_references",
    "drift_explanations": "(model, dimension, value, reference_start, reference_end, window_start, window_end, "
    "n_reference, n_current, detail) VALUES ('m', '', '', :ts, :ts, :ts, :ts, 1, 1, '{}')",
    "slice_discoveries": "(model, window_start, window_end, labels, tried, detail) VALUES ('m', :ts, :ts, 1, 1, '{}')",
    "slo_evaluations": "VALUES ('s', :ts, 'ok', 0, 1, null, null, '[]', '{}', false)",
    "alerts": "(slo, severity, opened_at, resolved_at, state, backfilled) VALUES ('s', 'page', :ts, :ts, '{}', false)",
    "silences": "(slos, starts_at, ends_at, created_by, reason) VALUES ('*', :ts, :ts, 'a', 'x')",
    "labels": "(content_hash, request_id, ts, annotator_id, annotator_kind, answers) "
    f"VALUES ({HASH}, 'a', :ts, 'x', 'human', '[]')",
    "verdicts": "(request_id, ts, labelled_at, model, version, variant, task, scorer, slices) "
    f"VALUES ({NAME}, :ts, :ts, 'm', 'v', 'stable', 'vqa', 'label', '{{}}')",
    "accuracy_estimates": "VALUES (:ts, :ts, 'm', :ts, 0.9, 0.8, 1, 100, 100)",
    "label_tasks": f"VALUES ({NAME}, :ts, 'all', 1)",
    "sampling_plans": "(effective_from, base_rate, boost, factors, detail) VALUES (:ts, 0.1, 1, '[]', '{}')",
    "deployments": "(content_hash, ts, model, version, variant, action) "
    f"VALUES ({HASH}, :ts, 'm', 'v', 'stable', 'rollout')",
    "dead_letters": "(topic, topic_id, partition, record_offset, reason, detail, raw, created_at) "
    "VALUES ('t', 'i', 0, extract(epoch FROM CAST(:ts AS timestamptz)) * 1000000, 'x', 'x', '', :ts)",
    "stream_gaps": "(consumer_group, topic, topic_id, partition, expected_offset, resumed_offset, reason, noticed_at) "
    "VALUES ('g', 't', 'i', 0, 0, 1, 'x', :ts)",
    "ingest_counters": "VALUES (:ts, 't', 'accepted', 1)",
    "audit_log": "(at, actor, action, detail) VALUES (:ts, 'a', 'erase', '{}')",
}
REFERENCE = """
    WITH embedder AS (INSERT INTO embedders (fingerprint, dimension) VALUES ('e', 1) RETURNING id)
    INSERT INTO drift_references (model, stream, embedder_id, blessed, active, window_start, window_end, rows, fit)
    SELECT 'm', 'image', id, true, true, now(), now(), 1, '' FROM embedder
"""


@pytest.mark.parametrize("setting", RULES)
def test_rows_go_when_they_are_older_than_their_setting_says(engine: Engine, rows: Rows, setting: str) -> None:
    edge = NOW - KEEP[setting]
    moments = [edge - timedelta(hours=1), edge - timedelta(microseconds=1), edge, edge + timedelta(hours=1)]
    with engine.begin() as connection:
        connection.execute(text(REFERENCE))
        for rule in RULES[setting]:
            statement = text(f"INSERT INTO {rule.table} {INSERTS[rule.table]}")
            connection.execute(statement, [{"ts": one} for one in moments])
    told, done = run(engine, dry_run=True), run(engine)
    for rule in RULES[setting]:
        assert told[rule.table].rows == done[rule.table].rows == 2
        assert rows(f"SELECT min({rule.moment}) FROM {rule.table}") == [edge]


def test_many_rows_go_in_chunks_past_those_that_are_exempt(engine: Engine, rows: Rows) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                """
                INSERT INTO labels (content_hash, request_id, ts, annotator_id, annotator_kind, answers, replay)
                SELECT decode(md5(n::text), 'hex'), 'a', timestamptz '2020-01-01 00:00+00' + (n / 10) * interval '1 s',
                       'x', 'human', '[]', CASE WHEN n % 4 = 0 THEN 'r' END
                FROM generate_series(1, 30000) AS n
            """.replace("::", r"\:\:")
            )
        )
    assert run(engine)["labels"].rows == 22_500
    assert rows("SELECT count(*), count(replay) FROM labels") == [(7_500, 7_500)]


def test_an_open_incident_stays_however_old(engine: Engine, rows: Rows) -> None:
    with engine.begin() as connection:
        statement = INSERTS["alerts"].replace(":ts, :ts", ":ts, NULL")
        connection.execute(text(f"INSERT INTO alerts {statement}"), {"ts": NOW - timedelta(days=2000)})
    assert run(engine)["alerts"].rows == 0


def test_the_sampling_plan_that_holds_stays_however_old(engine: Engine, rows: Rows) -> None:
    with engine.begin() as connection:
        statement = text(f"INSERT INTO sampling_plans {INSERTS['sampling_plans']}")
        connection.execute(statement, [{"ts": NOW - timedelta(days=days)} for days in (2000, 1000)])
    assert run(engine)["sampling_plans"].rows == 1
    assert rows("SELECT effective_from FROM sampling_plans") == [NOW - timedelta(days=1000)]


@pytest.mark.parametrize("after", [timedelta(hours=2), timedelta(0), timedelta(days=-10)], ids=str)
def test_a_sampling_plan_is_as_old_as_the_one_that_took_over(engine: Engine, rows: Rows, after: timedelta) -> None:
    """Plans are stored up to two hours ahead of their time, and the one before holds until then."""
    plans = [NOW - timedelta(days=1000), NOW + after]
    with engine.begin() as connection:
        statement = text(f"INSERT INTO sampling_plans {INSERTS['sampling_plans']}")
        connection.execute(statement, [{"ts": one} for one in plans])
    assert run(engine, dry_run=True)["sampling_plans"].rows == run(engine)["sampling_plans"].rows == 0
    assert rows("SELECT effective_from FROM sampling_plans ORDER BY 1") == plans


def test_rows_are_found_along_an_index(engine: Engine) -> None:
    """But for tables that stay small."""
    with engine.connect() as connection:
        for rule in (rule for rules in RULES.values() for rule in rules):
            leading = text("""
                SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
                WHERE indrelid = to_regclass(:table) AND indpred IS NULL
            """)
            columns = set(connection.execute(leading, {"table": rule.table}).scalars())
            assert rule.moment in columns or rule.table in {"alerts", "stream_gaps", "audit_log"}, rule


def test_every_setting_of_the_section_is_obeyed() -> None:
    assert set(KEEP) == {*RULES, *PARTITIONED_BY_DAY}


def test_ingest_waits_for_no_drop_while_a_long_reader_holds_the_day(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build, fill: Callable[..., None]
) -> None:
    fill(OLD)
    ingest.write(send(prediction("before")), NOW)
    with engine.connect() as reader:
        reader.execute(text("SELECT count(*) FROM predictions"))
        dropping = threading.Thread(target=run, args=(engine,), kwargs={"patience": timedelta(seconds=30)})
        dropping.start()
        _wait_for_value(engine, "SELECT count(*) FROM pg_inherits WHERE inhdetachpending", 1)
        with _watched(engine) as waits:
            for number in range(40):
                ingest.write(send(prediction(f"during-{number}")), NOW)
        assert dropping.is_alive(), "the reader still holds the day"
    wait_for(lambda: not dropping.is_alive(), 20, "the day is dropped")
    assert waits == []
    assert days_of(engine, "predictions") == {NOW.date()}


def test_days_that_are_read_too_long_are_left_for_the_next_run(engine: Engine, fill: Callable[..., None]) -> None:
    fill(OLD)
    fill(OLDER)
    with engine.connect() as reader:
        reader.execute(text("SELECT count(*) FROM predictions"))
        assert run(engine, patience=AT_ONCE)["predictions"].waiting == (OLDER,)
        assert run(engine, patience=AT_ONCE)["predictions"].waiting == (OLDER,)
    assert run(engine, patience=AT_ONCE)["predictions"].days == (OLDER, OLD)
    assert days_of(engine, "predictions") == days_of(engine, "arrivals") == set()


@pytest.mark.parametrize("at", ["leaving", "detached"])
def test_a_run_that_was_killed_is_finished_by_the_next(
    engine: Engine, fill: Callable[..., None], rows: Rows, at: str
) -> None:
    fill(OLD)
    with engine.connect() as reader, engine.connect().execution_options(isolation_level="AUTOCOMMIT") as killed:
        if at == "leaving":
            reader.execute(text("SELECT count(*) FROM predictions"))
            threading.Timer(0.5, _kill_waiting, (engine,)).start()
            with pytest.raises(OperationalError, match="terminating"):
                killed.execute(text("ALTER TABLE predictions DETACH PARTITION predictions_20261010 CONCURRENTLY"))
        else:
            killed.execute(text("ALTER TABLE predictions DETACH PARTITION predictions_20261010 CONCURRENTLY"))
    assert run(engine)["predictions"].days == (OLD,)
    assert rows("SELECT count(*) FROM pg_class WHERE relname ~ '^predictions_20261010'") == [0]


def test_rows_that_a_replay_sends_while_its_day_goes_are_not_lost(
    engine: Engine, fill: Callable[..., None], rows: Rows
) -> None:
    fill(OLD)
    fill(OLD, replay="r")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:  # as if they had come late
        connection.execute(text("ALTER TABLE predictions DETACH PARTITION predictions_20261010 CONCURRENTLY"))
    assert run(engine)["predictions"].waiting == (OLD,)
    assert run(engine)["predictions"].thinned == (OLD,)
    assert rows("SELECT count(*) FROM predictions") == [20]


def test_rows_that_a_replay_sends_at_the_moment_of_the_drop_are_not_lost(
    engine: Engine, fill: Callable[..., None], rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(OLD)
    looked = retired_days.holds_replays

    def look(connection: Connection, day: date) -> bool:
        found = looked(connection, day)
        if "predictions_20261010" not in attached(rows):
            monkeypatch.undo()
            fill(OLD, replay="r")
        return found

    monkeypatch.setattr(retired_days, "holds_replays", look)
    assert run(engine)["predictions"].waiting == (OLD,)
    assert run(engine)["predictions"].thinned == (OLD,)
    assert rows("SELECT count(*) FROM predictions") == rows("SELECT count(*) FROM arrivals") == [20]


def attached(rows: Rows) -> list[str]:
    return rows("SELECT inhrelid::regclass::text FROM pg_inherits")


def test_an_id_whose_day_goes_while_it_is_looked_up_is_tried_again(
    engine: Engine,
    ingest: IngestService,
    send: Send,
    prediction: Build,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ingest.write(send(prediction("a")), NOW)
    claim, threads = predictions.claim, []

    def detach() -> None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ALTER TABLE arrivals DETACH PARTITION arrivals_20261120 CONCURRENTLY"))

    def slow(*arguments: Any) -> set[str]:
        new = claim(*arguments)
        threads.append(threading.Thread(target=detach))
        threads[0].start()
        _wait_for_value(engine, "SELECT count(*) FROM pg_inherits WHERE inhdetachpending", 1)
        return new

    batch = send(prediction("a"))
    monkeypatch.setattr(predictions, "claim", slow)
    with pytest.raises(StoreUnavailable, match="retired"):
        ingest.write(batch, NOW)
    monkeypatch.undo()
    wait_for(lambda: not threads[0].is_alive(), 20, "the day is taken off")
    assert ingest.write(batch, NOW) == {("t", "duplicate"): 1}


def test_of_two_runs_one_does_nothing(engine: Engine, fill: Callable[..., None]) -> None:
    fill(OLD)
    with locks.hold(engine, locks.RETENTION):
        assert run(engine) == {}
    assert run(engine)["predictions"].days == (OLD,)


def test_a_real_process_says_what_would_go(database_url: str, fill: Callable[..., None]) -> None:
    fill(OLD)
    environment = {**os.environ, "SNELLEN_CONFIG": os.devnull, "SNELLEN_DATABASE_URL": database_url}
    command = [sys.executable, "-m", "monitor.cli", "retain", "--dry-run"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == len(PARTITIONED_BY_DAY) + sum(map(len, RULES.values()))
    assert "predictions: before" in done.stdout


@contextmanager
def _watched(engine: Engine) -> Iterator[list[Any]]:
    """Who waits for a lock meanwhile, but for the detach itself."""
    waits: list[Any] = []
    stop = threading.Event()

    def watch() -> None:
        query = text("""
            SELECT locktype, mode, left(query, 60) FROM pg_locks JOIN pg_stat_activity USING (pid)
            WHERE NOT granted AND query NOT LIKE 'ALTER TABLE%DETACH%' AND datname = current_database()
        """)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not stop.wait(0.005):
                waits.extend(connection.execute(query))

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield waits
    stop.set()
    watcher.join()


def _kill_waiting(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE%DETACH%'")
        )


def _wait_for_value(engine: Engine, query: str, value: int) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        wait_for(lambda: connection.execute(text(query)).scalar_one() == value, 20, query)
