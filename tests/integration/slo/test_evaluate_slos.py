"""SLOs on a real PostgreSQL: incidents open and close with reasons, ticks count once, backfills tell nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, text

from monitor.domain.window import MINUTE
from monitor.errors import StoreError
from monitor.services.evaluate_slos import evaluate_slos
from monitor.services.evaluation import Evaluation, evaluate_minutes
from monitor.slo.objective import Objective, Selector
from monitor.store.silences import end_silence
from tests.integration.slo.conftest import START, silence, ticks

Rows = Callable[..., list[Any]]


@pytest.mark.usefixtures("outage")
@pytest.mark.parametrize("step", [1, 37, 600])
def test_an_outage_opens_and_resolves_one_incident_however_ticks_are_grouped(
    engine: Engine, objective: Objective, rows: Rows, step: int
) -> None:
    for first in range(60, 600, step):
        evaluate_slos(engine, [objective], ticks(first, min(first + step, 600)), backfilled=False)
    found = rows("SELECT kind, reason, tick FROM alert_transitions ORDER BY id")
    assert [one[:2] for one in found] == [("opened", "first_breach"), ("closed", "resolved")]
    opened, closed = (one[2] for one in found)
    assert timedelta(minutes=240) < opened - START < timedelta(minutes=260)
    assert timedelta(minutes=300) < closed - START < timedelta(minutes=600)
    assert rows("SELECT count(*) FROM slo_evaluations") == [540]
    assert rows("SELECT channel, count(*) FROM notifications GROUP BY 1") == [("log", 2)]
    assert rows("SELECT count(*) FROM alerts WHERE resolved_at IS NULL") == [0]


@pytest.mark.usefixtures("outage")
def test_a_backfill_stores_the_same_and_tells_nobody(engine: Engine, objective: Objective, rows: Rows) -> None:
    assert evaluate_slos(engine, [objective], ticks(60, 600), backfilled=True) == 540
    assert rows("SELECT DISTINCT backfilled FROM slo_evaluations") == [True]
    assert rows("SELECT kind, backfilled FROM alert_transitions ORDER BY id") == [("opened", True), ("closed", True)]
    assert rows("SELECT count(*) FROM notifications") == [0]


@pytest.mark.usefixtures("outage")
def test_replicas_that_evaluate_the_same_ticks_make_them_count_once(
    engine: Engine, objective: Objective, rows: Rows
) -> None:
    new: list[int] = []

    def replica() -> None:
        new.append(evaluate_slos(engine, [objective], ticks(200, 400), backfilled=False))

    threads = [threading.Thread(target=replica) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(new) == [0, 0, 0, 200]
    assert rows("SELECT kind FROM alert_transitions ORDER BY id") == ["opened", "closed"]
    assert rows("SELECT count(*) FROM notifications") == [2]


@pytest.mark.usefixtures("outage")
def test_without_data_nothing_is_green(engine: Engine, objective: Objective, rows: Rows) -> None:
    other = replace(
        objective, measure=replace(objective.measure, selector=replace(objective.measure.selector, model="x"))
    )
    evaluate_slos(engine, [other], ticks(300, 301), backfilled=False)
    assert rows("SELECT state, total, budget_remaining FROM slo_evaluations") == [("no_data", 0, None)]


@pytest.mark.usefixtures("outage")
def test_an_objective_that_cannot_be_evaluated_silences_no_other(
    engine: Engine, objective: Objective, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO alerts (slo, severity, opened_at, state, backfilled) "
                "VALUES ('spoilt', 'page', :at, '{}', false)"
            ),
            {"at": START},
        )
    both = [replace(objective, name="spoilt"), objective]
    with pytest.raises(msgspec.ValidationError):
        evaluate_slos(engine, both, ticks(300, 301), backfilled=False)
    assert rows("SELECT slo FROM slo_evaluations") == [objective.name]
    assert "spoilt" in caplog.text


@pytest.mark.usefixtures("outage")
def test_labels_that_cannot_be_scored_silence_no_objective(engine: Engine, objective: Objective, rows: Rows) -> None:
    unused: Any = None
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE labels RENAME TO labels_away"))
    with pytest.raises(StoreError):
        evaluate_minutes(Evaluation(engine, [objective], unused), ticks(300, 301), backfilled=False)
    assert rows("SELECT slo FROM slo_evaluations") == [objective.name]


def test_an_incident_that_ends_with_its_traffic_names_what_was_deployed_meanwhile(
    engine: Engine, objective: Objective, outage: None, rows: Rows
) -> None:
    """A canary burns, is rolled back, and serves no more: nothing shows that it got well, but why it ended is known."""
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM rollups_minute WHERE minute >= :from"), {"from": START + 280 * MINUTE})
        connection.execute(
            text(
                "INSERT INTO deployments (content_hash, ts, model, version, variant, action) VALUES "
                "('1', :before, 'm', '1', 'stable', 'config'), ('2', :at, 'm', '2', 'canary', 'rollback'), "
                "('3', :at, 'other', '9', 'stable', 'rollout')"
            ),
            {"before": START, "at": START + 280 * MINUTE},
        )
    canary = replace(objective, measure=replace(objective.measure, selector=Selector(model="m")))
    short = replace(canary, close_without_data_minutes=120)
    evaluate_slos(engine, [short], [START + minute * MINUTE for minute in range(240, 900)], backfilled=False)
    *_, closed = rows("SELECT evidence FROM alert_transitions WHERE reason = 'expired'")
    assert closed["summary"].endswith("; deployed meanwhile: rollback of m 2 (canary) at 2026-11-10 04:40 UTC")
    assert closed["details"].count("deployed meanwhile") == 1


@pytest.mark.usefixtures("outage")
def test_what_happens_within_a_silence_is_stored_and_told_to_nobody(
    engine: Engine, objective: Objective, rows: Rows
) -> None:
    silence(engine, "avail*", 200, 600)
    evaluate_slos(engine, [objective], ticks(60, 600), backfilled=False)
    found = rows("SELECT kind, reason, evidence ->> 'muted_by' FROM alert_transitions ORDER BY id")
    assert found == [("opened", "first_breach", "silence"), ("closed", "resolved", "silence")]
    assert rows("SELECT count(*) FROM slo_evaluations") == [540]
    assert rows("SELECT count(*) FROM alerts WHERE resolved_at IS NOT NULL") == [1]
    assert rows("SELECT count(*) FROM notifications") == [0]


@pytest.mark.usefixtures("outage")
@pytest.mark.parametrize("step", [1, 600])
def test_an_incident_that_outlives_its_silence_is_told_at_its_end(
    engine: Engine, objective: Objective, rows: Rows, step: int
) -> None:
    silence(engine, "availability", 200, 280)
    for first in range(60, 600, step):
        evaluate_slos(engine, [objective], ticks(first, min(first + step, 600)), backfilled=False)
    told = rows("""
        SELECT reason, tick FROM alert_transitions JOIN notifications ON transition_id = alert_transitions.id
        ORDER BY tick
    """)
    assert [reason for reason, _ in told] == ["silence_ended", "resolved"]
    assert told[0][1] == START + 280 * MINUTE


@pytest.mark.usefixtures("outage")
def test_a_silence_of_another_slo_silences_nothing_here(engine: Engine, objective: Objective, rows: Rows) -> None:
    silence(engine, "latency", 0, 600)
    silence(engine, "Availability", 0, 600)
    silence(engine, "*", 0, 60)
    evaluate_slos(engine, [objective], ticks(60, 600), backfilled=False)
    assert rows("SELECT count(*) FROM notifications") == [2]


@pytest.mark.usefixtures("outage")
def test_a_silence_that_is_ended_early_speaks_at_the_next_tick(
    engine: Engine, objective: Objective, rows: Rows
) -> None:
    number = silence(engine, "*", 200, 600)
    evaluate_slos(engine, [objective], ticks(60, 270), backfilled=False)
    assert rows("SELECT count(*) FROM notifications") == [0]
    with engine.begin() as connection:
        assert end_silence(connection, number, "bob", START + 269 * MINUTE)
        assert not end_silence(connection, number, "bob", START + 269 * MINUTE)
        assert not end_silence(connection, number + 1, "bob", START)
    evaluate_slos(engine, [objective], ticks(270, 271), backfilled=False)
    assert rows("SELECT reason FROM alert_transitions ORDER BY id") == ["first_breach", "silence_ended"]
    assert rows("SELECT count(*) FROM notifications") == [1]
    assert rows("SELECT actor, action, detail ->> 'silence' FROM audit_log ORDER BY id") == [
        ("ann", "silence", str(number)), ("bob", "end silence", str(number))
    ]  # fmt: skip
