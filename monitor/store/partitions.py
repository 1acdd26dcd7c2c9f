"""Day partitions: made ahead by the scheduler, on demand by ingest; `monitor.store.retired_days` takes them down."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, Engine, text

from monitor.domain.window import days_of
from monitor.errors import StoreUnavailable, TooManyDays
from monitor.store import locks
from monitor.store.engine import transaction
from monitor.store.models import PARTITIONED_BY_DAY

MAX_DAYS = 64
"""Of one transaction: each takes a lock per table and index, and PostgreSQL has room for some thousands."""
_OWN_KEY = {"arrivals": "request_id"}
"""Keys that a partition has for itself, because the parent cannot have them."""
# Tables are looked up as rows: to_regclass() in a prepared statement may answer from before the lock was waited for.
_STATE = text("""
    SELECT name, made.oid IS NOT NULL AS made, inhrelid IS NOT NULL AS attached,
           coalesce(inhdetachpending, false) AS leaving
    FROM unnest(CAST(:names AS text[])) AS name
    LEFT JOIN pg_class made ON relname = name AND relnamespace = CAST(current_schema() AS regnamespace)
    LEFT JOIN pg_inherits ON inhrelid = made.oid
""")
_DAYS = text("""
    SELECT split_part(child.relname, '_', 2) AS day FROM pg_inherits
    JOIN pg_class parent ON parent.oid = inhparent JOIN pg_class child ON child.oid = inhrelid
    WHERE parent.relname = ANY(:tables) AND NOT inhdetachpending GROUP BY day HAVING count(*) = :wanted
""")


class DayPartitions:
    """Makes what an ingesting process lacks. It asks every time: a day that is there now may be retired tomorrow."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ensure(self, moments: Iterable[datetime]) -> None:
        """Make the partitions that these event times need, in a transaction of its own.

        Raises:
            TooManyDays: they need more than `MAX_DAYS`; none was made.
            StoreError: PostgreSQL refused or does not answer.
        """
        days = {day.date() for day in days_of(list(moments))}
        if len(days) > MAX_DAYS:
            raise TooManyDays(f"events of {len(days)} days, one transaction takes {MAX_DAYS}")
        if days:
            with transaction(self._engine) as connection:
                ensure_days(connection, days)


def partition(table: str, day: date) -> str:
    """The name of a day's partition."""
    return f"{table}_{day:%Y%m%d}"


def existing_days(connection: Connection, tables: Collection[str] = PARTITIONED_BY_DAY) -> set[date]:
    """Days of which each of these tables has its partition."""
    rows = connection.execute(_DAYS, {"tables": list(tables), "wanted": len(tables)})
    return {datetime.strptime(row.day, "%Y%m%d").replace(tzinfo=UTC).date() for row in rows}


def ensure_days(connection: Connection, days: Iterable[date]) -> None:
    """Make the partitions of these days where they lack. Commit soon: until then nobody else makes or detaches one.

    A partition is made as a table and then attached: that waits for no reader and no writer of the parent, where
    CREATE TABLE ... PARTITION OF would wait for all of them and hold up whoever comes after it.

    Raises:
        StoreUnavailable: retention is detaching one of these days just now; afterwards it can be made anew.
    """
    wanted = {partition(table, day): (table, day) for day in days for table in PARTITIONED_BY_DAY}
    if not _lacking(connection, wanted):
        return
    locks.wait_for(connection, locks.PARTITIONS)
    for name, made in sorted(_lacking(connection, wanted).items()):
        table, day = wanted[name]
        if not made:
            connection.execute(text(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)"))
            if table in _OWN_KEY:
                connection.execute(text(f"ALTER TABLE {name} ADD PRIMARY KEY ({_OWN_KEY[table]})"))
        attach(connection, table, day)


def attach(connection: Connection, table: str, day: date) -> None:
    """Make a table the partition of a day, with whatever rows it has."""
    connection.execute(
        text(
            f"ALTER TABLE {table} ATTACH PARTITION {partition(table, day)} "
            f"FOR VALUES FROM ('{day} 00:00+00') TO ('{day + timedelta(days=1)} 00:00+00')"
        )
    )


def _lacking(connection: Connection, names: Iterable[str]) -> dict[str, bool]:
    """Those of the partitions that are not attached -> whether their table exists (retention took it off)."""
    rows = connection.execute(_STATE, {"names": list(names)}).all()
    leaving = [row.name for row in rows if row.leaving]
    if leaving:
        raise StoreUnavailable(f"retention is detaching {', '.join(sorted(leaving))}: try again when it has finished")
    return {row.name: row.made for row in rows if not row.attached}
