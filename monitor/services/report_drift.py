"""Gather the descriptors of two windows, and have them reported."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from monitor.domain.window import Window
from monitor.reports.drift_report import Table, drift_report
from monitor.store import observations
from monitor.store.engine import transaction
from monitor.store.observations import Measures, ObservedPrediction
from monitor.streams.image_quality import QUALITY_UNITS
from monitor.streams.scalars import margin

MAX_ROWS = 5000
"""Of each window, drawn evenly over its hours by the hash of their ids."""


def report_drift(engine: Engine, model: str, reference: Window, current: Window) -> str:
    """The HTML report on any two windows of a model's stored predictions.

    Raises:
        NotEnoughData: a window with too few predictions of the model.
        StoreError: PostgreSQL refused or does not answer.
    """
    with transaction(engine) as connection:
        before, now = (_table(connection, model, window) for window in (reference, current))
    words = [
        f"{name} {window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC ({side.rows:,} rows)"
        for name, window, side in (("reference", reference, before), ("current", current, now))
    ]
    note = f"at most {MAX_ROWS:,} rows of each are drawn, evenly over the hours"
    return drift_report(before, now, f"{model}: {'; '.join(words)}; {note}")


def _table(connection: Connection, model: str, window: Window) -> Table:
    rows = observations.sample_window(connection, model, window, MAX_ROWS)
    measured = observations.measures(connection, rows)
    dimensions = sorted({name for row in rows for name in row.slices})
    return Table(
        rows=len(rows),
        numbers=_numbers(rows, measured) | _quality(measured),
        categories={
            "task": [row.observed.task for row in rows],
            "version": [row.version or None for row in rows],
            "variant": [row.variant for row in rows],
            "status": [one.status for one in measured],
            "answer": [row.observed.answer for row in rows],
            **{f"slice {name}": [row.slices.get(name) for row in rows] for name in dimensions},
        },
        texts={
            "prompt": [row.observed.prompt for row in rows],
            "answer text": [row.observed.answer for row in rows],
        },
    )


def _numbers(rows: list[ObservedPrediction], measured: list[Measures]) -> dict[str, list[float | None]]:
    return {
        "confidence": [row.observed.confidence for row in rows],
        "margin": [margin(row.observed) for row in rows],
        "latency_ms": [one.latency_ms for one in measured],
        "cost_usd": [one.cost_usd for one in measured],
        "tokens in": [one.tokens_in for one in measured],
        "tokens out": [one.tokens_out for one in measured],
    }


def _quality(measured: list[Measures]) -> dict[str, list[float | None]]:
    """The image quality features, in their own units again."""
    return {
        f"image {name}": [
            None if one.image_quality is None else float(one.image_quality[index]) * unit for one in measured
        ]
        for index, (name, unit) in enumerate(QUALITY_UNITS.items())
    }
