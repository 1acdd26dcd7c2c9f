"""Metrics and JSON logs of every process."""

from monitor.telemetry.logs import configure_logging
from monitor.telemetry.metrics import (
    BATCH_SECONDS,
    EMBEDDED,
    LABEL_BACKLOG,
    LABEL_BACKLOG_AGE,
    LABEL_DISPUTES,
    LABELS_SETTLED,
    LAG,
    RECORDS,
    SIDES_LET_GO,
    TICKS,
    serve_metrics,
)

__all__ = [
    "BATCH_SECONDS",
    "EMBEDDED",
    "LABELS_SETTLED",
    "LABEL_BACKLOG",
    "LABEL_BACKLOG_AGE",
    "LABEL_DISPUTES",
    "LAG",
    "RECORDS",
    "SIDES_LET_GO",
    "TICKS",
    "configure_logging",
    "serve_metrics",
]
