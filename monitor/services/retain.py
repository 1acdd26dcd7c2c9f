"""Keep the day partitions in order."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine

from monitor.domain.window import DAY
from monitor.store.partitions import DayPartitions

DAYS_AHEAD = 7


def make_partitions_ahead(engine: Engine, now: datetime, days: int = DAYS_AHEAD) -> None:
    """Make the partitions of today and the coming days, so that ingest does not meet a missing one at midnight.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    DayPartitions(engine).ensure(now + ahead * DAY for ahead in range(days + 1))
