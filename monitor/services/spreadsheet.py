"""A review as a table for a spreadsheet: the same labels as of the same moment give the same bytes."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import datetime
from io import StringIO
from typing import Final

from monitor.domain.window import Window
from monitor.labelling.cells import guarded
from monitor.services.review import Review, ReviewTable, Values
from monitor.services.unlabelled import Aided
from monitor.stats.intervals import Interval
from monitor.stats.slice_review import JudgedSlice

HEAD: Final = (
    "dimension", "value", "n", "correct", "accuracy", "lower_95", "upper_95", "effective_n", "state",
    "n_before", "accuracy_before", "change", "change_lower_95", "change_upper_95", "change_p_adjusted", "change_state",
    "against_rest", "rest_lower_95", "rest_upper_95", "rest_p_adjusted",
    "powered", "powered_lower_95", "powered_upper_95", "label_saving", "estimated", "estimated_lower_95",
    "estimated_upper_95", "from", "to", "as_of",
)  # fmt: skip
_DIGITS: Final = 6

Cell = str | int | float | None


def review_csv(found: Review) -> bytes:
    """All traffic first, then each table; shares in [0, 1], times in ISO 8601."""
    rows = [_row("", "", found.whole, found.aided), *(row for table in found.tables for row in _rows(table))]
    return _written(rows, found.window, found.as_of)


def table_csv(table: ReviewTable, window: Window, as_of: datetime) -> bytes:
    """One table, its rows in the order given."""
    return _written(_rows(table), window, as_of)


def _written(rows: Iterable[list[Cell]], window: Window, as_of: datetime) -> bytes:
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow(HEAD)
    times = [window.start.isoformat(), window.end.isoformat(), as_of.isoformat()]
    # Rounded, so that the last bits of a floating sum never make a difference.
    writer.writerows([*(round(one, _DIGITS) if isinstance(one, float) else one for one in row), *times] for row in rows)
    return out.getvalue().encode()


def _rows(table: ReviewTable) -> list[list[Cell]]:
    dimension = guarded(" & ".join(one.name for one in table.dimensions))
    return [_row(dimension, guarded(" & ".join(row.key)), row, Aided()) for row in table.rows]


def _row(dimension: str, value: str, row: JudgedSlice[Values], aided: Aided) -> list[Cell]:
    found, before, powered, estimated = row.accuracy, row.change.before, aided.powered, aided.estimated
    change = row.known_change
    return [
        dimension, value, found.n, found.correct.count, found.accuracy, *_ends(found.interval if found.n else None),
        found.correct.effective_n, found.state, before.n, before.share,
        *((change.difference, *_ends(change.interval)) if change else [None] * 3), row.change_p, row.change_state,
        row.rest.difference, *_ends(row.rest.interval), row.rest_p,
        *((powered.share, *_ends(powered.interval), powered.saving) if powered else [None] * 4),
        *((estimated.share, *_ends(estimated.interval)) if estimated else [None] * 3),
    ]  # fmt: skip


def _ends(interval: Interval | None) -> tuple[Cell, Cell]:
    return (None, None) if interval is None else (interval.lower, interval.upper)
