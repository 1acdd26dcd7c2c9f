"""Day partitions on their way out, without a lock that ingest would wait for.

A partition is detached concurrently, which waits for the readers of this moment while everybody else goes on, and then
dropped. Every state in between is seen in the catalogue, so a run that was killed is finished by the next one. Rows of
replays are exempt: a day that has some is thinned row by row instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from monitor.store.models import PARTITIONED_BY_DAY
from monitor.store.partitions import attach, partition

TABLES = PARTITIONED_BY_DAY
"""Predictions come first: they know which days hold replays."""
THINNED = "rows of replays only"
"""Comment on a partition that was thinned: nothing else comes into it, because live events of its age are refused."""
_BRIEF_MS = 2_000
_BLOCKS = 512
"""Of 8 kB, thinned in one transaction."""
_DAYS = text(r"""
    SELECT relname, substring(relname FROM '_(\d{8})$') AS day, obj_description(c.oid, 'pg_class') AS comment,
           CASE WHEN inhrelid IS NULL THEN 'detached' WHEN inhdetachpending THEN 'leaving' ELSE 'attached' END AS state,
           greatest(reltuples, 0)::bigint AS rows, pg_total_relation_size(c.oid) AS bytes
    FROM pg_class c LEFT JOIN pg_inherits ON inhrelid = c.oid
    WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname ~ ('^' || :table || '_\d{8}$')
    ORDER BY inhdetachpending DESC NULLS LAST, relname
""")

_DROP = """
    DO $$ BEGIN
        LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE;
        IF NOT (SELECT relispartition FROM pg_class WHERE oid = '{name}'::regclass) THEN DROP TABLE {name}; END IF;
    END $$
"""
"""Not if ingest attached it again while we looked: then it has new rows. It cannot while we hold the lock."""


class State(StrEnum):
    """Where a partition stands on its way out."""

    ATTACHED = "attached"
    LEAVING = "leaving"
    """A detach was begun and not finished."""
    DETACHED = "detached"


@dataclass(frozen=True, slots=True)
class DayPartition:
    table: str
    day: date
    state: State
    thinned: bool
    rows: int
    """As the server estimates; 0 where it never looked."""
    bytes: int

    @property
    def name(self) -> str:
        return partition(self.table, self.day)


def old_days(connection: Connection, table: str, until: date) -> list[DayPartition]:
    """Partitions of a table for days before `until`, those that are leaving first: only one may be at a time."""
    found = (
        DayPartition(
            table, datetime.strptime(row.day, "%Y%m%d").replace(tzinfo=UTC).date(), State(row.state),
            row.comment == THINNED, row.rows, row.bytes,
        )
        for row in connection.execute(_DAYS, {"table": table})
    )  # fmt: skip
    return [one for one in found if one.day < until]


def holds_replays(connection: Connection, day: date) -> bool:
    """Has the day predictions that a replay sent?"""
    name = partition("predictions", day)
    if connection.execute(text("SELECT to_regclass(:name)"), {"name": name}).scalar() is None:
        return False
    return bool(connection.execute(text(f"SELECT EXISTS (SELECT FROM {name} WHERE replay IS NOT NULL)")).scalar())


def drop(connection: Connection, old: DayPartition, patience_ms: int) -> bool:
    """Detach and drop a partition; the connection is in autocommit mode.

    Args:
        patience_ms: how long to wait for readers that were there before.

    Returns:
        False where a reader is still on it, and where replayed rows came in the meantime: the next run sees to it.
    """
    try:
        if old.state is State.ATTACHED:
            _set_patience(connection, patience_ms)
            connection.execute(text(f"ALTER TABLE {old.table} DETACH PARTITION {old.name} CONCURRENTLY"))
        elif old.state is State.LEAVING:
            _set_patience(connection, _BRIEF_MS)
            connection.execute(text(f"ALTER TABLE {old.table} DETACH PARTITION {old.name} FINALIZE"))
        _set_patience(connection, _BRIEF_MS)
        if holds_replays(connection, old.day):  # they came after we looked
            attach(connection, old.table, old.day)
            return False
        connection.execute(text(_DROP.format(name=old.name)))
        return connection.execute(text("SELECT to_regclass(:name)"), {"name": old.name}).scalar() is None
    except OperationalError as error:
        if isinstance(error.orig, psycopg.errors.LockNotAvailable):
            return False
        raise


def thin(connection: Connection, old: DayPartition) -> Iterator[int]:
    """Delete what no replay sent, some blocks at a time; yields the rows of each step. In autocommit mode."""
    rows = f"DELETE FROM {old.name} AS r WHERE r.ctid >= CAST(:first AS tid) AND r.ctid < CAST(:after AS tid) AND "
    if old.table == "predictions":
        rows += "replay IS NULL"
    else:
        rows += (
            f"NOT EXISTS (SELECT FROM {partition('predictions', old.day)} AS p "
            "WHERE p.ts = r.ts AND p.request_id = r.request_id AND p.replay IS NOT NULL)"
        )
    size = connection.execute(text("SELECT pg_relation_size(:name) / 8192"), {"name": old.name}).scalar_one()
    for first in range(0, size, _BLOCKS):
        bounds = {"first": f"({first},0)", "after": f"({first + _BLOCKS},0)"}
        yield connection.execute(text(rows), bounds).rowcount
    connection.execute(text(f"COMMENT ON TABLE {old.name} IS '{THINNED}'"))


def _set_patience(connection: Connection, milliseconds: int) -> None:
    connection.execute(text(f"SET lock_timeout = {milliseconds}"))
