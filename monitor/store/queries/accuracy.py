"""Labelled accuracy: how many of the sampled, labelled answers were right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from monitor.domain.window import Window
from monitor.store.queries.buckets import EPOCH
from monitor.store.queries.proportions import Proportion
from monitor.store.queries.selection import Selection, bounds

COUNTS = "correct IS NOT NULL AND inclusion_probability IS NOT NULL"
"""SQL: which verdicts an accuracy rests on. Others were not drawn by the sampler, or their label decides nothing."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Correct answers among the labelled predictions of a window, and what was left out."""

    correct: Proportion
    undecided: int
    """Labels that decide nothing: unsure annotators, ties, tasks without a scorer."""
    volunteered: int
    """Labels that nobody asked for (complaints): no estimate may rest on them."""
    without_confidence: int
    least_probability: float | None
    most_probability: float | None
    """Of being drawn for labelling; when the two differ, equal weights are an approximation."""
    last_labelled_at: datetime | None


@dataclass(frozen=True, slots=True)
class AccuracyPoint:
    """The labelled answers to the predictions of one bucket, which begins at `at`."""

    at: datetime
    correct: Proportion


_TOTALS = f"""
    SELECT count(*) FILTER (WHERE correct AND {COUNTS}) AS k, count(*) FILTER (WHERE {COUNTS}) AS n,
           count(*) FILTER (WHERE correct IS NULL) AS undecided,
           count(*) FILTER (WHERE correct IS NOT NULL AND inclusion_probability IS NULL) AS volunteered,
           count(*) FILTER (WHERE {COUNTS} AND confidence IS NULL) AS without_confidence,
           min(inclusion_probability) AS least, max(inclusion_probability) AS most, max(labelled_at) AS last_labelled_at
    FROM verdicts WHERE ts >= :start AND ts < :end
"""
_OVER_TIME = f"""
    SELECT date_bin(:step, ts, :origin) AS at, count(*) FILTER (WHERE correct) AS k, count(*) AS n
    FROM verdicts WHERE ts >= :start AND ts < :end AND {COUNTS}
"""


def labelled_accuracy(connection: Connection, window: Window, selection: Selection) -> Accuracy:
    """Of the predictions made within the window."""
    conditions, parameters = selection.of_rows()
    row = connection.execute(text(_TOTALS + conditions), {**bounds(window), **parameters}).one()
    return Accuracy(
        correct=Proportion(row.k, row.n),
        undecided=row.undecided,
        volunteered=row.volunteered,
        without_confidence=row.without_confidence,
        least_probability=row.least,
        most_probability=row.most,
        last_labelled_at=row.last_labelled_at,
    )


def accuracy_over_time(
    connection: Connection, window: Window, selection: Selection, step: timedelta
) -> list[AccuracyPoint]:
    """By bucket of prediction time; buckets without labels are left out."""
    conditions, parameters = selection.of_rows()
    rows = connection.execute(
        text(f"{_OVER_TIME}{conditions} GROUP BY 1 ORDER BY 1"),
        {**bounds(window), **parameters, "step": step, "origin": EPOCH},
    )
    return [AccuracyPoint(row.at, Proportion(row.k, row.n)) for row in rows]
