"""Labelled accuracy: how many of the sampled, labelled answers were right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

from monitor.domain.window import EPOCH, Window
from monitor.stats.weighted import WeightedShare, WeightSums, share_of_sums
from monitor.store.queries.selection import Selection, bounds

COUNTS = "correct IS NOT NULL AND inclusion_probability IS NOT NULL"
"""SQL: which verdicts an accuracy rests on. Others were not drawn by the sampler, or their label decides nothing."""


WEIGHT = "least(round(10000 / inclusion_probability), 3e9)::bigint AS weight"
"""SQL: how many predictions a verdict stands for, in ten-thousandths. Sums of whole numbers do not depend on the order
of the rows, so the same rows always give the same figures; the unit cancels. At most 300,000 predictions."""
SUMS = """count(*) AS n, count(*) FILTER (WHERE correct) AS correct, coalesce(sum(weight), 0) AS weight,
    coalesce(sum(weight * weight), 0) AS squared, coalesce(sum(weight) FILTER (WHERE correct), 0) AS weight_correct,
    coalesce(sum(weight * weight) FILTER (WHERE correct), 0) AS squared_correct,
    coalesce(sum(weight * weight * weight::numeric), 0) AS cubed"""
"""SQL: the fields of `WeightSums` over rows that have a `WEIGHT`."""


def sums_of(row: Row[Any]) -> WeightSums:
    """The fields that `SUMS` made."""
    return WeightSums(
        n=int(row.n), correct=int(row.correct), weight=int(row.weight), squared=int(row.squared),
        weight_correct=int(row.weight_correct), squared_correct=int(row.squared_correct), cubed=int(row.cubed),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Correct answers among the labelled predictions of a window, and what was left out."""

    sums: WeightSums
    undecided: int
    """Labels that decide nothing: unsure annotators, ties, tasks without a scorer."""
    volunteered: int
    """Labels that nobody asked for (complaints): no estimate may rest on them."""
    without_confidence: int
    least_probability: float | None
    most_probability: float | None
    """Of being drawn for labelling."""
    last_labelled_at: datetime | None

    @property
    def correct(self) -> WeightedShare:
        """The share of correct answers among all predictions of the window, drawn for labelling or not."""
        return share_of_sums(self.sums)


@dataclass(frozen=True, slots=True)
class AccuracyPoint:
    """The labelled answers to the predictions of one bucket, which begins at `at`."""

    at: datetime
    correct: WeightedShare


KNOWN = "(CAST(:as_of AS timestamptz) IS NULL OR labelled_at <= :as_of)"
"""SQL: which verdicts were known at :as_of; all, where it is NULL."""

_TOTALS = f"""
    SELECT {SUMS}, count(*) FILTER (WHERE confidence IS NULL) AS without_confidence,
           min(inclusion_probability) AS least, max(inclusion_probability) AS most, max(labelled_at) AS last_labelled_at
    FROM (SELECT *, {WEIGHT} FROM verdicts WHERE ts >= :start AND ts < :end AND {COUNTS} AND {KNOWN}{{conditions}}) AS v
"""
_LEFT_OUT = f"""
    SELECT count(*) FILTER (WHERE correct IS NULL) AS undecided,
           count(*) FILTER (WHERE correct IS NOT NULL AND inclusion_probability IS NULL) AS volunteered
    FROM verdicts WHERE ts >= :start AND ts < :end AND {KNOWN}
"""
_OVER_TIME = f"""
    SELECT date_bin(:step, ts, :origin) AS at, {SUMS}
    FROM (SELECT *, {WEIGHT} FROM verdicts WHERE ts >= :start AND ts < :end AND {COUNTS}{{conditions}}) AS v
    GROUP BY 1 ORDER BY 1
"""


def labelled_accuracy(
    connection: Connection, window: Window, selection: Selection, as_of: datetime | None = None
) -> Accuracy:
    """Of the predictions made within the window, by what was labelled until `as_of` (until now, when None)."""
    conditions, parameters = selection.of_rows()
    given = {**bounds(window), **parameters, "as_of": as_of}
    row = connection.execute(text(_TOTALS.format(conditions=conditions)), given).one()
    left_out = connection.execute(text(_LEFT_OUT + conditions), given).one()
    return Accuracy(
        sums=sums_of(row),
        undecided=left_out.undecided,
        volunteered=left_out.volunteered,
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
        text(_OVER_TIME.format(conditions=conditions)),
        {**bounds(window), **parameters, "step": step, "origin": EPOCH},
    )
    return [AccuracyPoint(row.at, share_of_sums(sums_of(row))) for row in rows]
