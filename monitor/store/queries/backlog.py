"""Predictions that were drawn for labelling and that nobody has labelled yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class LabelBacklog:
    """`waiting` of `drawn` predictions have no label; `oldest` is the event time of the one that waits longest."""

    drawn: int
    waiting: int
    oldest: datetime | None
    unmatched: int
    """Labels whose prediction has not come (yet), or that wait for the next scoring run."""


_BACKLOG = text("""
    SELECT count(*) AS drawn, count(*) FILTER (WHERE answered.request_id IS NULL) AS waiting,
           min(ts) FILTER (WHERE answered.request_id IS NULL) AS oldest,
           (SELECT count(*) FROM labels WHERE NOT scored) AS unmatched
    FROM label_tasks LEFT JOIN (SELECT DISTINCT request_id FROM labels) AS answered USING (request_id)
""")


def label_backlog(connection: Connection) -> LabelBacklog:
    """As it stands now."""
    return LabelBacklog(**connection.execute(_BACKLOG).mappings().one())
