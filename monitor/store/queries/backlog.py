"""Predictions that were drawn for labelling and that nobody has labelled yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from monitor.store.label_tasks import WAITING, Terms


@dataclass(frozen=True, slots=True)
class LabelBacklog:
    """`waiting` of `drawn` predictions have too few labels; `oldest` is the event time of the first of them."""

    drawn: int
    waiting: int
    oldest: datetime | None
    unmatched: int
    """Labels whose prediction has not come (yet), or that wait for the next scoring run."""


_BACKLOG = text(f"""
    SELECT (SELECT count(*) FROM label_tasks) AS drawn, count(*) AS waiting, min(t.ts) AS oldest,
           (SELECT count(*) FROM labels WHERE NOT scored) AS unmatched
    FROM label_tasks t WHERE {WAITING}
""")


def label_backlog(connection: Connection, terms: Terms, now: datetime) -> LabelBacklog:
    """As it stands now; tasks that were set aside or expired wait no more."""
    return LabelBacklog(**connection.execute(_BACKLOG, terms.at(now)).mappings().one())
