"""Past ticks: evaluated as they would have been then, once, marked, and told to nobody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, Engine, text

from monitor.domain.histograms import CONFIDENCE_BINS, LATENCY_BINS
from monitor.domain.window import HOUR, MINUTE
from monitor.notify import CHANNELS
from monitor.scheduler import Context, evaluate_last_minute
from monitor.services import backfill as backfill_module
from monitor.services.backfill import backfill, holding
from monitor.services.evaluate_drift import DriftOptions
from monitor.services.evaluate_slos import evaluate_slos
from monitor.services.evaluation import Evaluation
from monitor.services.references import ReferenceOptions
from monitor.sli import SLIS
from monitor.slo.objective import Objective
from monitor.slo.openslo import parse_objectives
from monitor.store import clock
from tests.integration.slo.conftest import POLICY, START

MINUTES = 300
SLO = """---
apiVersion: openslo/v1
kind: SLO
metadata: {name: %s%s}
spec:
  service: m
  budgetingMethod: Occurrences
  timeWindow: [{duration: 7d, isRolling: true}]
  indicator:
    metadata: {name: of-%s}
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {spec: {series: %s, filter: {%s}}}}
        total: {metricSource: {spec: {series: %s}}}
  objectives: [{displayName: Good, target: %s}]
  alertPolicies: [{alertPolicyRef: page}]
"""
DOCUMENTS = (
    POLICY % 13.44
    + SLO % ("availability", "", "requests", "valid_requests", "status: ok", "valid_requests", 0.99)
    + SLO
    % (
        "accuracy", ", annotations: {snellen.dev/label-delay: 10m}", "labels",
        "sampled_labels", "verdict: correct", "sampled_labels", 0.85,
    )
)  # fmt: skip
Rows = Callable[..., list[Any]]
EVALUATIONS = (
    "SELECT slo, tick, state, bad, total, budget_remaining, burn, tiers, detail FROM slo_evaluations ORDER BY 1, 2"
)
HISTORY = (
    "SELECT a.slo, t.tick, t.kind, t.reason FROM alert_transitions t JOIN alerts a ON a.id = t.alert_id ORDER BY 1, 2"
)


@pytest.fixture(scope="module")
def objectives() -> tuple[Objective, ...]:
    return tuple(parse_objectives({"slos.yaml": DOCUMENTS.encode()}, SLIS, CHANNELS))


@pytest.fixture
def evaluation(engine: Engine, objectives: tuple[Objective, ...]) -> Evaluation:
    reference = ReferenceOptions(3 * HOUR, rows=100, span=48 * HOUR, slice_dimensions=(), max_slice_values=1)
    return Evaluation(engine, objectives, DriftOptions(reference, alpha=0.01))


class Service:
    """Five hours of requests with an outage in the third, and labels that come up to half an hour later."""

    def __init__(self) -> None:
        rng = np.random.default_rng(5)
        bad_hour = np.repeat([False, False, True, False, False], 60)
        self.bad = np.where(bad_hour, rng.integers(3, 9, MINUTES), rng.random(MINUTES) < 0.02)
        self.correct = rng.random(MINUTES) < np.where(bad_hour, 0.1, 0.95)
        self.delay = rng.integers(0, 30, MINUTES)

    def happen(self, connection: Connection, first: int, last: int) -> None:
        """What becomes known from minute `first` (included) to `last` (excluded)."""
        for minute in range(first, last):
            self._requests(connection, minute)
        for minute in np.flatnonzero(
            (np.arange(MINUTES) + self.delay >= first) & (np.arange(MINUTES) + self.delay < last)
        ):
            self._label(connection, int(minute))

    def _requests(self, connection: Connection, minute: int) -> None:
        connection.execute(
            text(
                "INSERT INTO rollups_minute (minute, model, version, variant, task, dimension, value, ok, error, "
                "timeout, rejected, latency, confidence, cost_usd) VALUES (:minute, 'm', 'v', 'stable', 'vqa', '', '', "
                f":ok, :error, 0, 0, array_fill(0, ARRAY[{LATENCY_BINS}]), array_fill(0, ARRAY[{CONFIDENCE_BINS}]), 0)"
            ),
            {"minute": START + minute * MINUTE, "ok": 10 - int(self.bad[minute]), "error": int(self.bad[minute])},
        )

    def _label(self, connection: Connection, minute: int) -> None:
        predicted = START + minute * MINUTE
        connection.execute(
            text(
                "INSERT INTO verdicts (request_id, ts, labelled_at, model, version, variant, task, correct, "
                "inclusion_probability, scorer, slices) VALUES (:id, :ts, :labelled, 'm', 'v', 'stable', 'vqa', "
                ":correct, 0.1, 'label', '{}')"
            ),
            {
                "id": f"r{minute}", "ts": predicted, "correct": bool(self.correct[minute]),
                "labelled": predicted + int(self.delay[minute]) * MINUTE + MINUTE / 2,
            },
        )  # fmt: skip


def ticks(first: int, last: int) -> list[datetime]:
    return [START + minute * MINUTE for minute in range(first, last)]


def live(engine: Engine, objectives: tuple[Objective, ...]) -> None:
    """Each tick is evaluated when no more is known than was then."""
    service = Service()
    for minute in range(MINUTES):
        with engine.begin() as connection:
            service.happen(connection, minute, minute + 1)
        evaluate_slos(engine, objectives, ticks(minute + 1, minute + 2), backfilled=False)


def test_a_backfill_finds_what_live_evaluation_would_have_found(
    engine: Engine,
    evaluation: Evaluation,
    objectives: tuple[Objective, ...],
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    live(engine, objectives)
    evaluations, history = rows(EVALUATIONS), rows(HISTORY)
    assert {one[2] for one in evaluations if one[0] == "availability"} >= {"firing"}
    assert len(history) >= 2
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE slo_evaluations, alerts, alert_transitions, notifications"))
    monkeypatch.setattr(backfill_module, "CHUNK", 70)
    assert backfill(evaluation, START, START + MINUTES * MINUTE) == MINUTES
    assert rows(EVALUATIONS) == evaluations
    assert rows(HISTORY) == history
    assert rows("SELECT DISTINCT backfilled FROM slo_evaluations") == [True]
    assert rows("SELECT count(*) FROM notifications") == [0]
    assert backfill(evaluation, START, START + MINUTES * MINUTE) == MINUTES
    assert rows(HISTORY) == history


@pytest.mark.parametrize("around", [lambda _: nullcontext(), holding], ids=["alone", "among several"])
def test_a_live_tick_between_two_chunks_is_left_out(
    engine: Engine,
    evaluation: Evaluation,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    around: Callable[[Engine], AbstractContextManager[None]],
) -> None:
    """It would carry an incident to now, and what past ticks have to say of it would come too late."""
    unused: Any = None
    context = Context(evaluation, *(unused,) * 7)
    now = START + MINUTES * MINUTE
    monkeypatch.setattr(clock, "_NOW", text(f"SELECT timestamptz '{now.isoformat()}'"))
    with engine.begin() as connection:
        Service().happen(connection, 0, MINUTES)
    evaluate_ticks = backfill_module.evaluate_ticks

    def then_live(evaluation: Evaluation, ticks: Sequence[datetime], *, backfilled: bool) -> None:
        evaluate_ticks(evaluation, ticks, backfilled=backfilled)
        evaluate_last_minute(context)

    monkeypatch.setattr(backfill_module, "evaluate_ticks", then_live)
    monkeypatch.setattr(backfill_module, "CHUNK", 150)  # the outage has begun by then
    with around(engine):
        backfill(evaluation, START, now)
    assert [kind for slo, _, kind, _ in rows(HISTORY) if slo == "availability"] == ["opened", "closed"]
    assert rows("SELECT DISTINCT backfilled FROM slo_evaluations") == [True]
    assert len(rows("SELECT tick FROM slo_evaluations WHERE slo = 'availability'")) == MINUTES
    monkeypatch.setattr(clock, "_NOW", text(f"SELECT timestamptz '{(now + MINUTE).isoformat()}'"))
    evaluate_last_minute(context)
    assert rows("SELECT DISTINCT tick FROM slo_evaluations WHERE NOT backfilled") == [now + MINUTE]
