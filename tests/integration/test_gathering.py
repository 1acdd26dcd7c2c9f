"""References that are taken into use while ingest goes on: each vector counts once, whoever stores, dies or erases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine

from monitor.domain.records import Batch
from monitor.domain.window import HOUR, Window
from monitor.errors import StoreUnavailable
from monitor.privacy import Subjects
from monitor.services import gathering
from monitor.services.bless import Actor, activate, bless
from monitor.services.cold_start import make_provisional
from monitor.services.erase import EraseService
from monitor.services.evaluate_drift import DriftOptions, evaluate_drift
from monitor.services.ingest import IngestService
from monitor.services.references import ReferenceOptions
from monitor.services.sketches import SketchService
from monitor.store import references as store
from monitor.store import vectors
from monitor.store.engine import transaction
from monitor.store.queries import drift as queries
from tests.integration.vector_traffic import PER_HOUR, START, Hours, vector_hours
from tests.pace import wait_for

REFERENCE = ReferenceOptions(HOUR, 500, 16 * HOUR, slice_dimensions=("device",), max_slice_values=10)
SPAN = Window(START, START + 18 * HOUR)
BY = Actor("ann", START)
Rows = Callable[..., list[Any]]
IN_USE = "SELECT id, active, gathering FROM drift_references WHERE stream = 'image' ORDER BY id"
SUMS = "SELECT dimension, value, hour, n, sums FROM embedding_sketches WHERE reference_id = :id ORDER BY 1, 2, 3"


@pytest.fixture
def hours(engine: Engine, ingest: IngestService, send: Callable[..., Batch]) -> Hours:
    return vector_hours(engine, ingest, send)


@pytest.fixture
def halfway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Runs what it is given in a thread, which stays at the second chunk of what is retained until the context ends."""
    arrived, go_on = threading.Event(), threading.Event()
    sketch, chunks = SketchService.sketch, iter(range(10_000))
    monkeypatch.setattr(gathering, "CHUNK", 200)
    maker = threading.local()

    def slow(self: SketchService, *given: Any) -> Any:
        if getattr(maker, "is_here", False) and next(chunks) == 1:
            arrived.set()
            wait_for(go_on.is_set, 60, "it may go on")
        return sketch(self, *given)

    monkeypatch.setattr(SketchService, "sketch", slow)

    @contextmanager
    def run(make: Callable[[], object]) -> Iterator[None]:
        def work() -> None:
            maker.is_here = True
            make()

        thread = threading.Thread(target=work)
        thread.start()
        wait_for(arrived.is_set, 60, "it is halfway")
        try:
            yield
        finally:
            go_on.set()
            thread.join()

    yield run
    go_on.set()


def expected(engine: Engine, reference: int) -> list[Any]:
    """The sums of all vectors that are stored now, from scratch."""
    with transaction(engine) as connection:
        chosen = store.reference(connection, reference)
        assert chosen is not None
        source = vectors.Source("m", chosen.embedder_id, chosen.fit.fingerprint)
        rows = list(vectors.embedded(connection, source))
    sketcher = REFERENCE.sketcher(engine)
    sketcher.admit(rows)
    cells = sketcher.sketch(chosen, rows).items()
    return sorted(((part.dimension, part.value, hour, one.n, one.sums.tolist()) for (part, hour), one in cells))


def test_ingest_goes_on_while_what_is_retained_is_sketched_and_all_of_it_counts_once(
    engine: Engine, hours: Hours, rows: Rows, halfway: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.store.offsets.LOCK_LIMIT", "200ms")
    hours(0, 18)
    evaluate_drift(engine, DriftOptions(REFERENCE, alpha=0.01), START + 17 * HOUR)
    with halfway(lambda: bless(engine, REFERENCE, "m", SPAN, ["image"], BY)):
        [(former, *is_former), (chosen, *is_chosen)] = rows(IN_USE)
        assert (is_former, is_chosen) == ([True, False], [False, True])
        hours(18, 20)
        hours(2, 4)
        with transaction(engine) as connection:
            assert [one.id for one in store.active_references(connection) if one.stream == "image"] == [former]
            listed = [one.kind for one in queries.references(connection, "m") if one.stream == "image"]
            assert listed == ["provisional", "blessed, being sketched"]
    assert rows(IN_USE) == [(former, False, False), (chosen, True, False)]
    hours(20, 21)
    assert rows("SELECT count(*) FROM embeddings") == [23 * PER_HOUR]
    assert rows(SUMS, id=chosen) == expected(engine, chosen)


def test_going_back_counts_all_of_it_once_too(
    engine: Engine, hours: Hours, rows: Rows, halfway: Callable[..., Any]
) -> None:
    hours(0, 18)
    for _ in range(2):
        bless(engine, REFERENCE, "m", SPAN, ["image"], BY)
    hours(18, 19)
    with halfway(lambda: activate(engine, REFERENCE, 1, BY)):
        hours(19, 20)
    assert rows(IN_USE) == [(1, True, False), (2, False, False)]
    assert rows(SUMS, id=1) == expected(engine, 1)


def test_of_two_who_make_references_the_second_is_told(
    engine: Engine, hours: Hours, rows: Rows, halfway: Callable[..., Any]
) -> None:
    hours(0, 18)
    with halfway(lambda: bless(engine, REFERENCE, "m", SPAN, ["image"], BY)):
        with pytest.raises(StoreUnavailable, match="try again later"):
            bless(engine, REFERENCE, "m", SPAN, ["image"], BY)
        with pytest.raises(StoreUnavailable, match="try again later"):
            activate(engine, REFERENCE, 1, BY)
        assert make_provisional(engine, REFERENCE, START + 17 * HOUR) == 0
    assert rows(IN_USE) == [(1, True, False)]


def test_what_one_that_died_had_gathered_is_let_go(
    engine: Engine, hours: Hours, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours(0, 18)
    [first] = [one.reference for one in bless(engine, REFERENCE, "m", SPAN, ["image"], BY)]
    assert first is not None

    class Died(BaseException):
        pass

    def die(*_: object) -> None:
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(store, "activate", die)
        with pytest.raises(Died):
            bless(engine, REFERENCE, "m", SPAN, ["image"], BY)
    assert rows(IN_USE) == [(1, True, False), (2, False, True)]
    hours(18, 19)
    assert rows(SUMS, id=1) == expected(engine, 1)
    make_provisional(engine, REFERENCE, START + 19 * HOUR)
    assert rows(IN_USE) == [(1, True, False), (2, False, False)]
    assert rows(SUMS, id=2) == []
    hours(19, 20)
    activate(engine, REFERENCE, 2, BY)
    assert rows(SUMS, id=2) == expected(engine, 2)


def test_what_is_erased_meanwhile_is_in_no_sketch(
    engine: Engine, hours: Hours, rows: Rows, halfway: Callable[..., Any]
) -> None:
    """The erasure waits for the reference, and takes its share out of that one too."""
    hours(0, 18)
    eraser = EraseService(engine, Subjects(()), REFERENCE.sketcher(engine))
    erasing = threading.Thread(target=lambda: eraser.requests(["clip@1-0-3"], "ann", START, dry_run=False))
    with halfway(lambda: bless(engine, REFERENCE, "m", SPAN, ["image"], BY)):
        erasing.start()
        erasing.join(1)
        assert erasing.is_alive()
    erasing.join()
    assert rows("SELECT count(*) FROM embeddings") == [18 * PER_HOUR - 1]
    assert rows(SUMS, id=1) == expected(engine, 1)
