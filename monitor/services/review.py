"""The weekly review: every slice with its accuracy, how sure it is, and what stands out. Reads, stores nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import reduce
from itertools import combinations
from operator import add
from typing import Final

from sqlalchemy import Connection

from monitor.domain.slices import OTHER
from monitor.domain.window import DAY, Window
from monitor.services.unlabelled import Aided, aided_accuracy
from monitor.stats.maturity import DelayCurve, Maturity, maturity
from monitor.stats.slice_review import JudgedSlice, SliceLabels, review
from monitor.store.queries.accuracy import Accuracy, labelled_accuracy
from monitor.store.queries.label_delays import label_maturity, usual_delay
from monitor.store.queries.selection import EVERYTHING, Selection
from monitor.store.queries.slices import Dimension, SliceTable, pair_table, slice_dimensions, slice_table

WEEK: Final = 7 * DAY
MOST_PAIRED: Final = 5
"""Dimensions of which a whole review makes pairs; ten tables."""

Values = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReviewTable:
    """The slices of one dimension, or of a pair of dimensions, those with most labels first."""

    dimensions: tuple[Dimension, ...]
    rows: tuple[JudgedSlice[Values], ...]
    folded: int
    """Values that were folded into `__other__`; pairs that are left out because of few labels."""
    without: int
    """Labelled answers that have no value in one of the dimensions."""


@dataclass(frozen=True, slots=True)
class Review:
    """All that the review of a window says, as of a moment."""

    window: Window
    as_of: datetime
    labelled: Accuracy
    maturity: Maturity
    whole: JudgedSlice[Values]
    """All traffic, with () as its values."""
    aided: Aided
    """Of all traffic."""
    tables: tuple[ReviewTable, ...]


def week_of(name: str) -> Window:
    """An ISO week, from Monday to Monday, UTC.

    >>> week_of("2026-W46").start.isoformat()
    '2026-11-09T00:00:00+00:00'

    Raises:
        ValueError: no such week.
    """
    year, _, number = name.partition("-W")
    try:
        monday = date.fromisocalendar(int(year), int(number), 1)
        start = datetime(monday.year, monday.month, monday.day, tzinfo=UTC)
        return Window(start, start + WEEK)
    except (ValueError, OverflowError):
        raise ValueError(f"{name!r} is no ISO week; write e.g. 2026-W46") from None


def last_full_week(now: datetime) -> Window:
    """The ISO week that ended last."""
    year, number, _ = (now.astimezone(UTC) - WEEK).isocalendar()
    return week_of(f"{year}-W{number}")


@dataclass(frozen=True, slots=True)
class Labels:
    """What every table of a window rests on."""

    labelled: Accuracy
    maturity: Maturity
    delay: DelayCurve
    """How long labels usually take."""


def labels_of(connection: Connection, window: Window, as_of: datetime, selection: Selection = EVERYTHING) -> Labels:
    """All labels of the window that were there at `as_of`, and how many are still to come."""
    labelled, delay = labelled_accuracy(connection, window, selection, as_of), usual_delay(connection, window, as_of)
    found = label_maturity(connection, window, selection, as_of, delay)
    return Labels(labelled, found.get((), maturity(0, [], delay)), delay)


def review_whole(
    connection: Connection, window: Window, as_of: datetime, selection: Selection, labels: Labels
) -> JudgedSlice[Values]:
    """All labelled traffic of the window against the window before; `labels` are those of the same selection."""
    earlier = labelled_accuracy(connection, window.previous(), selection, as_of).sums
    everything: SliceLabels[Values] = SliceLabels((), labels.labelled.sums, earlier)
    return review([everything], labels.labelled.sums, mature=labels.maturity.mature)[0]


def review_slices(
    connection: Connection,
    window: Window,
    dimensions: Sequence[Dimension],
    as_of: datetime,
    selection: Selection,
    labels: Labels,
) -> ReviewTable:
    """The slices of one dimension, or the pairs of two, by what was labelled until `as_of`, and in the window before.

    One is mature where the labels of the window are, and its own of them. `labels` are those of the same selection.

    Raises:
        ValueError: neither one nor two dimensions.
    """
    match list(dimensions):
        case [one]:
            found = slice_table(connection, window, one, selection, as_of)
        case [first, second]:
            found = pair_table(connection, window, (first, second), selection, as_of)
        case _:
            raise ValueError(f"slices are of one dimension or of two, not of {len(dimensions)}")
    own = label_maturity(connection, window, selection, as_of, labels.delay, found.dimensions)
    mature = _mature(found, own)
    slices = [SliceLabels(row.values, row.now, row.before, row.values in mature) for row in found.rows]
    rows = review(slices, labels.labelled.sums, mature=labels.maturity.mature)
    return ReviewTable(found.dimensions, tuple(rows), found.folded, found.without)


def _mature(table: SliceTable, own: Mapping[Values, Maturity]) -> set[Values]:
    """Rows whose labels are in; those of folded values are what tasks of no other row are."""
    shown = {row.values: own[row.values] for row in table.rows if row.values in own}
    if table.folded and (OTHER,) in {row.values for row in table.rows}:
        folded = [found for values, found in own.items() if values == (OTHER,) or values not in shown]
        shown |= {(OTHER,): reduce(add, folded)} if folded else {}
    return {row.values for row in table.rows if row.values not in shown or shown[row.values].mature}


def full_review(connection: Connection, window: Window, as_of: datetime, selection: Selection = EVERYTHING) -> Review:
    """Every dimension, every pair of the slices' dimensions, and all traffic with what unlabelled answers add."""
    labels = labels_of(connection, window, as_of, selection)
    known = slice_dimensions(connection, window, selection)
    keys = [one for one in known if one.kind == "slice"]
    asked = [(one,) for one in known] + list(combinations(keys[:MOST_PAIRED], 2))
    tables = [review_slices(connection, window, dimensions, as_of, selection, labels=labels) for dimensions in asked]
    return Review(
        window=window,
        as_of=as_of,
        labelled=labels.labelled,
        maturity=labels.maturity,
        whole=review_whole(connection, window, as_of, selection, labels=labels),
        aided=aided_accuracy(connection, window, as_of, selection).get("", Aided()),
        tables=tuple(table for table in tables if len(table.dimensions) == 2 or len(table.rows) > 1),
    )
