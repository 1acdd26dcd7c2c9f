"""How long label tasks have been open, for `monitor.stats.maturity`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import Connection, text

from monitor.domain.window import DAY, Window
from monitor.stats.maturity import Maturity, delay_curve, maturity
from monitor.store.queries.selection import LIVE, Selection, bounds

LEARNED_FROM: timedelta = 28 * DAY
"""How far back the usual delay is looked for."""

_AGES = """
    SELECT floor(extract(epoch FROM ended - ts) / 3600)::int AS hours, answered, waiting,
           answered AND disputed AS disputed, ts >= :start AND ts < :end{conditions} AS within, count(*) AS tasks
    FROM (
        SELECT *, answered_at <= :as_of AS answered,
               NOT coalesce(least(answered_at, skipped_at) <= :as_of, false) AS waiting,
               greatest(ts, least(answered_at, skipped_at, :as_of)) AS ended
        FROM label_tasks WHERE ts >= :since AND ts < :as_of
    ) AS tasks GROUP BY 1, 2, 3, 4, 5
"""


def label_maturity(connection: Connection, window: Window, selection: Selection, as_of: datetime) -> Maturity:
    """How far the labels of the predictions of a window were in at `as_of`.

    The usual delay is that of the four weeks before `as_of`, in whole hours, over all traffic. Replays have no label
    tasks: they are labelled as they come.

    Answered tasks that wait for an adjudicator are still to come, all of them and however old: nobody's usual delay
    says when a dispute is settled, and a tie leaves accuracy as if its answer were like the others. What is disputed is
    told as it stands now.
    """
    live = Selection(selection.model, selection.version, selection.variant)
    conditions, parameters = live.of_rollups()
    if selection.source not in (None, LIVE):
        return maturity(0, [], delay_curve([], []))
    since = min(window.start, as_of - LEARNED_FROM)
    given = {**bounds(window), **parameters, "as_of": as_of, "since": since}
    rows = connection.execute(text(_AGES.format(conditions=conditions)), given).all()
    hours, tasks = np.array([row.hours for row in rows], float), np.array([row.tasks for row in rows], float)
    answered = np.array([bool(row.answered) for row in rows], dtype=bool)
    within = np.array([row.within for row in rows], dtype=bool)
    waiting = within & np.array([row.waiting for row in rows], dtype=bool)
    disputed = within & np.array([bool(row.disputed) for row in rows], dtype=bool)
    curve = delay_curve(hours, answered, tasks)
    found = maturity(round(tasks[answered & within & ~disputed].sum()), hours[waiting], curve, tasks[waiting])
    unsettled = round(tasks[disputed].sum())
    return replace(found, drawn=found.drawn + unsettled, to_come=found.to_come + unsettled)
