"""Agreement as it is reported: from stored labels by the answer's scorer, on the tasks that chance gave to several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from sqlalchemy import Engine

from monitor.domain.records import Batch
from monitor.domain.window import DAY, Window
from monitor.services.agree import AgreementReport, agreement
from monitor.services.draw_labels import LabelDesign
from monitor.services.ingest import IngestService
from monitor.services.score_labels import score_labels
from monitor.store.engine import transaction
from monitor.store.queries.selection import EVERYTHING, Selection
from tests.integration.conftest import make_service

pytestmark = pytest.mark.integration
Build = Callable[..., dict[str, Any]]
Send = Callable[..., Batch]

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def report(engine: Engine, selection: Selection = EVERYTHING) -> AgreementReport:
    score_labels(engine)
    with transaction(engine) as connection:
        return agreement(connection, Window.before(NOW, DAY), selection)


@pytest.fixture
def service(engine: Engine) -> IngestService:
    options = replace(make_service(engine)._options, labels=LabelDesign(rate=1.0, overlap=0.5))
    return IngestService(engine, options, lambda *_: None)


def by(name: str) -> dict[str, str]:
    return {"id": name, "kind": "human"}


def test_coefficients_are_those_of_what_was_said_on_tasks_for_several(
    engine: Engine, service: IngestService, send: Send, prediction: Build, label: Build
) -> None:
    ids = [f"r{number}" for number in range(80)]
    rng = np.random.default_rng(5)
    said = {one: rng.random(2) < (0.8, 0.7) for one in ids}
    service.write(send(*(prediction(one) for one in ids)), NOW)
    words = [
        label(one, annotator=by(name), verdict=None, answers=["a mug" if right else "a cup"])
        for one, rights in said.items()
        for name, right in zip(("ann", "bo"), rights, strict=True)
    ]
    service.write(send(*words), NOW)
    found = report(engine)
    with engine.connect() as connection:
        query = "SELECT request_id FROM label_tasks WHERE annotators = 2"
        together = [row[0] for row in connection.exec_driver_sql(query)]
    assert 20 < len(together) == found.units < 60
    table = np.array([said[one] for one in together])
    (pair,) = found.pairs
    assert (pair.first, pair.second, pair.units) == ("ann", "bo", len(together))
    assert pair.alike == (table[:, 0] == table[:, 1]).sum()
    assert pair.kappa is not None
    assert pair.kappa.coefficient == pytest.approx(cohen_kappa_score(*table.T))
    assert found.alpha is not None
    assert found.fleiss is not None
    assert found.alpha.coefficient > found.fleiss.coefficient
    assert found.ratings is None
    assert report(engine, Selection(model="other")).units == 0


def test_last_words_count_and_neither_complaints_nor_adjudications_do(
    engine: Engine, service: IngestService, send: Send, prediction: Build, label: Build
) -> None:
    options = replace(service._options, labels=LabelDesign(rate=1.0, annotators=2))
    IngestService(engine, options, lambda *_: None).write(send(prediction("r")), NOW)
    service.write(
        send(
            label("r", annotator=by("ann"), verdict="incorrect", ts="2026-11-20T11:00:00Z"),
            label("r", annotator=by("ann"), verdict="correct", ts="2026-11-20T11:01:00Z"),
            label("r", annotator=by("ann"), verdict=None, safety_violation=False, ts="2026-11-20T11:02:00Z"),
            label("r", annotator=by("bo"), verdict="unsure"),
            label("r", annotator=by("chi"), verdict="correct"),
            label("r", annotator=by("dee"), verdict="incorrect", adjudicates=True),
            label("r", annotator={"id": "u", "kind": "user"}, verdict="incorrect"),
        ),
        NOW,
    )
    found = report(engine)
    assert (found.units, found.unsure) == (1, 1)
    assert [(one.first, one.second, one.alike, one.kappa) for one in found.pairs] == [("ann", "chi", 1, None)]
    assert found.alpha is None


def test_ratings_are_compared_by_their_distance(
    engine: Engine, service: IngestService, send: Send, prediction: Build, label: Build
) -> None:
    options = replace(service._options, labels=LabelDesign(rate=1.0, annotators=2))
    ids = [f"c{number}" for number in range(6)]
    IngestService(engine, options, lambda *_: None).write(
        send(*(prediction(one, task="captioning") for one in ids)), NOW
    )
    words = [
        label(one, annotator=by(name), verdict=None, rating=20.0 * number + shift)
        for number, one in enumerate(ids)
        for name, shift in (("ann", 0.0), ("bo", 2.0))
    ]
    service.write(send(*words), NOW)
    found = report(engine)
    assert found.ratings is not None
    assert found.ratings.coefficient > 0.99


def test_two_answers_of_one_id_are_two_units(
    engine: Engine, service: IngestService, send: Send, prediction: Build, label: Build
) -> None:
    """Ids need to be unique over days, not forever: what was said on one day is not said of the other's answer."""
    twice = IngestService(
        engine, replace(service._options, labels=LabelDesign(rate=1.0, annotators=2)), lambda *_: None
    )
    said = {2: ("correct", "incorrect"), 1: ("correct", "correct")}
    for ago, verdicts in said.items():
        asked = NOW - ago * DAY
        words = [
            label("r", annotator=by(name), verdict=verdict, ts=(asked + DAY / 4).isoformat())
            for name, verdict in zip(("ann", "bo"), verdicts, strict=True)
        ]
        twice.write(send(prediction("r", ts=asked.isoformat()), *words), NOW)
        score_labels(engine)
    with transaction(engine) as connection:
        found = agreement(connection, Window.before(NOW, 7 * DAY), EVERYTHING)
    assert found.units == 2
    assert [(one.units, one.alike) for one in found.pairs] == [(2, 1)]


def test_words_that_came_before_their_answer_are_said_of_it(
    engine: Engine, service: IngestService, send: Send, prediction: Build, label: Build
) -> None:
    """By a clock that is behind."""
    twice = IngestService(
        engine, replace(service._options, labels=LabelDesign(rate=1.0, annotators=2)), lambda *_: None
    )
    early = "2026-11-20T11:59:29Z"
    words = [label("r", annotator=by(name), ts=ts) for name, ts in (("ann", early), ("bo", "2026-11-20T11:59:40Z"))]
    twice.write(send(prediction("r"), *words), NOW)
    found = report(engine)
    assert [(one.units, one.alike) for one in found.pairs] == [(1, 1)]
