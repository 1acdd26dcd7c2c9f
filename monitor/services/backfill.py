"""Evaluate past ticks as if they were live, but tell no pager."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import Connection, Engine

from monitor.services.evaluation import Evaluation, evaluate_ticks, minutes
from monitor.store import locks

CHUNK = 24 * 60
"""Ticks evaluated from one reading of the counts."""


def backfill(evaluation: Evaluation, start: datetime, end: datetime) -> int:
    """Evaluate the ticks of (start, end] in order, undisturbed by live ones; returns how many there are.

    Raises:
        StoreError: PostgreSQL refused or does not answer; a repetition goes on where this one ended.
    """
    ticks = minutes(start, end)
    with holding(evaluation.engine) as held:
        for first in range(0, len(ticks), CHUNK):
            locks.demand_held(held)
            evaluate_ticks(evaluation, ticks[first : first + CHUNK], backfilled=True)
    return len(ticks)


def holding(engine: Engine) -> AbstractContextManager[Connection]:
    """Let live evaluation leave its ticks out while history is written: incidents must be carried forward in time.

    Any number may hold it at once: the demo does, around the backfills of its days.
    """
    return locks.hold(engine, locks.BACKFILL)
