"""Day partitions: made ahead by the scheduler, on demand by ingest, dropped by retention."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, Engine, text

from monitor.store.engine import transaction
from monitor.store.models import PARTITIONED_BY_DAY

_LOCK = 0x504152  # "PAR": two makers of the same partition would collide


class DayPartitions:
    """Remembers which days have partitions. One per process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._days: set[date] = set()

    def ensure(self, moments: Iterable[datetime]) -> None:
        """Make the partitions that these event times need, in a transaction of its own.

        Raises:
            StoreError: PostgreSQL refused or does not answer.
        """
        days = {moment.astimezone(UTC).date() for moment in moments}
        if not days <= self._days:
            with transaction(self._engine) as connection:
                ensure_days(connection, days)
            self._days |= days


def existing_days(connection: Connection) -> set[date]:
    """Days that every partitioned table has."""
    rows = connection.execute(
        text("""
            SELECT split_part(child.relname, '_', 2) AS day FROM pg_inherits
            JOIN pg_class parent ON parent.oid = inhparent JOIN pg_class child ON child.oid = inhrelid
            WHERE parent.relname = ANY(:tables) GROUP BY day HAVING count(*) = :wanted
        """),
        {"tables": list(PARTITIONED_BY_DAY), "wanted": len(PARTITIONED_BY_DAY)},
    )
    return {datetime.strptime(row.day, "%Y%m%d").replace(tzinfo=UTC).date() for row in rows}


def ensure_days(connection: Connection, days: Iterable[date]) -> None:
    """Make the partitions of these days where they lack. Commit soon: it locks the parents against other makers."""
    missing = sorted(set(days) - existing_days(connection))
    if not missing:
        return
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    for day in missing:
        for table in PARTITIONED_BY_DAY:
            connection.execute(
                text(
                    f"CREATE TABLE IF NOT EXISTS {table}_{day:%Y%m%d} PARTITION OF {table} "
                    f"FOR VALUES FROM ('{day} 00:00+00') TO ('{day + timedelta(days=1)} 00:00+00')"
                )
            )
