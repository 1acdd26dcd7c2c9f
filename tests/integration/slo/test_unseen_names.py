"""An SLO whose document names what nothing stored has: told in its evaluation, and in the scheduler's log, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine, text

from monitor import scheduler
from monitor.domain.slices import Slice
from monitor.domain.window import MINUTE
from monitor.scheduler import Context, evaluate_last_minute
from monitor.services.evaluate_slos import evaluate_slos
from monitor.services.evaluation import Evaluation
from monitor.slo.evaluation import State
from monitor.slo.objective import Measure, Objective, Selector
from monitor.store.queries.slos import SloTick, latest_ticks
from tests.integration.slo.conftest import START, ticks

Rows = Callable[..., list[Any]]
NOW = START + 600 * MINUTE


def of(objective: Objective, sli: str = "availability", **chosen: Any) -> Objective:
    threshold = {"latency": 300.0, "label_backlog": 24.0}.get(sli)
    return replace(objective, measure=Measure(sli, sli == "label_accuracy", Selector(**chosen), threshold))


def evaluated(engine: Engine, objective: Objective) -> SloTick:
    evaluate_slos(engine, [objective], [NOW], backfilled=False)
    with engine.connect() as connection:
        [found] = latest_ticks(connection, NOW)
    return found


def add_label(engine: Engine, slices: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO label_tasks (ts, request_id, stratum, inclusion_probability, slices) "
                "VALUES (:ts, 'r', '', 1, CAST(:slices AS jsonb))"
            ),
            {"ts": NOW, "slices": slices},
        )


@pytest.mark.usefixtures("outage")
@pytest.mark.parametrize("sli", ["availability", "latency", "label_accuracy", "coverage", "label_backlog", "drift"])
def test_a_misspelt_model_is_told_with_those_that_there_are(engine: Engine, objective: Objective, sli: str) -> None:
    """And is no fault: it may be deployed later."""
    tick = evaluated(engine, of(objective, sli, model="mm"))
    assert (tick.state, tick.total) == (State.NO_DATA, 0)
    assert tick.unseen == "no event of model 'mm' is stored; models seen: 'm'"


@pytest.mark.usefixtures("outage")
def test_nothing_is_said_of_one_that_has_data(engine: Engine, objective: Objective) -> None:
    assert evaluated(engine, of(objective, model="m")).unseen == ""


@pytest.mark.usefixtures("outage")
def test_labels_have_slices_that_are_not_counted(engine: Engine, objective: Objective) -> None:
    chosen = Slice("client", "web")
    assert "slice dimension 'client' is stored" in evaluated(engine, of(objective, slice=chosen)).unseen
    add_label(engine, '{"client": "web"}')
    labelled = replace(of(objective, "label_accuracy", slice=chosen), name="labelled")
    evaluate_slos(engine, [labelled], [NOW], backfilled=False)
    with engine.connect() as connection:
        assert [one.unseen for one in latest_ticks(connection, NOW) if one.slo == "labelled"] == [""]


def test_the_scheduler_logs_it_once_for_each_change(
    engine: Engine,
    objective: Objective,
    outage: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    unused: Any = None
    evaluation = Evaluation(engine, [of(objective, model="mm")], unused)
    context = Context(evaluation, *(unused,) * 7)

    def at(now: datetime) -> list[str]:
        caplog.clear()
        monkeypatch.setattr(scheduler, "database_now", lambda _: now)
        evaluate_last_minute(context)
        return [one.message for one in caplog.records if "no data" in one.message]

    assert at(NOW) == ["SLO availability has no data: no event of model 'mm' is stored; models seen: 'm'"]
    assert at(NOW + MINUTE) == []
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE rollups_minute SET model = 'mm' WHERE minute < :half"), {"half": ticks(0, 301)[-1]}
        )
    assert at(NOW + 2 * MINUTE) == []
    with engine.begin() as connection:
        connection.execute(text("UPDATE rollups_minute SET model = 'other'"))
    assert at(NOW + 3 * MINUTE) == [
        "SLO availability has no data: no event of model 'mm' is stored; models seen: 'other'"
    ]
