"""Accuracy estimated without labels: writing it down once, and not again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, text

from monitor.domain.window import Window
from monitor.stats.estimated_accuracy import EstimatedAccuracy
from monitor.store.queries.selection import bounds

_INSERT = text("""
    INSERT INTO accuracy_estimates (window_start, window_end, model, made_at, share, lower, upper, n, past)
    VALUES (:start, :end, :model, :made_at, :share, :lower, :upper, :n, :past) ON CONFLICT DO NOTHING
""")
_ESTIMATED = text("SELECT model FROM accuracy_estimates WHERE window_start = :start AND window_end = :end")


def estimated_models(connection: Connection, window: Window) -> set[str]:
    """Models that have an estimate of the window."""
    return set(connection.execute(_ESTIMATED, bounds(window)).scalars())


def insert_estimates(
    connection: Connection, window: Window, estimates: Mapping[str, EstimatedAccuracy], made_at: datetime
) -> None:
    """By model; an estimate that is there already stays, because later ones know more."""
    rows = [
        {
            **bounds(window), "model": model, "made_at": made_at, "share": one.share, "lower": one.interval.lower,
            "upper": one.interval.upper, "n": one.n, "past": one.past,
        }
        for model, one in sorted(estimates.items())
    ]  # fmt: skip
    if rows:
        connection.execute(_INSERT, rows)
