"""What evaluations read from the store, and that it does not grow where it need not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, event

from monitor.domain.histograms import latency_bins
from monitor.domain.window import MINUTE, Window
from monitor.services.ingest import IngestService
from monitor.slo.objective import Selector
from monitor.store.indicators import minute_counts
from monitor.store.observations import first_prediction

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR_BEFORE = Window(NOW - 60 * MINUTE, NOW)
Build = Callable[..., dict[str, Any]]


def test_kinds_of_one_minute_are_added_up_and_bins_are_read_where_they_are_asked_for(
    engine: Engine, ingest: IngestService, send: Callable[..., Any], prediction: Build
) -> None:
    models = [{"name": "m", "version": version} for version in ("v1", "v2", "v3", "v3")]
    last = prediction("x", ts="2026-11-20T11:40:10Z", status="error", output={})
    ingest.write(send(*(prediction(f"r{i}", model=model) for i, model in enumerate(models)), last), NOW)
    with engine.connect() as connection:
        counts = minute_counts(connection, Selector(model="m"), HOUR_BEFORE, latency=False)
        timed = minute_counts(connection, Selector(model="m"), HOUR_BEFORE, latency=True)
        other = minute_counts(connection, Selector(model="other"), HOUR_BEFORE, latency=False)
    by_minute = dict(
        zip(counts.minute.tolist(), zip(counts.ok.tolist(), counts.error.tolist(), strict=True), strict=True)
    )
    minute = int(NOW.timestamp()) // 60
    assert by_minute == {minute - 1: (4, 0), minute - 20: (0, 1)}
    assert counts.latency_histogram.shape == (2, 0)
    assert timed.ok.sum() == 4
    assert timed.latency_histogram.sum(axis=0)[latency_bins([42.0])] == timed.latency_histogram.sum() == 4
    assert other.minute.size == 0


def test_the_first_prediction_of_a_new_model_is_not_looked_for_in_older_days(
    engine: Engine, ingest: IngestService, send: Callable[..., Any], prediction: Build
) -> None:
    old = [prediction(f"o{i}", ts=(NOW - timedelta(days=1 + i % 3)).isoformat()) for i in range(30)]
    new = prediction("n", model={"name": "new", "version": "v1"})
    ingest.write(send(*old, new), NOW)
    with engine.connect() as connection:
        plan = _plan(connection, lambda: first_prediction(connection, "new", NOW))
        assert first_prediction(connection, "new", NOW) == NOW - timedelta(seconds=30)
        assert first_prediction(connection, "m", NOW) == min(NOW - timedelta(days=1 + i) for i in range(3))
        assert first_prediction(connection, "never", NOW) is None
    assert "Rows Removed by Filter" not in plan, plan


def _plan(connection: Any, call: Callable[[], object]) -> str:
    """How PostgreSQL went about the statement that a call sends."""
    sent: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        sent.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    call()
    event.remove(connection, "before_cursor_execute", note)
    [(statement, parameters)] = sent
    found = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, COSTS OFF) {statement}", parameters)
    return "\n".join(np.array(found.all())[:, 0])
