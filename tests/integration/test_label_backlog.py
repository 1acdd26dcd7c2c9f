"""The label backlog: an SLO over what is drawn and when it is answered, and gauges for Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Engine

from monitor.domain.records import Batch
from monitor.domain.window import DAY, HOUR
from monitor.notify import CHANNELS
from monitor.services.draw_labels import LabelDesign
from monitor.services.evaluate_slos import evaluate_slos
from monitor.services.ingest import IngestService
from monitor.services.measure_backlog import measure_backlog
from monitor.services.score_labels import score_labels
from monitor.sli import SLIS
from monitor.slo.openslo import parse_objectives
from monitor.store.label_tasks import Terms
from tests.integration.conftest import make_service

pytestmark = pytest.mark.integration
Build = Callable[..., dict[str, Any]]
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TERMS = Terms(lease=HOUR, lifetime=14 * DAY)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def service(engine: Engine) -> IngestService:
    options = replace(make_service(engine)._options, labels=LabelDesign(rate=1.0))
    return IngestService(engine, options, lambda *_: None)


def test_an_slo_counts_a_task_when_its_time_is_up_and_never_changes_it(
    engine: Engine, service: IngestService, send: Send, prediction: Build, label: Build, rows: Rows
) -> None:
    documents = [ROOT / "examples/slos/label-backlog.yaml", ROOT / "slos/alerting.yaml"]
    objectives = parse_objectives({one.name: one.read_bytes() for one in documents}, SLIS, CHANNELS)
    at = NOW - 3 * DAY
    drawn = {"early": 0, "late": 1, "never": 2, "set aside": 3, "young": 60 * 24 * 2}
    moments = {name: at + timedelta(minutes=minute) for name, minute in drawn.items()}
    service.write(send(*(prediction(name, ts=ts.isoformat()) for name, ts in moments.items())), NOW)
    said = [("early", moments["early"] + 47 * HOUR), ("late", moments["late"] + 49 * HOUR)]
    service.write(send(*(label(name, ts=ts.isoformat()) for name, ts in said)), NOW)
    score_labels(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE label_tasks SET skipped_at = now() WHERE request_id = 'set aside'")
    first_due = at + 48 * HOUR
    ticks = [first_due, first_due + timedelta(minutes=1), first_due + timedelta(minutes=3), NOW]
    evaluate_slos(engine, objectives, ticks, backfilled=True)
    assert rows("SELECT bad, total FROM slo_evaluations ORDER BY tick") == [(0, 0), (0, 1), (2, 3), (2, 3)]


def test_gauges_say_how_much_waits_and_forget_what_does_not(
    engine: Engine, service: IngestService, send: Send, prediction: Build, label: Build
) -> None:
    def gauge(name: str) -> float | None:
        return REGISTRY.get_sample_value(f"snellen_label_backlog_{name}", {"stratum": "device=cam-1"})

    events = [prediction(f"r{n}", ts=(NOW - (n + 1) * HOUR).isoformat()) for n in range(3)]
    service.write(send(*events), NOW)
    measure_backlog(engine, TERMS, NOW)
    assert (gauge("tasks"), gauge("oldest_seconds")) == (3.0, 3 * 3600.0)
    service.write(send(*(label(f"r{n}") for n in range(3))), NOW)
    score_labels(engine)
    measure_backlog(engine, TERMS, NOW)
    assert gauge("tasks") is None
