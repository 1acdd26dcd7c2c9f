"""Tables for a spreadsheet. No Streamlit here."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO

from monitor.domain.window import Window
from monitor.store.queries.slices import SliceRow, SliceTable

_HEAD = (
    "dimension", "value", "correct", "n", "accuracy", "lower_95", "upper_95", "state",
    "correct_before", "n_before", "change", "change_lower_95", "change_upper_95", "from", "to",
)  # fmt: skip


def slices_csv(rows: Sequence[SliceRow], table: SliceTable, window: Window) -> bytes:
    """The rows of a slice table in the order given; shares in [0, 1], times in ISO 8601."""
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow(_HEAD)
    for row in rows:
        found, change = row.accuracy, row.change
        limits = (None, None) if change.interval is None else (change.interval.lower, change.interval.upper)
        writer.writerow((
            harmless(table.dimension.name), harmless(row.value), found.correct, found.n, found.accuracy, found.lower,
            found.upper, found.state, change.before.count, change.before.n, change.difference, *limits,
            window.start.isoformat(), window.end.isoformat(),
        ))  # fmt: skip
    return out.getvalue().encode()


def harmless(text: str) -> str:
    """An apostrophe before what a spreadsheet would take for a formula.

    >>> harmless("=1+1"), harmless("camera-1")
    ("'=1+1", 'camera-1')
    """
    return f"'{text}" if text[:1] in tuple("=+-@\t\r") else text
