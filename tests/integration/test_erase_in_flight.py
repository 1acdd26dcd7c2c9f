"""What is being written when it is erased goes too, and other writers go on meanwhile."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, Engine, text

from monitor.domain.events import Annotator, Label
from monitor.domain.halves import Half
from monitor.domain.records import Batch, Partition, Record
from monitor.domain.window import Window
from monitor.drift.fit import learn
from monitor.errors import SnellenError, StoreUnavailable
from monitor.privacy import Subjects
from monitor.services import ingest as ingesting
from monitor.services.draw_labels import LabelDesign
from monitor.services.erase import EraseService, Erasure
from monitor.services.ingest import IngestService
from monitor.services.sketches import SketchService
from monitor.store import audit, embeddings, erasure, halves, labels, references, writers
from monitor.store.embeddings import EmbeddedPrediction, embedder_id, insert_embeddings
from monitor.store.engine import transaction
from monitor.store.halves import HalfArrival, wait
from monitor.store.labels import LabelArrival, insert_labels
from monitor.store.vectors import Source
from tests.integration.conftest import make_eraser
from tests.pace import wait_for, within

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SENT = NOW - timedelta(seconds=30)
SUBJECTS = Subjects(("extra.user_id",), (b"a key of 16 bytes and more",))
ANN, ID, OTHER = "person-ann-4711", "in-flight-1", "in-flight-2"
VECTOR = np.ones(4, "<f2")
LAST = "resolve_dead_letters"
"""What an ingest does right before its commit."""
LOOKS = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%virtualtransaction%' AND pid <> pg_backend_pid()"
"""How many sessions look for writers, or did last."""
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]
Build = Callable[..., dict[str, Any]]
Erase = Callable[[], Erasure]


@pytest.fixture
def service(engine: Engine) -> EraseService:
    return make_eraser(engine, SUBJECTS)


@pytest.fixture
def ingest(ingest: IngestService, engine: Engine) -> IngestService:
    """Draws and sketches everything, and knows whose it is."""
    options = ingest._options
    privacy = replace(options.privacy, subjects=SUBJECTS)
    options = replace(options, privacy=privacy, labels=LabelDesign(rate=1.0))
    return IngestService(engine, options, SketchService(engine, ("device",), 3).update)


@pytest.fixture
def by_id(service: EraseService) -> Erase:
    return lambda: service.requests([ID], "ops", NOW, dry_run=False)


@pytest.fixture
def by_person(service: EraseService) -> Erase:
    return lambda: service.subject(ANN, "ops", NOW, dry_run=False)


@contextmanager
def in_flight(
    monkeypatch: pytest.MonkeyPatch, write: Callable[[], object], where: Any = ingesting, call: str = LAST
) -> Iterator[Event]:
    """While this write stands before a call in its transaction, until the event is set; afterwards it has committed."""
    go_on, reached, original = Event(), Event(), getattr(where, call)

    def gate(*given: Any) -> Any:
        reached.set()
        wait_for(go_on.is_set, 60, "the write is let on")
        return original(*given)

    with monkeypatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr(where, call, gate)
        written = pool.submit(write)
        try:
            wait_for(reached.is_set, 20, "the write stands there")
            patch.undo()
            yield go_on
        finally:
            go_on.set()
        within(20, written.result)


@contextmanager
def being_erased(engine: Engine, erase: Erase) -> Iterator[Future[Erasure]]:
    """From when it waits, or has not waited at all, until it is done."""
    with ThreadPoolExecutor(1) as pool, engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        erased = pool.submit(erase)
        wait_for(lambda: erased.done() or connection.execute(text(LOOKS)).scalar_one(), 20, "the erasure waits")
        yield erased
        within(20, erased.result)


def of_request(prediction: Build, label: Build) -> list[Any]:
    """Everything that one batch can bring of a request."""
    embedding = {"kind": "image", "embedder": "e", "dtype": "f2", "data": b64encode(VECTOR.tobytes()).decode()}
    return [
        prediction(ID, extra={"user_id": ANN}, embeddings=[embedding]),
        label(ID, comment="said of it"),
        {"schema": "prediction/v9", "request_id": ID, "user": ANN},
    ]


def left_of_it(rows: Rows) -> list[str]:
    """Tables that hold something of the request, but for its arrival."""
    tables = ("predictions", "embeddings", "label_tasks", "labels", "verdicts")
    left = [table for table in tables if rows(f"SELECT count(*) FROM {table} WHERE request_id = :id", id=ID) != [0]]
    left += ["waiting_halves"] if rows("SELECT count(*) FROM waiting_halves") != [0] else []
    return left + (["dead_letters"] if rows("SELECT count(*) FROM dead_letters WHERE raw <> ''") != [0] else [])


@pytest.mark.parametrize("erase", ["by_id", "by_person"])
def test_what_an_ingest_was_writing_goes_when_it_has_committed(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build, label: Build, rows: Rows,
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, erase: str,
) -> None:  # fmt: skip
    _activate_reference(engine)
    run, records = request.getfixturevalue(erase), of_request(prediction, label)
    batch = send(*records)
    with in_flight(monkeypatch, lambda: ingest.write(batch, NOW)) as go_on, being_erased(engine, run) as erased:
        go_on.set()
    done = erased.result()
    assert left_of_it(rows) == []
    assert (done.requests, done.known_before) == (1, False)
    found = {"predictions": 1, "embeddings": 1, "label_tasks": 1, "labels": 1, "dead_letters": 1}
    assert {table: done.rows[table] for table in found} == found
    assert rows("SELECT sum(n) FROM embedding_sketches") == [0]
    assert rows("SELECT sum(ok) FROM rollups_minute WHERE dimension = ''") == [1]
    assert ingest.write(send(*records[:2]), NOW) == {("t", "duplicate"): 2}
    with engine.connect() as connection:
        [entry] = audit.entries(connection, "erase")
    assert (entry.detail["requests"], entry.detail["rows"]) == (1, dict(done.rows))


def append_label(connection: Connection) -> None:
    said = Label(request_id=ID, ts=NOW, annotator=Annotator(id="bob", kind="human"), verdict="correct")
    insert_labels(connection, [LabelArrival(said, b"content of a label", None)])


def append_vector(connection: Connection) -> None:
    """As the embed group does, which made it before."""
    number = embedder_id(connection, "e", 4, None)
    insert_embeddings(
        connection, [EmbeddedPrediction(SENT, ID, "m", "v1", "stable", "vqa", {}, number, "e", {"image": VECTOR})]
    )


def append_side(connection: Connection) -> None:
    record = Record(Partition("c", "t", "i", 0), 0, -1, b"")
    wait(connection, "g", [HalfArrival(Half(ID, "request", NOW, {}), b"", record, None, subject_hash=b"")], NOW)


@pytest.mark.parametrize(
    ("append", "module"), [(append_label, labels), (append_vector, embeddings), (append_side, halves)]
)
def test_who_saw_no_tombstone_and_stores_after_there_is_one_is_waited_for(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build, rows: Rows, by_id: Erase,
    monkeypatch: pytest.MonkeyPatch, append: Callable[[Connection], None], module: Any,
) -> None:  # fmt: skip
    ingest.write(send(prediction(ID)), NOW)

    def write() -> None:
        with transaction(engine) as connection:
            append(connection)

    with in_flight(monkeypatch, write, module, "stage") as go_on, being_erased(engine, by_id):
        assert rows("SELECT count(*) FROM erased") == [1]
        go_on.set()
    assert left_of_it(rows) == []


def test_what_comes_for_a_person_s_request_while_it_is_looked_for_goes(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build, rows: Rows, by_person: Erase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """It does not name the person, but the request that does."""
    ingest.write(send(prediction(ID, extra={"user_id": ANN})), NOW)
    with in_flight(monkeypatch, by_person, erasure, "pairs_of") as go_on, transaction(engine) as connection:
        append_label(connection)
        go_on.set()
        wait_for(lambda: rows("SELECT count(*) FROM erased") != [0], 20, "what was found is remembered")
        [since] = rows("SELECT clock_timestamp()")
        wait_for(lambda: rows(f"{LOOKS} AND query_start > :since", since=since) != [0], 20, "it waits once more")
    assert left_of_it(rows) == []


@pytest.mark.parametrize("append", [append_label, append_vector, append_side])
def test_what_looks_while_the_erasure_waits_stores_nothing(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build, rows: Rows, by_id: Erase,
    monkeypatch: pytest.MonkeyPatch, append: Callable[[Connection], None],
) -> None:  # fmt: skip
    batch = send(prediction(OTHER))
    with in_flight(monkeypatch, lambda: ingest.write(batch, NOW)) as go_on, being_erased(engine, by_id) as erased:
        with transaction(engine) as connection:
            append(connection)
        assert left_of_it(rows) == []
        assert not erased.done()
        go_on.set()


def test_a_prediction_that_comes_later_under_an_erased_id_is_kept_away(
    ingest: IngestService, send: Send, prediction: Build, label: Build, rows: Rows, by_id: Erase
) -> None:
    by_id()
    assert ingest.write(send(prediction(OTHER), *of_request(prediction, label)[:2]), NOW) == {
        ("t", "accepted"): 1,
        ("t", "duplicate"): 2,
    }
    assert left_of_it(rows) == []
    assert rows("SELECT sum(ok) FROM rollups_minute WHERE dimension = ''") == [1]


def test_collectors_go_on_while_an_erasure_waits(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build, label: Build, rows: Rows, by_id: Erase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    first, elsewhere = send(*of_request(prediction, label)), Partition("cluster", "t", "another log", 0)
    with in_flight(monkeypatch, lambda: ingest.write(first, NOW)) as go_on, being_erased(engine, by_id) as erased:
        later = prediction(OTHER, ts=NOW.isoformat(), model={"name": "another", "version": "v1"})
        ingest.write(send(later, label(OTHER), partition=elsewhere), NOW + timedelta(minutes=1))
        assert rows("SELECT request_id FROM predictions") == [OTHER]
        assert not erased.done()
        go_on.set()
    assert rows("SELECT request_id FROM labels") == [OTHER]


def test_who_only_reads_is_not_waited_for(engine: Engine, by_id: Erase, rows: Rows) -> None:
    """A backup reads all tables for hours."""
    with engine.begin() as backup:
        for table in rows(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
        ):
            backup.execute(text(f"LOCK TABLE {table} IN ACCESS SHARE MODE"))
        assert not within(20, by_id).found


def test_a_dry_run_waits_for_nobody_and_remembers_nothing(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build, label: Build, rows: Rows,
    service: EraseService, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    batch = send(*of_request(prediction, label))
    with in_flight(monkeypatch, lambda: ingest.write(batch, NOW)):
        assert not within(20, lambda: service.requests([ID], "ops", NOW, dry_run=True)).found
        assert not within(20, lambda: service.subject(ANN, "ops", NOW, dry_run=True)).found
    assert rows("SELECT count(*) FROM erased") == [0]
    assert rows("SELECT request_id FROM predictions") == [ID]


def test_what_does_not_end_is_named_and_another_attempt_completes_it(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build, label: Build, rows: Rows, by_id: Erase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    batch = send(*of_request(prediction, label))
    monkeypatch.setattr(writers, "PATIENCE_S", 0.1)
    with in_flight(monkeypatch, lambda: ingest.write(batch, NOW)):
        [pid] = rows("SELECT pid FROM pg_locks WHERE relation = 'arrivals'::regclass AND mode = 'RowExclusiveLock'")
        with pytest.raises(StoreUnavailable, match=rf"nothing was removed.*\(pid {pid},"):
            by_id()
    assert rows("SELECT request_id FROM predictions") == [ID]
    done = by_id()
    assert (done.requests, done.rows["predictions"]) == (1, 1)
    assert left_of_it(rows) == []
    again = by_id()
    assert (again.requests, again.found, again.known_before) == (0, False, True)
    with engine.connect() as connection:
        assert [one.detail["requests"] for one in audit.entries(connection, "erase")] == [0, 1]


def test_one_that_fails_remembers_the_ids_and_removes_nothing(
    ingest: IngestService, send: Send, prediction: Build, label: Build, rows: Rows, by_id: Erase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    ingest.write(send(prediction(ID)), NOW)

    def refuse(*_: object) -> None:
        raise SnellenError("the audit log is full")

    with monkeypatch.context() as patch:
        patch.setattr(audit, "record", refuse)
        with pytest.raises(SnellenError, match="full"):
            by_id()
    ingest.write(send(label(ID)), NOW)
    assert rows("SELECT request_id FROM predictions") == [ID]
    assert rows("SELECT count(*) FROM labels") == [0]
    assert by_id().requests == 1
    assert left_of_it(rows) == []


def _activate_reference(engine: Engine) -> None:
    fit = learn(np.random.default_rng(11).normal(size=(2000, 4)), "e")
    with engine.begin() as connection:
        number = embedder_id(connection, fit.fingerprint, fit.dimension, None)
        window = Window(NOW - timedelta(days=2), NOW - timedelta(days=1))
        source = Source("m", number, fit.fingerprint)
        references.insert_reference(connection, source, "image", fit, window, 2000, blessed=True)
        references.next_epoch(connection)
