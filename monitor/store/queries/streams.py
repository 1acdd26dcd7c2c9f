"""Where the streams stand: lag, what was consumed, what was lost, what was refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from monitor.domain.window import EPOCH, Window
from monitor.store.queries.selection import bounds


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """Where a consumer group stands in one partition."""

    group: str
    topic: str
    partition: int
    next_offset: int
    end_offset: int | None
    """The log's end as the consumer last saw it; None: it has not said yet."""
    updated_at: datetime
    former: bool
    """The topic was made anew since: nothing more will be read from this log."""

    @property
    def lag(self) -> int | None:
        return None if self.end_offset is None else max(0, self.end_offset - self.next_offset)


@dataclass(frozen=True, slots=True)
class OutcomePoint:
    """Records of one bucket with one outcome: a `monitor.domain.events.Taken`, or the reason of a dead letter."""

    at: datetime
    topic: str
    outcome: str
    records: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Records [expected_offset, resumed_offset) that could not be read any more."""

    group: str
    topic: str
    partition: int
    expected_offset: int
    resumed_offset: int
    reason: str
    noticed_at: datetime


_LAGS = text("""
    SELECT consumer_group AS group, topic, partition, next_offset, end_offset, updated_at,
           row_number() OVER (PARTITION BY consumer_group, topic, partition ORDER BY updated_at DESC) > 1 AS former
    FROM stream_offsets ORDER BY former, consumer_group, topic, partition
""")
_OUTCOMES = text("""
    SELECT date_bin(:step, minute, :origin) AS at, topic, outcome, sum(records)::bigint AS records
    FROM ingest_counters WHERE minute >= :start AND minute < :end GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
""")
_LAST_MINUTE = text("SELECT max(minute) FROM ingest_counters")
_REASONS = text("""
    SELECT date_bin(:step, created_at, :origin) AS at, topic, reason AS outcome, count(*) AS records
    FROM dead_letters WHERE created_at >= :start AND created_at < :end GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
""")
_GAPS = text("""
    SELECT consumer_group AS group, topic, partition, expected_offset, resumed_offset, reason, noticed_at
    FROM stream_gaps WHERE noticed_at >= :start AND noticed_at < :end ORDER BY noticed_at DESC, id DESC LIMIT :limit
""")


def partition_lags(connection: Connection) -> list[PartitionLag]:
    """Every partition that was ever read, current logs first."""
    return [PartitionLag(**row) for row in connection.execute(_LAGS).mappings()]


def outcomes_over_time(connection: Connection, window: Window, step: timedelta) -> list[OutcomePoint]:
    """Consumed records by bucket of processing time."""
    rows = connection.execute(_OUTCOMES, {**bounds(window), "step": step, "origin": EPOCH}).mappings()
    return [OutcomePoint(**row) for row in rows]


def last_consumed_minute(connection: Connection) -> datetime | None:
    """The minute of processing time in which a record was stored last."""
    found: datetime | None = connection.execute(_LAST_MINUTE).scalar()
    return found


def dead_letters_over_time(connection: Connection, window: Window, step: timedelta) -> list[OutcomePoint]:
    """Dead letters by bucket of the time at which they were refused."""
    rows = connection.execute(_REASONS, {**bounds(window), "step": step, "origin": EPOCH}).mappings()
    return [OutcomePoint(**row) for row in rows]


def stream_gaps(connection: Connection, window: Window, limit: int = 100) -> list[Gap]:
    """Gaps that were noticed within the window, newest first."""
    return [Gap(**row) for row in connection.execute(_GAPS, {**bounds(window), "limit": limit}).mappings()]
