"""Sampling plans: made of the traffic that was counted, in force from a whole hour on, alike for every replica."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from monitor.domain.records import Batch
from monitor.domain.window import HOUR
from monitor.sampling import LabelPlan
from monitor.services.draw_labels import REFRESH, LabelDesign
from monitor.services.ingest import IngestService
from monitor.services.plan_labels import AHEAD, PlanOptions, plan_labels
from monitor.store.engine import transaction
from monitor.store.sampling_plans import insert_plan, stored_plans
from tests.integration.conftest import make_service

pytestmark = pytest.mark.integration
Build = Callable[..., dict[str, Any]]
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DESIGN = LabelDesign(rate=0.5, boost=2.0)
OPTIONS = PlanOptions(DESIGN, daily_budget=600, slice_minimum=40)


def serve(service: IngestService, send: Send, prediction: Build, hours: int, each: int = 100) -> None:
    """So many answers an hour before NOW, one in fifty of them of a rare camera."""
    for hour in range(hours):
        at = NOW - (hours - hour) * HOUR
        service.write(
            send(
                *(
                    prediction(
                        f"{hour}-{index}",
                        ts=(at + timedelta(seconds=30 * index)).isoformat(),
                        slices={"device": "rare" if index % 50 == 0 else "common"},
                        output={"answer": "a", "confidence": 0.975},
                    )
                    for index in range(each)
                )
            ),
            NOW,
        )


def test_a_plan_meets_the_budget_and_the_minimum_of_rare_slices(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build, rows: Rows
) -> None:
    serve(ingest, send, prediction, hours=4)
    plan = plan_labels(engine, OPTIONS, NOW + timedelta(minutes=7))
    assert plan is not None
    assert plan.effective_from == NOW + AHEAD
    common, rare = (plan.probability({"device": name}, 0.975) for name in ("common", "rare"))
    assert 2352 * common + 48 * rare == pytest.approx(600, rel=1e-3)
    assert 48 * rare == pytest.approx(40, rel=1e-3)
    with transaction(engine) as connection:
        (stored,) = stored_plans(connection)
    assert stored == replace(plan, version=stored.version)
    assert rows("SELECT detail ->> 'answers_a_day' FROM sampling_plans") == ["2400.0"]


def test_a_plan_stays_while_it_fits_and_replicas_store_one_only(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build, rows: Rows
) -> None:
    serve(ingest, send, prediction, hours=4)
    assert plan_labels(engine, OPTIONS, NOW) is not None
    assert plan_labels(engine, OPTIONS, NOW) is None
    assert plan_labels(engine, OPTIONS, NOW + timedelta(minutes=59)) is None
    assert plan_labels(engine, replace(OPTIONS, daily_budget=300), NOW) is None  # this hour has its plan
    assert plan_labels(engine, replace(OPTIONS, daily_budget=300), NOW + HOUR) is not None
    assert rows("SELECT count(*) FROM sampling_plans") == [2]


def test_labels_of_several_people_count_against_the_budget(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build
) -> None:
    serve(ingest, send, prediction, hours=4)
    twice = PlanOptions(replace(DESIGN, annotators=2), daily_budget=600, slice_minimum=0)
    plan = plan_labels(engine, twice, NOW)
    assert plan is not None
    assert 2400 * plan.probability({"device": "common"}, 0.975) == pytest.approx(300, rel=1e-3)


def test_no_plan_is_made_of_nothing_or_of_minutes(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build
) -> None:
    assert plan_labels(engine, OPTIONS, NOW) is None
    ingest.write(send(prediction("r", ts=(NOW - timedelta(minutes=50)).isoformat())), NOW)
    assert plan_labels(engine, OPTIONS, NOW) is None


def test_without_a_budget_the_settings_hold_and_an_old_plan_is_ended(engine: Engine, rows: Rows) -> None:
    none = replace(OPTIONS, daily_budget=None)
    assert plan_labels(engine, none, NOW) is None
    with transaction(engine) as connection:
        insert_plan(connection, LabelPlan(0.01, effective_from=NOW - HOUR), {})
    ended = plan_labels(engine, none, NOW)
    assert ended is not None
    assert (ended.base_rate, ended.boost) == (0.5, 2.0)
    assert plan_labels(engine, none, NOW + HOUR) is None


def test_answers_are_drawn_under_the_plan_of_their_own_time(
    engine: Engine, send: Send, prediction: Build, rows: Rows
) -> None:
    service, replica = make_service(engine), make_service(engine)
    service.write(send(prediction("before")), NOW)
    with transaction(engine) as connection:
        insert_plan(connection, LabelPlan(1.0, effective_from=NOW - HOUR), {})
        insert_plan(connection, LabelPlan(0.0, effective_from=NOW), {})
    early, late = (NOW - timedelta(minutes=30)).isoformat(), NOW.isoformat()
    events = [prediction(f"{name}{n}", ts=ts) for n in range(20) for name, ts in (("early", early), ("late", late))]
    replica.write(send(*events[:20]), NOW)
    service.write(send(*events[20:]), NOW + REFRESH)
    drawn = "SELECT count(*), min(inclusion_probability), min(plan), bool_and(in_base) FROM label_tasks WHERE plan > 0"
    assert rows(drawn) == [(20, 1.0, 1, True)]
    assert rows("SELECT count(*) FROM label_tasks WHERE request_id LIKE 'late%'") == [0]


def test_what_is_drawn_more_often_says_so(engine: Engine, send: Send, prediction: Build, rows: Rows) -> None:
    options = replace(make_service(engine)._options, labels=LabelDesign(rate=0.2, boost=3.0, overlap=0.3))
    service = IngestService(engine, options, lambda *_: None)
    unsure = {"answer": "a", "confidence": 0.5}
    service.write(send(*(prediction(f"r{n}", output=unsure) for n in range(400))), NOW)
    found = rows(
        "SELECT count(*), count(*) FILTER (WHERE in_base), min(inclusion_probability), max(inclusion_probability), "
        "count(*) FILTER (WHERE annotators = 2), min(stratum), min(model), min(slices ->> 'device') FROM label_tasks"
    )
    ((drawn, base, least, most, twice, stratum, model, device),) = found
    assert (least, most) == (pytest.approx(0.6), pytest.approx(0.6))
    assert drawn == pytest.approx(240, abs=40)
    assert base == pytest.approx(80, abs=32)
    assert twice == pytest.approx(0.3 * drawn, abs=32)
    assert (stratum, model, device) == ("device=cam-1", "m", "cam-1")
