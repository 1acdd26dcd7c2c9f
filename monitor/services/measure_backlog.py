"""Tell Prometheus how much waits for annotators, and for how long."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine

from monitor.store.engine import transaction
from monitor.store.label_tasks import Terms
from monitor.store.queries.label_tasks import backlog_by_stratum, disputes
from monitor.telemetry import LABEL_BACKLOG, LABEL_BACKLOG_AGE, LABEL_DISPUTES


def measure_backlog(engine: Engine, terms: Terms, now: datetime) -> None:
    """Set the gauges; strata in which nothing waits any more leave them.

    Raises:
        StoreError: PostgreSQL does not answer; the gauges stay as they were.
    """
    with transaction(engine) as connection:
        found, disputed = backlog_by_stratum(connection, terms, now), disputes(connection)
    for gauge in (LABEL_BACKLOG, LABEL_BACKLOG_AGE):
        gauge.clear()
    for one in found:
        LABEL_BACKLOG.labels(one.stratum).set(one.waiting)
        LABEL_BACKLOG_AGE.labels(one.stratum).set((now - one.oldest).total_seconds())
    LABEL_DISPUTES.set(disputed.waiting)
