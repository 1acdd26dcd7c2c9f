"""Accuracy per value of one slice dimension, beside the window before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import Connection, text

from monitor.domain.slices import OTHER
from monitor.domain.window import Window
from monitor.stats.slices import SliceAccuracy, slice_accuracy_of_counts
from monitor.store.queries.accuracy import COUNTS
from monitor.store.queries.proportions import Change, Proportion
from monitor.store.queries.selection import EVERYTHING, Selection, bounds

MOST_VALUES: Final = 200
"""Of one dimension; those with the fewest labels beyond it are folded into `__other__`."""
BUILT_IN: Final = ("model", "version", "variant", "task", "replay")
"""Columns that every verdict has and that people slice by."""


@dataclass(frozen=True, slots=True, order=True)
class Dimension:
    """A key of the events' `slices`, or one of the columns in `BUILT_IN`."""

    kind: Literal["slice", "column"]
    name: str

    @property
    def sql(self) -> str:
        """The value's expression; the key of a slice is bound as :dimension.

        Raises:
            ValueError: a column that is not in `BUILT_IN`.
        """
        if self.kind == "slice":
            return "slices ->> :dimension"
        if self.name not in BUILT_IN:
            raise ValueError(f"no built-in dimension {self.name!r}; there are {', '.join(BUILT_IN)}")
        return self.name

    @property
    def parameters(self) -> dict[str, str]:
        return {"dimension": self.name} if self.kind == "slice" else {}


@dataclass(frozen=True, slots=True)
class SliceRow:
    """One value of the dimension: its accuracy now, and against the window before."""

    value: str
    accuracy: SliceAccuracy
    change: Change


@dataclass(frozen=True, slots=True)
class SliceTable:
    """All values of a dimension, those with most labels first."""

    dimension: Dimension
    rows: tuple[SliceRow, ...]
    folded: int
    """Values that were folded into `__other__`."""
    without: int
    """Labelled answers of the window that have no value in this dimension."""


_BY_VALUE = f"""
    WITH found AS (
        SELECT {{value}} AS value, ts >= :start AS current, count(*) AS n, count(*) FILTER (WHERE correct) AS k
        FROM verdicts WHERE ts >= :before AND ts < :end AND {COUNTS}{{conditions}}
        GROUP BY 1, 2
    ), ranked AS (
        SELECT value, row_number() OVER (ORDER BY sum(n) FILTER (WHERE current) DESC NULLS LAST, value) AS place
        FROM found WHERE value IS NOT NULL GROUP BY value
    )
    SELECT CASE WHEN place > :most THEN :other ELSE value END AS value, count(DISTINCT value) AS folded,
           coalesce(sum(n) FILTER (WHERE current), 0)::bigint AS n,
           coalesce(sum(k) FILTER (WHERE current), 0)::bigint AS k,
           coalesce(sum(n) FILTER (WHERE NOT current), 0)::bigint AS n_before,
           coalesce(sum(k) FILTER (WHERE NOT current), 0)::bigint AS k_before,
           coalesce(bool_or(place > :most), false) AS beyond
    FROM found LEFT JOIN ranked USING (value)
    GROUP BY 1, value IS NULL ORDER BY n DESC, 1
"""


def slice_dimensions(connection: Connection, window: Window, selection: Selection) -> list[Dimension]:
    """Every key that labelled predictions of the window carry, then the built-in ones, each group by name."""
    conditions, parameters = selection.of_rows()
    query = text(f"""
        SELECT DISTINCT key FROM (
            SELECT DISTINCT slices FROM verdicts WHERE ts >= :start AND ts < :end AND {COUNTS}{conditions}
        ) AS kinds, jsonb_object_keys(kinds.slices) AS key ORDER BY key
    """)
    keys = connection.execute(query, {**bounds(window), **parameters}).scalars()
    return [Dimension("slice", key) for key in keys] + [Dimension("column", name) for name in BUILT_IN]


def slice_values(connection: Connection, window: Window, selection: Selection, dimension: Dimension) -> list[str]:
    """The values of a dimension in the window, those with most labels first, at most `MOST_VALUES`."""
    conditions, parameters = selection.of_rows()
    query = text(f"""
        SELECT {dimension.sql} AS value FROM verdicts
        WHERE ts >= :start AND ts < :end AND {COUNTS}{conditions} AND {dimension.sql} IS NOT NULL
        GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT :most
    """)
    given = {**bounds(window), **parameters, **dimension.parameters, "most": MOST_VALUES}
    return list(connection.execute(query, given).scalars())


def slice_table(
    connection: Connection, window: Window, dimension: Dimension, selection: Selection = EVERYTHING,
    before: Window | None = None,
) -> SliceTable:  # fmt: skip
    """Accuracy per value in `window`, and its change against `before` (the window just before it, when None).

    `before` must end where `window` starts.
    """
    before = before or window.previous()
    conditions, parameters = selection.of_rows()
    query = text(_BY_VALUE.format(value=dimension.sql, conditions=conditions))
    given = {**bounds(window), **parameters, **dimension.parameters, "before": before.start}
    found = connection.execute(query, {**given, "most": MOST_VALUES, "other": OTHER}).all()
    named = [row for row in found if row.value is not None]
    return SliceTable(
        dimension=dimension,
        rows=tuple(_row(row.value, row.k, row.n, row.k_before, row.n_before) for row in named),
        folded=sum(row.folded for row in named if row.beyond),
        without=sum(row.n for row in found if row.value is None),
    )


def _row(value: str, k: int, n: int, k_before: int, n_before: int) -> SliceRow:
    return SliceRow(value, slice_accuracy_of_counts(k, n), Change(Proportion(k, n), Proportion(k_before, n_before)))
