"""Calls that are logged in two records: how many met, lost a side, or still wait."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from monitor.domain.window import Window
from monitor.stats.proportions import Proportion
from monitor.store.queries.selection import bounds


@dataclass(frozen=True, slots=True)
class LoggedCalls:
    """Calls of one model in a window of event time. `lost` ones are known by one side only."""

    model: str
    joined: int
    lost: int

    @property
    def loss(self) -> Proportion:
        return Proportion(self.lost, self.joined + self.lost)


@dataclass(frozen=True, slots=True)
class WaitingSides:
    """Sides that wait for their other side now, those that count as lost left out; `oldest` is the earliest event."""

    waiting: int
    oldest: datetime | None


_CALLS = text("""
    SELECT model, sum(joined)::bigint AS joined, sum(lost)::bigint AS lost FROM pair_counts
    WHERE minute >= :start AND minute < :end GROUP BY model ORDER BY lost DESC, model
""")
_WAITING = text("""
    SELECT count(*) AS waiting, min(ts) AS oldest FROM waiting_halves
    WHERE consumer_group = :group AND NOT lost AND side <> 'prelude'
""")


def logged_calls(connection: Connection, window: Window) -> list[LoggedCalls]:
    """By model, most losses first; a model of which every record holds the whole call is not among them."""
    return [LoggedCalls(**row) for row in connection.execute(_CALLS, bounds(window)).mappings()]


def waiting_sides(connection: Connection, group: str) -> WaitingSides:
    """As it stands now, in one consumer group."""
    return WaitingSides(**connection.execute(_WAITING, {"group": group}).mappings().one())
