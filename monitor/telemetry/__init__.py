"""Metrics, health and JSON logs of every process."""

from monitor.telemetry.logs import configure_logging
from monitor.telemetry.metrics import serve_metrics

__all__ = ["configure_logging", "serve_metrics"]
