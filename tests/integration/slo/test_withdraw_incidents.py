"""Incidents whose SLO left the documents, on a real PostgreSQL: closed with a reason, told once, never too early."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from monitor.domain.window import HOUR, MINUTE
from monitor.services.evaluate_slos import evaluate_slos
from monitor.services.evaluation import Evaluation, evaluate_minutes
from monitor.services.withdraw_incidents import LEFT_ALONE, withdraw_incidents
from monitor.slo.objective import Objective
from tests.integration.slo.conftest import START, silence, ticks

Rows = Callable[..., list[Any]]
LAST = START + 269 * MINUTE


@pytest.fixture
def burning(engine: Engine, objective: Objective, outage: None) -> Objective:
    """An objective whose page is open, of which its channel has a message."""
    evaluate_slos(engine, [objective], ticks(200, 270), backfilled=False)
    return objective


def test_an_incident_of_a_renamed_slo_is_closed_and_its_channel_hears_of_it(
    engine: Engine, burning: Objective, rows: Rows
) -> None:
    renamed, now = replace(burning, name="answered"), LAST + LEFT_ALONE + MINUTE
    assert withdraw_incidents(engine, [renamed], now) == 1
    assert withdraw_incidents(engine, [renamed], now) == 0
    assert rows("SELECT resolved_at FROM alerts") == [now]
    kind, reason, said = rows("SELECT kind, reason, explanation FROM alert_transitions ORDER BY id")[-1]
    assert (kind, reason) == ("closed", "withdrawn")
    assert said.startswith("availability is judged no more; nothing shows that it is over (page open for ")
    assert rows("SELECT evidence ->> 'number' FROM alert_transitions ORDER BY id") == ["1", "2"]
    assert rows("SELECT channel FROM notifications ORDER BY id") == ["log", "log"]


def test_alerts_of_a_severity_that_was_taken_out_are_closed_too(engine: Engine, burning: Objective, rows: Rows) -> None:
    assert withdraw_incidents(engine, [replace(burning, alerting=())], LAST + 2 * HOUR) == 1
    assert rows("SELECT count(*) FROM alerts WHERE resolved_at IS NULL") == [0]


def test_what_is_judged_still_or_was_lately_by_another_replica_stays_open(engine: Engine, burning: Objective) -> None:
    assert withdraw_incidents(engine, [burning], LAST + 2 * HOUR) == 0
    assert withdraw_incidents(engine, [], LAST + LEFT_ALONE) == 0


def test_an_incident_that_nobody_heard_of_ends_without_a_word(
    engine: Engine, objective: Objective, outage: None, rows: Rows
) -> None:
    silence(engine, "availability", 0, 600)
    evaluate_slos(engine, [objective], ticks(200, 270), backfilled=False)
    assert withdraw_incidents(engine, [], LAST + 2 * HOUR) == 1
    assert rows("SELECT reason FROM alert_transitions ORDER BY id") == ["first_breach", "withdrawn"]
    assert rows("SELECT count(*) FROM notifications") == [0]


@pytest.mark.parametrize(("backfilled", "left"), [(True, 1), (False, 0)])
def test_live_ticks_close_them_and_past_ones_do_not(
    engine: Engine, burning: Objective, rows: Rows, backfilled: bool, left: int
) -> None:
    unused: Any = None
    other = replace(burning, name="other")
    evaluate_minutes(Evaluation(engine, [other], unused), [LAST + 2 * HOUR], backfilled=backfilled)
    assert rows("SELECT count(*) FROM alerts WHERE slo = 'availability' AND resolved_at IS NULL") == [left]
