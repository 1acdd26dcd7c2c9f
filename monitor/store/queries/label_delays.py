"""How long label tasks have been open, for `monitor.stats.maturity`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, Row, text

from monitor.domain.window import LEARNED_FROM, Window
from monitor.stats.maturity import DelayCurve, Maturity, delay_curve, maturity
from monitor.store.queries.selection import LIVE, Selection, bounds
from monitor.store.queries.slices import Dimension

UNTASKED: Final = "replay"
"""The one dimension that label tasks lack."""

_AGES = """
    SELECT floor(extract(epoch FROM ended - ts) / 3600)::int AS hours, answered, waiting,
           answered AND disputed AS disputed, values, count(*) AS tasks
    FROM (
        SELECT ts, disputed, ARRAY[{values}]::text[] AS values, answered_at <= :as_of AS answered,
               NOT coalesce(least(answered_at, skipped_at) <= :as_of, false) AS waiting,
               greatest(ts, least(answered_at, skipped_at, :as_of)) AS ended
        FROM label_tasks WHERE ts >= :start AND ts < least(:end, :as_of){conditions}
    ) AS tasks GROUP BY 1, 2, 3, 4, 5
"""


def usual_delay(connection: Connection, window: Window, as_of: datetime) -> DelayCurve:
    """How long label tasks stay open, by those of the four weeks before `as_of`, and from the window on where that is
    longer ago: in whole hours, over all traffic."""
    given = {"start": min(window.start, as_of - LEARNED_FROM), "end": as_of, "as_of": as_of}
    rows = connection.execute(text(_AGES.format(values="", conditions="")), given).all()
    return delay_curve([row.hours for row in rows], [bool(row.answered) for row in rows], [row.tasks for row in rows])


def label_maturity(
    connection: Connection,
    window: Window,
    selection: Selection,
    as_of: datetime,
    curve: DelayCurve,
    dimensions: Sequence[Dimension] = (),
) -> dict[tuple[str, ...], Maturity]:
    """How far the labels of the predictions of a window were in at `as_of`, of each value of a dimension, or of each
    combination of values; of all under () without dimensions. What has no task is left out.

    Replays have no label tasks: they are labelled as they come.

    Answered tasks that wait for an adjudicator are still to come, all of them and however old: nobody's usual delay
    says when a dispute is settled, and a tie leaves accuracy as if its answer were like the others. What is disputed is
    told as it stands now.
    """
    if selection.source not in (None, LIVE) or any(one.name == UNTASKED for one in dimensions if one.kind == "column"):
        return {}
    conditions, parameters = Selection(selection.model, selection.version, selection.variant).of_rollups()
    given: dict[str, Any] = {**bounds(window), **parameters, "as_of": as_of}
    values = []
    for place, dimension in enumerate(dimensions):
        value, key = dimension.bound(f"dimension_{place}")
        values.append(value)
        given |= key
    rows = connection.execute(text(_AGES.format(values=", ".join(values), conditions=conditions)), given)
    by_values = defaultdict[tuple[str, ...], list[Row[Any]]](list)
    for row in rows:
        if None not in row.values:
            by_values[tuple(row.values)].append(row)
    return {key: _maturity(those, curve) for key, those in by_values.items()}


def _maturity(rows: Sequence[Row[Any]], curve: DelayCurve) -> Maturity:
    tasks = np.array([row.tasks for row in rows], float)
    waiting = np.array([row.waiting for row in rows], dtype=bool)
    disputed = np.array([bool(row.disputed) for row in rows], dtype=bool)
    answered = np.array([bool(row.answered) for row in rows], dtype=bool) & ~disputed
    hours = np.array([row.hours for row in rows], float)
    found = maturity(round(tasks[answered].sum()), hours[waiting], curve, tasks[waiting])
    unsettled = round(tasks[disputed].sum())
    return replace(found, drawn=found.drawn + unsettled, to_come=found.to_come + unsettled)
