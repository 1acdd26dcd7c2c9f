"""Prometheus metrics of a process, on loopback."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, start_http_server

from monitor.errors import SettingsError

RECORDS = Counter("snellen_records_total", "Records by what became of them", ["topic", "outcome"])
EMBEDDED = Counter(
    "snellen_embedded_total", "Predictions that the embed group read, by what became of them", ["outcome"]
)
SIDES_LET_GO = Counter(
    "snellen_sides_let_go_total", "Sides of calls whose other side did not come while they waited", ["group"]
)
BATCH_SECONDS = Histogram(
    "snellen_batch_seconds", "Time to store one batch", buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
)
LAG = Gauge("snellen_lag_records", "Log end minus the offset to read next", ["topic", "partition"])
LABEL_BACKLOG = Gauge("snellen_label_backlog_tasks", "Drawn answers that wait for an annotator", ["stratum"])
LABEL_BACKLOG_AGE = Gauge("snellen_label_backlog_oldest_seconds", "Age of the oldest of them", ["stratum"])
LABELS_SETTLED = Counter("snellen_labels_settled_total", "Labels that decide nothing: what they speak of is not stored")
LABEL_DISPUTES = Gauge("snellen_label_disputes", "Label tasks whose annotators contradict each other")
TICKS = Counter("snellen_ticks_total", "Scheduler jobs by result", ["job", "result"])


def serve_metrics(port: int) -> None:
    """Answer `GET /metrics` on 127.0.0.1:port; 0 means that nobody asked for it.

    Raises:
        SettingsError: we cannot listen there.
    """
    if not port:
        return
    try:
        start_http_server(port, addr="127.0.0.1")
    except OSError as error:
        raise SettingsError(
            f"metrics_port (or SNELLEN_METRICS_PORT): cannot listen on 127.0.0.1:{port}: {error.strerror}; "
            "give each process of a host a free port of its own, or 0 for no metrics"
        ) from None
