"""Labels per value of a slice dimension, or of a pair of them, beside the window before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, Row, text

from monitor.domain.slices import OTHER
from monitor.domain.window import Window
from monitor.stats.slices import MIN_LABELS
from monitor.stats.weighted import WeightSums
from monitor.store.queries.accuracy import COUNTS, KNOWN, SUMS, WEIGHT, sums_of
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

    def bound(self, name: str) -> tuple[str, dict[str, str]]:
        """The value's expression, and its parameters, the first of which is called `name`.

        Raises:
            ValueError: a column that is not in `BUILT_IN`.
        """
        if self.kind == "slice":
            return f"slices ->> :{name}", {name: self.name}
        if self.name not in BUILT_IN:
            raise ValueError(f"no built-in dimension {self.name!r}; there are {', '.join(BUILT_IN)}")
        return self.name, {}

    @property
    def sql(self) -> str:
        """The value's expression; the key of a slice is bound as :dimension.

        Raises:
            ValueError: as `bound`.
        """
        return self.bound("dimension")[0]

    @property
    def parameters(self) -> dict[str, str]:
        return self.bound("dimension")[1]


@dataclass(frozen=True, slots=True)
class SliceRow:
    """One value of a dimension, or of a pair of them: its labels in the window and in the window before."""

    values: tuple[str, ...]
    """One per dimension."""
    now: WeightSums
    before: WeightSums

    @property
    def value(self) -> str:
        """As people read it."""
        return " & ".join(self.values)


@dataclass(frozen=True, slots=True)
class SliceTable:
    """All values of a dimension, or of a pair of dimensions, those with most labels first."""

    dimensions: tuple[Dimension, ...]
    rows: tuple[SliceRow, ...]
    folded: int
    """Values that were folded into `__other__`; pairs that are left out because of few labels."""
    without: int
    """Labelled answers of the window that have no value in one of the dimensions."""


_LABELLED = f"""
    SELECT {{values}}, ts >= :start AS current, {SUMS}
    FROM (
        SELECT *, {WEIGHT} FROM verdicts
        WHERE ts >= :before AND ts < :end AND {COUNTS} AND {KNOWN}{{conditions}}
    ) AS v GROUP BY {{places}}
"""
_ADDED = ", ".join(f"sum({one}) AS {one}" for one in (field.name for field in fields(WeightSums)))
_BY_VALUE = f"""
    WITH found AS ({_LABELLED}), ranked AS (
        SELECT first, row_number() OVER (ORDER BY sum(n) FILTER (WHERE current) DESC NULLS LAST, first) AS place
        FROM found WHERE first IS NOT NULL GROUP BY first
    )
    SELECT CASE WHEN place > :most THEN :other ELSE first END AS first, current,
           count(*) FILTER (WHERE place > :most) AS folded, {_ADDED}
    FROM found LEFT JOIN ranked USING (first) GROUP BY 1, 2
"""
_BY_PAIR = f"""
    WITH found AS ({_LABELLED}), counted AS (
        SELECT *, coalesce(sum(n) FILTER (WHERE current) OVER (PARTITION BY first, second), 0) AS labels FROM found
    ), totals AS (
        SELECT count(*) FILTER (WHERE labels < :least AND first IS NOT NULL AND second IS NOT NULL) AS few,
               coalesce(sum(n) FILTER (WHERE first IS NULL OR second IS NULL), 0) AS without
        FROM counted WHERE current
    ), shown AS (
        SELECT *, dense_rank() OVER (ORDER BY labels DESC, first, second) AS place
        FROM counted WHERE labels >= :least AND first IS NOT NULL AND second IS NOT NULL
    )
    SELECT * FROM totals LEFT JOIN shown ON place <= :most
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
    as_of: datetime | None = None,
) -> SliceTable:  # fmt: skip
    """Labels per value in `window` and in the one just before it.

    Of what was labelled until `as_of`; until now, when None.
    """
    values = f"{dimension.sql} AS first"
    given = {**dimension.parameters, "most": MOST_VALUES, "other": OTHER}
    found = _ask(connection, _BY_VALUE, (values, "1, 2"), given, window, selection, as_of)
    named = [row for row in found if row.first is not None]
    return SliceTable(
        dimensions=(dimension,),
        rows=_paired(((row.first,), row) for row in named),
        folded=sum(row.folded for row in named if row.current),
        without=sum(int(row.n) for row in found if row.first is None and row.current),
    )


def pair_table(
    connection: Connection, window: Window, dimensions: tuple[Dimension, Dimension],
    selection: Selection = EVERYTHING, as_of: datetime | None = None, least: int = MIN_LABELS,
) -> SliceTable:  # fmt: skip
    """The same per pair of values with at least `least` labels in the window; the `MOST_VALUES` with most labels."""
    (first, of_first), (second, of_second) = dimensions[0].bound("first_key"), dimensions[1].bound("second_key")
    given = {**of_first, **of_second, "most": MOST_VALUES, "least": max(least, 1)}
    by = (f"{first} AS first, {second} AS second", "1, 2, 3")
    found = _ask(connection, _BY_PAIR, by, given, window, selection, as_of)
    return SliceTable(
        dimensions=dimensions,
        rows=_paired(((row.first, row.second), row) for row in found if row.place is not None),
        folded=found[0].few,
        without=int(found[0].without),
    )


def _ask(
    connection: Connection, query: str, by: tuple[str, str], given: dict[str, Any], window: Window,
    selection: Selection, as_of: datetime | None,
) -> Sequence[Row[Any]]:  # fmt: skip
    conditions, parameters = selection.of_rows()
    values, places = by
    asked = text(query.format(values=values, places=places, conditions=conditions))
    start = window.previous().start
    return connection.execute(asked, {**bounds(window), **parameters, **given, "before": start, "as_of": as_of}).all()


def _paired(rows: Iterable[tuple[tuple[str, ...], Row[Any]]]) -> tuple[SliceRow, ...]:
    """Rows of both windows put together by their values, those with most labels first."""
    sums: dict[tuple[str, ...], dict[bool, WeightSums]] = {}
    for values, row in rows:
        sums.setdefault(values, {})[row.current] = sums_of(row)
    nothing = WeightSums()
    made = [SliceRow(values, of.get(True, nothing), of.get(False, nothing)) for values, of in sums.items()]
    return tuple(sorted(made, key=lambda row: (-row.now.n, row.values)))
