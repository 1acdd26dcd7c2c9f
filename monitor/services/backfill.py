"""Evaluate past ticks as if they were live, but tell no pager."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import Engine

from monitor.services.evaluation import Evaluation, evaluate_ticks, minutes
from monitor.store import locks

CHUNK = 24 * 60
"""Ticks evaluated from one reading of the counts."""


def backfill(evaluation: Evaluation, start: datetime, end: datetime) -> int:
    """Evaluate the ticks of (start, end] in order; returns how many there are.

    Raises:
        StoreError: PostgreSQL refused or does not answer; a repetition goes on where this one ended.
    """
    ticks = minutes(start, end)
    for first in range(0, len(ticks), CHUNK):
        evaluate_ticks(evaluation, ticks[first : first + CHUNK], backfilled=True)
    return len(ticks)


def holding(engine: Engine) -> AbstractContextManager[None]:
    """Keep live evaluation waiting while history is being written: incidents must be carried forward in time."""
    return locks.hold(engine, locks.BACKFILL)
