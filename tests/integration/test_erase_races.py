"""Who read of a request before it was erased does not write it down again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, text

from monitor.discovery import Discoveries
from monitor.domain.slices import ALL_TRAFFIC
from monitor.domain.window import DAY, Window
from monitor.explain import Explanation
from monitor.privacy import Subjects
from monitor.services import score_labels as scoring
from monitor.services.erase import EraseService
from monitor.services.ingest import IngestService
from monitor.services.score_labels import score_labels
from monitor.services.sketches import SketchService
from monitor.stats.weighted import weighted_share
from monitor.store.discoveries import insert_discovery
from monitor.store.engine import transaction
from monitor.store.explanations import Compared, insert_explanation
from tests.pace import wait_for, within

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WEEK = Window.before(NOW, 7 * DAY)
Rows = Callable[..., list[Any]]


@pytest.fixture
def erase(engine: Engine) -> Callable[[str], object]:
    service = EraseService(
        engine, Subjects(("extra.user_id",), (b"a key of 16 bytes and more",)), SketchService(engine, (), 3)
    )
    return lambda request_id: service.requests([request_id], "ops", NOW, dry_run=False)


@pytest.mark.parametrize("drawn", [True, False], ids=["drawn", "not_drawn"])
def test_a_verdict_that_is_being_written_goes_with_its_request(
    engine: Engine, ingest: IngestService, send: Any, prediction: Any, label: Any, erase: Callable[[str], object],
    rows: Rows, monkeypatch: pytest.MonkeyPatch, drawn: bool,
) -> None:  # fmt: skip
    ingest.write(send(prediction("r1"), label("r1"), prediction("r2"), label("r2")), NOW)
    if drawn:
        with engine.begin() as connection:
            connection.execute(_DRAW)
    taken, on, upsert = threading.Event(), threading.Event(), scoring.upsert_verdicts

    def slowly(*given: Any) -> None:
        taken.set()
        wait_for(on.is_set, 20, "the erasure waits")
        upsert(*given)

    monkeypatch.setattr(scoring, "upsert_verdicts", slowly)
    with ThreadPoolExecutor(2) as pool:
        scored = pool.submit(score_labels, engine)
        wait_for(taken.is_set, 20, "verdicts are written")
        erased = pool.submit(erase, "r1")
        _wait_for_lock(engine)
        on.set()
        assert within(20, scored.result) == 2
        within(20, erased.result)
    for table in ("verdicts", "labels", "label_tasks", "predictions"):
        assert "r1" not in rows(f"SELECT request_id FROM {table}"), table
    assert rows("SELECT request_id FROM verdicts") == ["r2"]


def test_examples_chosen_before_an_erasure_are_not_stored_after_it(
    engine: Engine, erase: Callable[[str], object], rows: Rows
) -> None:
    erase("r1")
    keys = [(NOW, "r1"), (NOW, "r2")]
    nothing = Explanation(200, 200, (), (), ())
    with transaction(engine) as connection:
        insert_explanation(connection, Compared("m", ALL_TRAFFIC, WEEK, WEEK), nothing, keys, NOW)
        insert_discovery(connection, "m", WEEK, Discoveries(2, weighted_share([True, False]), 0, ()), [keys], NOW)
    assert rows("SELECT request_id FROM explanation_examples") == ["r2"]
    assert rows("SELECT request_id FROM discovery_examples") == ["r2"]


_DRAW = text(
    "INSERT INTO label_tasks (request_id, ts, model, version, variant, task, slices, inclusion_probability, in_base, "
    "annotators, stratum) SELECT request_id, ts, model, version, variant, task, slices, 0.1, true, 1, '' "
    "FROM predictions ON CONFLICT DO NOTHING"
)


def _wait_for_lock(engine: Engine) -> None:
    """Until a session waits for an advisory lock."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        wait_for(lambda: connection.execute(waiting).scalar(), 20, "the erasure waits for the scorer")
