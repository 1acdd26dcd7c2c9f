"""Labels that can never be scored are settled, and not looked at again; those that still can be wait."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Engine, text

from monitor import bootstrap
from monitor.domain.records import Batch
from monitor.domain.window import DAY, HOUR, MINUTE
from monitor.privacy import Subjects
from monitor.sampling import StoredShare
from monitor.scheduler import Context, settle_old_labels
from monitor.services.erase import EraseService
from monitor.services.evaluation import Evaluation
from monitor.services.ingest import IngestService
from monitor.services.retain import ON_THE_WAY, retain
from monitor.services.score_labels import score_labels
from monitor.services.sketches import SketchService
from monitor.settings import Retention
from monitor.store import clock
from monitor.store.engine import transaction
from monitor.store.queries.backlog import label_backlog
from monitor.store.scoring import settle
from tests.integration import test_pairing
from tests.integration.conftest import NOW, make_service
from tests.integration.test_label_backlog import TERMS
from tests.logged import ours

pytestmark = pytest.mark.integration
Build = Callable[..., dict[str, Any]]
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]

RATE = 0.1
KEEP = dict(Retention())
STORED = [one for number in range(300) if StoredShare(RATE).holds_undrawn(one := f"r{number}")]
NOT_STORED = [one for number in range(300) if (one := f"r{number}") not in STORED]
FIRST, SECOND = NOW - 2 * DAY, NOW - DAY
WAITING = "SELECT request_id FROM labels WHERE NOT scored ORDER BY 1"


@pytest.fixture
def service(engine: Engine) -> IngestService:
    """Stores a tenth of what it counts, and draws nothing for labelling."""
    return make_service(engine, label_rate=0.0, store_rate=RATE)


@pytest.fixture
def thumb(label: Build) -> Build:
    """What a user says of an answer."""

    return partial(label, annotator={"id": "u", "kind": "user"}, verdict="incorrect")


@pytest.fixture
def settle_at(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Run the scheduler's job at a moment, on both clocks."""
    unused: Any = None
    context = Context(Evaluation(engine, (), unused), unused, unused, KEEP, *(unused,) * 4)

    def run(now: datetime) -> None:
        monkeypatch.setattr(clock, "_NOW", text(f"SELECT timestamptz '{now.isoformat()}'"))
        monkeypatch.setattr(bootstrap, "now", lambda: now)
        settle_old_labels(context)

    return run


def test_labels_of_answers_that_are_not_stored_are_settled_at_once_and_counted(
    engine: Engine, service: IngestService, send: Send, prediction: Build, thumb: Build, rows: Rows,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO)
    ids = [*STORED, *NOT_STORED]
    before = REGISTRY.get_sample_value("snellen_labels_settled_total") or 0
    service.write(send(*map(prediction, ids), *map(thumb, ids)), NOW)
    assert score_labels(engine, chunk=100) == len(STORED)
    assert REGISTRY.get_sample_value("snellen_labels_settled_total") == before + len(NOT_STORED)
    assert sorted(rows("SELECT request_id FROM verdicts")) == sorted(STORED)
    assert rows(WAITING) == []
    said = [one.split()[0] for one in caplog.messages if "labels decide nothing: what they speak of is not" in one]
    assert sum(map(int, said)) == len(NOT_STORED)
    with transaction(engine) as connection:
        assert label_backlog(connection, TERMS, NOW).unmatched == 0
    caplog.clear()
    assert score_labels(engine) == 0
    assert ours(caplog) == []


def test_settled_labels_cost_the_next_tick_no_look(
    engine: Engine, service: IngestService, send: Send, prediction: Build, thumb: Build, rows: Rows
) -> None:
    service.write(send(*map(prediction, NOT_STORED), *map(thumb, NOT_STORED), thumb("early")), NOW)
    score_labels(engine)
    with engine.connect() as connection:
        flush = "SELECT pg_stat_force_next_flush()"
        looks = "SELECT coalesce(sum(idx_scan), 0)::int FROM pg_stat_user_indexes WHERE relname LIKE 'arrivals_%'"
        connection.exec_driver_sql(flush)
    engine.dispose()
    before = rows(looks)
    score_labels(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql(flush)
    engine.dispose()
    assert rows(looks)[0] - before[0] == 1, "that of the early one"


def test_a_label_that_came_first_waits_until_its_prediction_shows_whether_it_is_stored(
    engine: Engine, service: IngestService, send: Send, prediction: Build, thumb: Build, rows: Rows
) -> None:
    both = [STORED[0], NOT_STORED[0]]
    service.write(send(*map(thumb, both)), NOW)
    assert score_labels(engine) == 0
    assert rows(WAITING) == sorted(both)
    service.write(send(*map(prediction, both)), NOW)
    assert score_labels(engine) == 1
    assert rows("SELECT request_id FROM verdicts") == [STORED[0]]
    assert rows(WAITING) == []


def test_a_label_that_comes_while_others_of_its_id_are_settled_is_not_taken_for_one_of_them(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build, thumb: Build, rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    ingest.write(send(prediction("r", ts=FIRST.isoformat()), thumb("r", ts=(FIRST + HOUR).isoformat())), NOW)
    _forget(engine, FIRST)

    def then_another_comes(*given: Any) -> None:
        again = prediction("r", ts=SECOND.isoformat()), thumb("r", ts=(SECOND + HOUR).isoformat())
        ingest.write(send(*again), NOW)
        settle(*given)

    monkeypatch.setattr("monitor.services.score_labels.settle", then_another_comes)
    assert score_labels(engine) == 0
    assert rows(WAITING) == ["r"]
    assert score_labels(engine) == 1
    assert rows("SELECT ts FROM verdicts") == [SECOND]


def test_a_label_speaks_of_one_answer_of_its_id_though_another_is_stored(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build, thumb: Build, rows: Rows
) -> None:
    for ts in (FIRST, SECOND):
        ingest.write(send(prediction("r", ts=ts.isoformat())), NOW)
    _forget(engine, FIRST)
    ingest.write(send(thumb("r", ts=(FIRST + HOUR).isoformat())), NOW)
    assert score_labels(engine) == 0
    assert rows(WAITING) == []
    ingest.write(send(thumb("r", ts=(SECOND + HOUR).isoformat(), annotator={"id": "v", "kind": "user"})), NOW)
    assert score_labels(engine) == 1
    assert rows("SELECT ts, labelled_at FROM verdicts") == [(SECOND, SECOND + HOUR)]


def test_labels_of_predictions_that_are_kept_no_longer_are_settled_at_once(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build, thumb: Build, rows: Rows
) -> None:
    then = NOW - 35 * DAY
    ingest.write(send(prediction("r", ts=then.isoformat())), then)
    retain(engine, KEEP, NOW)
    assert rows("SELECT count(*) FROM predictions") == [0]
    assert rows("SELECT count(*) FROM arrivals") == [1]
    ingest.write(send(thumb("r")), NOW)
    assert score_labels(engine) == 0
    assert rows(WAITING) == []


def test_a_label_waits_as_long_as_arrivals_are_kept_and_then_is_settled(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build, thumb: Build, rows: Rows,
    settle_at: Callable[[datetime], None],
) -> None:  # fmt: skip
    ingest.write(send(thumb("gone", ts=NOW.isoformat()), thumb("late", ts=NOW.isoformat())), NOW)
    over = NOW + KEEP["arrivals"] + ON_THE_WAY
    settle_at(over)
    score_labels(engine)
    assert rows(WAITING) == ["gone", "late"]
    ingest.write(send(prediction("late", ts=NOW.isoformat())), NOW)
    settle_at(over + MINUTE)
    assert rows(WAITING) == []
    assert rows("SELECT request_id FROM verdicts") == ["late"]


def test_the_labels_of_a_replay_wait_however_old_they_are(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build, label: Build, rows: Rows,
    settle_at: Callable[[datetime], None],
) -> None:  # fmt: skip
    old = (NOW - 400 * DAY).isoformat()
    ingest.write(send(label("r", ts=old), replay="again"), NOW)
    settle_at(NOW)
    assert rows(WAITING) == ["r"]
    ingest.write(send(prediction("r", ts=old), replay="again"), NOW)
    assert score_labels(engine) == 1


def test_a_settled_label_counts_once_another_of_its_answer_is_scored(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build, label: Build, rows: Rows,
    settle_at: Callable[[datetime], None],
) -> None:  # fmt: skip
    then = NOW - 400 * DAY
    ingest.write(send(label("r", ts=then.isoformat(), verdict="incorrect")), then)
    settle_at(NOW)
    assert rows("SELECT scored FROM labels") == [True]
    ingest.write(send(prediction("r", ts=then.isoformat()), replay="again"), NOW)
    assert score_labels(engine) == 0
    ingest.write(send(label("r", annotator={"id": "bo", "kind": "human"}, verdict="unsure")), NOW)
    assert score_labels(engine) == 1
    assert rows("SELECT correct FROM verdicts") == [False]


def test_a_label_that_slipped_past_an_erasure_is_settled(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build, thumb: Build, rows: Rows
) -> None:
    ingest.write(send(prediction("r")), NOW)
    erase = EraseService(engine, Subjects(()), SketchService(engine, (), 3))
    erase.requests(["r"], "ops", NOW, dry_run=False)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM erased"))
    ingest.write(send(thumb("r")), NOW)
    assert score_labels(engine) == 0
    assert rows(WAITING) == []


def test_a_label_of_a_call_in_two_records_waits_for_both(
    engine: Engine, ingest: IngestService, send: Send, thumb: Build, rows: Rows
) -> None:
    paired = test_pairing.make(engine)
    ingest.write(send(thumb("a")), NOW)
    paired.write(send(test_pairing.request("a")), NOW)
    assert score_labels(engine) == 0
    assert rows(WAITING) == ["a"]
    paired.write(send(test_pairing.response("a")), NOW)
    assert score_labels(engine) == 1


def _forget(engine: Engine, ts: datetime) -> None:
    """As if the prediction of a time had not been stored."""
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM predictions WHERE ts = :ts"), {"ts": ts})
