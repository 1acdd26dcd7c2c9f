"""Stored estimates of accuracy beside what labels said of the same answers: of those that have a confidence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from monitor.domain.window import DAY, EPOCH, Window
from monitor.stats.intervals import Interval
from monitor.stats.track_record import Checked
from monitor.stats.weighted import WeightSums, share_of_sums
from monitor.store.queries.accuracy import COUNTS, KNOWN, SUMS, WEIGHT, sums_of
from monitor.store.queries.selection import Selection, bounds


@dataclass(frozen=True, slots=True)
class JudgedEstimate:
    """An estimate of one model and day, made at a time at which that day's labels were not known."""

    model: str
    window: Window
    made_at: datetime
    n: int
    past: int
    checked: Checked


_ESTIMATES = """
    SELECT * FROM accuracy_estimates WHERE window_start >= :start AND window_end <= :end AND made_at <= :as_of
"""
_LABELLED = f"""
    SELECT model, date_bin(:day, ts, :origin) AS day, {SUMS}
    FROM (
        SELECT *, {WEIGHT} FROM verdicts
        WHERE ts >= :start AND ts < :end AND replay IS NULL AND confidence IS NOT NULL AND {COUNTS} AND {KNOWN}
            {{conditions}}
    ) AS v GROUP BY 1, 2
"""


def judged_estimates(
    connection: Connection, window: Window, selection: Selection, as_of: datetime
) -> list[JudgedEstimate]:
    """The estimates of whole days within the window, newest first, against the labels that were in at `as_of`."""
    of_model = Selection(model=selection.model)
    conditions, parameters = of_model.of_rollups()
    given = {**bounds(window), **parameters, "as_of": as_of}
    labelled = connection.execute(text(_LABELLED.format(conditions=conditions)), {**given, "day": DAY, "origin": EPOCH})
    sums = {(row.model, row.day): sums_of(row) for row in labelled}
    rows = connection.execute(text(f"{_ESTIMATES}{conditions} ORDER BY window_start DESC, model"), given)
    return [
        JudgedEstimate(
            row.model, Window(row.window_start, row.window_end), row.made_at, row.n, row.past,
            Checked(
                row.share, Interval(row.lower, row.upper),
                share_of_sums(sums.get((row.model, row.window_start), WeightSums())),
            ),
        )
        for row in rows
    ]  # fmt: skip
