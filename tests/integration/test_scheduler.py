"""Jobs of the scheduler on a real PostgreSQL: what a fault costs, and what a clock that is set back costs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import Engine, text

from monitor import bootstrap, scheduler
from monitor.domain.window import HOUR, MINUTE, floor
from monitor.errors import ClocksApart, StoreError
from monitor.notify import CHANNELS, Log
from monitor.scheduler import (
    Context,
    deliver_due,
    evaluate_last_hour,
    retire_old_rows,
    unset_channels,
    wake_jobs,
)
from monitor.services.backfill import holding
from monitor.services.deliver import Delivery
from monitor.services.evaluation import Evaluation
from monitor.settings.retention import Retention
from monitor.sli import SLIS
from monitor.slo.openslo import parse_objectives
from monitor.store import clock
from tests.integration.test_evaluate_drift import OPTIONS, START, WATCHED, Traffic
from tests.pace import wait_for

TICK = START + 36 * HOUR
SLO_DOCUMENTS = Path(__file__).parents[2] / "slos"
Rows = Callable[..., list[Any]]


@pytest.fixture
def context(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Context:
    """With nothing but the evaluation, whose traffic begins 36 hours before the first full hour."""
    Traffic(engine).hours(0, 36)
    unused: Any = None
    return Context(Evaluation(engine, (), OPTIONS), *(unused,) * 7)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Set the clock of the database."""
    return lambda now: monkeypatch.setattr(clock, "_NOW", text(f"SELECT timestamptz '{now.isoformat()}'"))


def test_an_hour_whose_comparison_failed_is_compared_when_the_fault_is_over(
    engine: Engine, context: Context, at: Callable[[datetime], None], rows: Rows
) -> None:
    at(TICK)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE drift_results RENAME TO drift_results_away"))
    with pytest.raises(StoreError):
        evaluate_last_hour(context)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE drift_results_away RENAME TO drift_results"))
    at(TICK + 7 * MINUTE)
    evaluate_last_hour(context)
    assert rows("SELECT DISTINCT tick FROM drift_results") == [TICK]
    assert rows("SELECT count(*) FROM drift_results WHERE dimension = ''") == [len(WATCHED)]


def test_an_hour_is_compared_once_also_by_a_scheduler_that_starts_in_its_midst(
    engine: Engine, context: Context, at: Callable[[datetime], None], rows: Rows
) -> None:
    at(TICK + 31 * MINUTE)
    evaluate_last_hour(context)
    assert context.progress.hour == TICK
    found = rows("SELECT count(*) FROM drift_results")
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM drift_results"))
    at(TICK + 32 * MINUTE)
    evaluate_last_hour(context)
    assert rows("SELECT count(*) FROM drift_results") == [0], "it was compared again"
    evaluate_last_hour(Context(*(getattr(context, name) for name in Context.__slots__ if name != "progress")))
    assert rows("SELECT count(*) FROM drift_results") == found


def test_a_backfill_is_not_disturbed_and_the_hour_is_compared_after_it(
    engine: Engine, context: Context, at: Callable[[datetime], None], rows: Rows
) -> None:
    at(TICK)
    with holding(engine):
        evaluate_last_hour(context)
    assert rows("SELECT count(*) FROM drift_results") == [0]
    evaluate_last_hour(context)
    assert rows("SELECT DISTINCT tick FROM drift_results") == [TICK]


def test_a_message_is_sent_when_it_is_due_by_the_clock_that_says_when_it_came_to_be(
    context: Context, engine: Engine, at: Callable[[datetime], None], rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "now", lambda: TICK - 30 * MINUTE)
    at(TICK)
    told: list[datetime] = []
    monkeypatch.setattr(scheduler, "deliver", lambda _, now: told.append(now))
    deliver_due(replace(context, delivery=Delivery(engine, {}, None)))
    assert told == [TICK]


@pytest.mark.parametrize("apart", [timedelta(days=400), -HOUR])
def test_nothing_is_retired_while_clocks_disagree(
    context: Context, at: Callable[[datetime], None], rows: Rows, monkeypatch: pytest.MonkeyPatch, apart: timedelta
) -> None:
    monkeypatch.setattr(bootstrap, "now", lambda: TICK + apart)
    at(TICK)
    with pytest.raises(ClocksApart, match="PostgreSQL's"):
        retire_old_rows(replace(context, keep=dict(Retention())))
    assert rows("SELECT count(*) > 0 FROM predictions") == [True]


@pytest.mark.parametrize("apart", [MINUTE, -MINUTE])
def test_what_is_old_is_told_by_the_clock_that_is_behind(
    context: Context, at: Callable[[datetime], None], monkeypatch: pytest.MonkeyPatch, apart: timedelta
) -> None:
    told: list[datetime] = []
    monkeypatch.setattr(scheduler, "retain", lambda *given: told.append(given[2]) or [])
    monkeypatch.setattr(bootstrap, "now", lambda: TICK + apart)
    at(TICK)
    retire_old_rows(context)
    assert told == [min(TICK, TICK + apart)]


def test_channels_that_documents_name_and_settings_do_not_are_told() -> None:
    unused: Any = None
    files = {name: (SLO_DOCUMENTS / name).read_bytes() for name in ("alerting.yaml", "availability.yaml")}
    evaluation = Evaluation(unused, parse_objectives(files, SLIS, CHANNELS), unused)
    context = Context(evaluation, Delivery(unused, {"log": Log()}, None), *(unused,) * 6)
    assert unset_channels(context) == ["webhook"]


@pytest.fixture
def jobs() -> Iterator[BackgroundScheduler]:
    found = BackgroundScheduler(timezone="UTC")
    found.start()
    yield found
    found.shutdown()


def test_a_clock_that_was_set_back_delays_no_job(jobs: BackgroundScheduler) -> None:
    ran, now = threading.Event(), bootstrap.now()
    late, soon = now + timedelta(hours=1), now + timedelta(seconds=50)
    jobs.add_job(ran.set, IntervalTrigger(seconds=60), id="late", next_run_time=late)
    jobs.add_job(print, IntervalTrigger(seconds=60), id="soon", next_run_time=soon)
    wake_jobs(jobs, now)
    wait_for(ran.is_set, 20, "the job runs")
    assert jobs.get_job("soon").next_run_time == soon
    assert jobs.get_job("late").next_run_time < floor(now, MINUTE) + timedelta(minutes=3)
