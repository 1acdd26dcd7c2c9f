"""Metrics, health and JSON logs of every process."""

from monitor.telemetry.logs import configure_logging
from monitor.telemetry.metrics import TICKS, serve_metrics

__all__ = ["TICKS", "configure_logging", "serve_metrics"]
