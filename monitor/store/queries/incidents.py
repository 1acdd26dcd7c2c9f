"""Which slices carry an incident: bad events by slice, during it and before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, text

from monitor.domain.slices import ALL_TRAFFIC
from monitor.domain.window import DAY, MINUTE, Window
from monitor.sli import SLIS
from monitor.sli.availability import Availability
from monitor.sli.latency import Latency
from monitor.sli.series import MinuteCounts
from monitor.slo.objective import Measure, Selector
from monitor.stats.proportions import Change, Proportion
from monitor.store.queries.accuracy import COUNTS
from monitor.store.queries.latency import SUM_OF_BINS
from monitor.store.queries.selection import bounds, selected
from monitor.store.queries.slices import Dimension

PARTS: Final = ("version", "variant", "model", "task")
"""Columns that a breakdown looks at besides the slices."""
MOST_SLICES: Final = 60
CALLS: Final = "coverage"
"""The SLI whose events are calls in two records: of those that are lost there is no row."""
BROKEN_DOWN: Final = ("availability", "latency", "label_accuracy", CALLS)
"""SLIs whose events are known by slice here. Those of the others are no requests: tasks that wait, looks for drift."""


@dataclass(frozen=True, slots=True)
class SliceShift:
    """Bad events of one slice value during an incident and before it; of all traffic, when there is no dimension."""

    dimension: Dimension | None
    value: str
    bad: Change[Proportion]

    @property
    def excess(self) -> float:
        """Bad events beyond those that the rate before would have given; 0 where nothing is known of before."""
        before = self.bad.before.share
        return 0.0 if before is None else self.bad.now.count - before * self.bad.now.n


def windows_of(opened_at: datetime, long_minutes: int, until: datetime) -> tuple[Window, Window]:
    """The incident and the time to compare it with.

    Args:
        opened_at: the tick at which a tier fired.
        long_minutes: its long window: what made it fire lies in there.
        until: the end of the incident, or now.

    Returns:
        From one long window before the opening until the end; and as long a stretch before that, a day at least, so
        that quiet hours do not decide what is usual.
    """
    incident = Window(opened_at - long_minutes * MINUTE, max(until, opened_at))
    return incident, Window.before(incident.start, max(incident.length, DAY))


def slice_shifts(connection: Connection, measure: Measure, incident: Window, before: Window) -> list[SliceShift]:
    """Bad events by slice in both windows, all traffic first, then those with most excess bad events.

    None of an SLI that is not `BROKEN_DOWN`.
    """
    if measure.sli not in BROKEN_DOWN:
        return []
    shifts = _labels if measure.sampled else _requests
    found = shifts(connection, measure, incident, before)
    whole = [one for one in found if one.dimension is None]
    parts = [one for one in found if one.dimension is not None]
    parts.sort(key=lambda one: (-one.excess, str(one.dimension), one.value))
    return whole + _informative(parts)[:MOST_SLICES]


def _labels(connection: Connection, measure: Measure, incident: Window, before: Window) -> list[SliceShift]:
    """Of the labels that the SLO counts: those drawn with one probability."""
    conditions, parameters = selected(measure.selector)
    columns = ", ".join(f"('column', '{name}', {name})" for name in PARTS)
    query = text(f"""
        SELECT kind, key, value, {_COUNT_BOTH} FROM verdicts, LATERAL (
            SELECT 'slice' AS kind, key, value FROM jsonb_each_text(slices)
            UNION ALL VALUES {columns}, (NULL, NULL, '')
        ) AS parts
        WHERE ts >= :first AND ts < :last AND {COUNTS} AND in_base{conditions} GROUP BY kind, key, value
    """)
    rows = connection.execute(query, {**parameters, **_windows(incident, before)})
    return [
        SliceShift(
            None if row.kind is None else Dimension(row.kind, row.key),
            row.value,
            Change(Proportion(row.bad, row.n), Proportion(row.bad_before, row.n_before)),
        )
        for row in rows
    ]


_COUNT_BOTH = ", ".join(
    f"count(*) FILTER (WHERE ts >= :{window}_start AND ts < :{window}_end{bad}) AS {name}"
    for window, bad, name in (
        ("now", "", "n"), ("now", " AND NOT correct", "bad"),
        ("before", "", "n_before"), ("before", " AND NOT correct", "bad_before"),
    )
)  # fmt: skip


def _requests(connection: Connection, measure: Measure, incident: Window, before: Window) -> list[SliceShift]:
    counted = _calls if measure.sli == CALLS else _rollups
    now, earlier = (counted(connection, measure, window) for window in (incident, before))
    nothing = Proportion(0, 0)
    return [
        SliceShift(*key, Change(now.get(key, nothing), earlier.get(key, nothing)))
        for key in sorted(now.keys() | earlier.keys(), key=str)
    ]


def _rollups(
    connection: Connection, measure: Measure, window: Window
) -> dict[tuple[Dimension | None, str], Proportion]:
    """Bad events by slice value and by column, counted by the SLI itself."""
    chosen = measure.selector
    conditions, parameters = selected(Selector(chosen.model, chosen.version, chosen.variant, chosen.task))
    sums = f"sum(ok)::bigint, sum(error)::bigint, sum(timeout)::bigint, sum(rejected)::bigint, {SUM_OF_BINS}"
    query = text(f"""
        SELECT dimension, value, {", ".join(PARTS)}, {sums} FROM rollups_minute
        WHERE minute >= :start AND minute < :end AND {_ROLLUP_SLICES[chosen.slice == ALL_TRAFFIC]}{conditions}
        GROUP BY dimension, value, {", ".join(PARTS)}
    """)
    given = {**bounds(window), **parameters, "dimension": chosen.slice.dimension, "value": chosen.slice.value}
    rows = connection.execute(query, given).all()
    counts = _counted(measure, [tuple(row)[-5:] for row in rows])
    added: dict[tuple[Dimension | None, str], Proportion] = {}
    for row, count in zip(rows, counts, strict=True):
        for key in _keys(row, chosen.slice.dimension):
            known = added.get(key, Proportion(0, 0))
            added[key] = Proportion(known.count + count.count, known.n + count.n)
    return added


def _calls(connection: Connection, measure: Measure, window: Window) -> dict[tuple[Dimension | None, str], Proportion]:
    """Lost and all calls that are logged in two records, by column; by slice they are not known."""
    conditions, parameters = selected(measure.selector)
    query = text(f"""
        SELECT {", ".join(PARTS)}, sum(lost)::bigint AS lost, sum(joined + lost)::bigint AS calls, '' AS dimension
        FROM pair_counts WHERE minute >= :start AND minute < :end{conditions} GROUP BY {", ".join(PARTS)}
    """)
    added: dict[tuple[Dimension | None, str], Proportion] = {}
    for row in connection.execute(query, {**bounds(window), **parameters}):
        for key in _keys(row, ""):
            known = added.get(key, Proportion(0, 0))
            added[key] = Proportion(known.count + row.lost, known.n + row.calls)
    return added


_ROLLUP_SLICES: Final = {True: "true", False: "dimension = :dimension AND value = :value"}


def _keys(row: Any, within: str) -> Iterable[tuple[Dimension | None, str]]:
    """Where a rollup row counts: its slice, or, when it is of all the traffic asked for, each of its columns."""
    if row.dimension != within:
        yield Dimension("slice", row.dimension), row.value
        return
    yield None, ""
    for name in PARTS:
        yield Dimension("column", name), getattr(row, name)


def _counted(measure: Measure, rows: list[tuple[Any, ...]]) -> list[Proportion]:
    sli = SLIS[measure.sli]
    if not isinstance(sli, Availability | Latency) or not rows:
        return []
    ok, error, timeout, rejected = np.array([row[:4] for row in rows], dtype=np.int64).T
    histogram = np.array([row[4] for row in rows], dtype=np.int64)
    events = sli.count(MinuteCounts(np.zeros_like(ok), ok, error, timeout, rejected, histogram), measure.threshold)
    return [Proportion(int(bad), int(total)) for bad, total in zip(events.bad, events.total, strict=True)]


def _informative(shifts: list[SliceShift]) -> list[SliceShift]:
    """Without dimensions that have one value only: they say what all traffic says."""
    values: dict[Dimension | None, set[str]] = {}
    for one in shifts:
        values.setdefault(one.dimension, set()).add(one.value)
    return [one for one in shifts if len(values[one.dimension]) > 1]


def _windows(incident: Window, before: Window) -> dict[str, datetime]:
    return {
        "now_start": incident.start, "now_end": incident.end, "before_start": before.start, "before_end": before.end,
        "first": min(incident.start, before.start), "last": max(incident.end, before.end),
    }  # fmt: skip
