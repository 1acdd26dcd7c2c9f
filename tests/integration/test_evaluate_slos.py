"""SLOs on a real PostgreSQL: incidents open and close with reasons, ticks count once, backfills tell nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, text

from monitor.domain.histograms import CONFIDENCE_BINS, LATENCY_BINS
from monitor.domain.window import MINUTE, Window
from monitor.errors import NotificationError, StoreError
from monitor.notify import CHANNELS, AlertMessage
from monitor.notify.webhook import TIMEOUT_SECONDS
from monitor.services.deliver import BATCH, GIVE_UP_AFTER, LEASE, Delivery, deliver
from monitor.services.evaluate_slos import evaluate_slos
from monitor.services.evaluation import Evaluation, evaluate_minutes
from monitor.sli import SLIS
from monitor.slo.objective import Objective, Selector
from monitor.slo.openslo import parse_objectives
from monitor.store.engine import ROOT
from monitor.store.silences import add_silence, end_silence

START = datetime(2026, 11, 10, tzinfo=UTC)
DOCUMENTS = b"""
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: to-log}
spec: {target: log}
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: fast, annotations: {snellen.dev/tiers: default}}
spec:
  severity: page
  condition: {kind: burnrate, op: gt, threshold: 14.4, lookbackWindow: 1h, alertAfter: 1m}
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: page}
spec:
  alertWhenBreaching: true
  alertWhenResolved: true
  alertWhenNoData: false
  conditions: [{conditionRef: fast}]
  notificationTargets: [{targetRef: to-log}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: availability}
spec:
  service: m
  budgetingMethod: Occurrences
  timeWindow: [{duration: 30d, isRolling: true}]
  indicator:
    metadata: {name: good-requests}
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {spec: {series: valid_requests, filter: {status: ok}}}}
        total: {metricSource: {spec: {series: valid_requests}}}
  objectives: [{displayName: Answered, target: 0.99}]
  alertPolicies: [{alertPolicyRef: page}]
"""
Rows = Callable[..., list[Any]]


@pytest.fixture
def objective() -> Objective:
    [found] = parse_objectives({"slo.yaml": DOCUMENTS}, SLIS, CHANNELS)
    return found


@pytest.fixture
def outage(engine: Engine) -> None:
    """Ten hours at ten requests a minute; in the fifth hour nearly all fail."""
    rows = []
    for minute in range(600):
        bad = 9 if 240 <= minute < 300 else 0
        rows.append({"minute": START + minute * MINUTE, "ok": 10 - bad, "error": bad})
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO rollups_minute (minute, model, version, variant, task, dimension, value, ok, error, "
                "timeout, rejected, latency, confidence, cost_usd) VALUES (:minute, 'm', 'v', 'stable', 'vqa', '', '', "
                f":ok, :error, 0, 0, array_fill(0, ARRAY[{LATENCY_BINS}]), array_fill(0, ARRAY[{CONFIDENCE_BINS}]), 0)"
            ),
            rows,
        )


def ticks(first: int, last: int) -> list[datetime]:
    return [START + minute * MINUTE for minute in range(first, last)]


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


class Unreliable:
    """A channel that fails as told, then works."""

    def __init__(self, *faults: NotificationError) -> None:
        self.faults = list(faults)
        self.sent: list[AlertMessage] = []

    def notify(self, message: AlertMessage) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.sent.append(message)


@pytest.fixture
def opened(engine: Engine, objective: Objective, outage: None) -> datetime:
    evaluate_slos(engine, [objective], ticks(200, 270), backfilled=False)
    return START + 270 * MINUTE


def test_a_message_is_sent_once_with_a_link_and_its_evidence(engine: Engine, opened: datetime, rows: Rows) -> None:
    channel = Unreliable()
    delivery = Delivery(engine, {"log": channel}, "http://127.0.0.1:8501")
    assert deliver(delivery, opened) == 1
    assert deliver(delivery, opened) == 0
    [message] = channel.sent
    assert (message.slo, message.severity, message.transition, message.reason) == (
        "availability", "page", "opened", "first_breach",
    )  # fmt: skip
    assert message.link == f"http://127.0.0.1:8501/on_call?alert={message.alert_id}"
    assert "1 h" in message.details
    assert rows("SELECT sent_at IS NOT NULL, attempts FROM notifications") == [(True, 1)]


def test_a_passing_fault_is_tried_again_later_and_a_lasting_one_is_not(
    engine: Engine, opened: datetime, rows: Rows
) -> None:
    channel = Unreliable(NotificationError("try \x00 again"), NotificationError("no such address", permanent=True))
    delivery = Delivery(engine, {"log": channel}, None)
    deliver(delivery, opened)
    assert deliver(delivery, opened) == 0
    deliver(delivery, opened + timedelta(minutes=1))
    assert rows("SELECT failed_at IS NOT NULL, attempts, last_error FROM notifications") == [
        (True, 2, "no such address")
    ]


def test_a_fault_that_lasts_is_given_up_when_the_docs_say(engine: Engine, opened: datetime, rows: Rows) -> None:
    delivery = Delivery(engine, {"log": Unreliable(*[NotificationError("down")] * GIVE_UP_AFTER)}, None)
    now = opened
    for attempt in range(1, GIVE_UP_AFTER + 1):
        assert rows("SELECT failed_at FROM notifications") == [None]
        assert deliver(delivery, now) == 1
        assert rows("SELECT attempts FROM notifications") == [attempt]
        last, [now] = now, rows("SELECT due_at FROM notifications")
    assert rows("SELECT failed_at FROM notifications") == [last]
    assert timedelta(hours=3, minutes=20) < last - opened < timedelta(hours=3, minutes=25)
    said = " ".join((ROOT / "docs" / "channels.md").read_text().split())
    assert f"After {GIVE_UP_AFTER} attempts, in three hours and twenty minutes" in said


def test_a_sender_that_died_leaves_its_message_to_the_next_one(engine: Engine, opened: datetime) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE notifications SET claimed_until = :until"), {"until": opened + timedelta(minutes=2)}
        )
    channel = Unreliable()
    delivery = Delivery(engine, {"log": channel}, None)
    assert deliver(delivery, opened + timedelta(minutes=1)) == 0
    assert deliver(delivery, opened + timedelta(minutes=3)) == 1
    assert len(channel.sent) == 1


def test_a_channel_that_is_not_configured_fails_and_says_so(engine: Engine, opened: datetime, rows: Rows) -> None:
    deliver(Delivery(engine, {}, None), opened)
    assert "not configured" in rows("SELECT last_error FROM notifications")[0]


def test_a_fault_of_ours_in_one_message_keeps_no_other_from_being_sent(
    engine: Engine, objective: Objective, outage: None, rows: Rows
) -> None:
    """As an evidence that an older version wrote: the message cannot be made, now or later."""
    evaluate_slos(engine, [objective], ticks(200, 600), backfilled=False)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alert_transitions SET evidence = '{}' WHERE kind = 'opened'"))
    channel = Unreliable()
    assert deliver(Delivery(engine, {"log": channel}, None), START + 600 * MINUTE) == 2
    assert [message.transition for message in channel.sent] == ["closed"]
    [(error, due)] = rows("SELECT last_error, due_at FROM notifications WHERE sent_at IS NULL")
    assert "KeyError" in error
    assert due > START + 600 * MINUTE


def test_a_batch_that_waits_in_vain_for_every_answer_ends_within_its_lease() -> None:
    assert timedelta(seconds=TIMEOUT_SECONDS) * BATCH < LEASE


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
    assert closed["summary"].endswith("; deployed meanwhile: rollback of m 2 (canary) at 2026-11-10 04:40Z")
    assert closed["details"].count("deployed meanwhile") == 1


def silence(engine: Engine, slos: str, first: int, last: int) -> int:
    """For the minutes [first, last) of the ten hours."""
    window = Window(START + first * MINUTE, START + last * MINUTE)
    with engine.begin() as connection:
        return add_silence(connection, slos, window, "ann", "new disks", START)


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
