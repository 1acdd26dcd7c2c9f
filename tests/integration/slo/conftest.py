"""An availability SLO, and an outage that it should tell of."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text

from monitor.domain.histograms import CONFIDENCE_BINS, LATENCY_BINS
from monitor.domain.window import MINUTE, Window
from monitor.notify import CHANNELS
from monitor.sli import SLIS
from monitor.slo.objective import Objective
from monitor.slo.openslo import parse_objectives
from monitor.store.silences import add_silence

START = datetime(2026, 11, 10, tzinfo=UTC)
POLICY = """
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
  condition: {kind: burnrate, op: gt, threshold: %s, lookbackWindow: 1h, alertAfter: 1m}
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
"""
"""Pages above one burn rate, told to the log."""
DOCUMENTS = (
    POLICY % 14.4
    + """---
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
).encode()


def ticks(first: int, last: int) -> list[datetime]:
    return [START + minute * MINUTE for minute in range(first, last)]


def silence(engine: Engine, slos: str, first: int, last: int) -> int:
    """For the minutes [first, last) of the ten hours."""
    window = Window(START + first * MINUTE, START + last * MINUTE)
    with engine.begin() as connection:
        return add_silence(connection, slos, window, "ann", "new disks", START)


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
