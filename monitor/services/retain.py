"""Keep the day partitions in order, and the store no larger than its retention."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, Engine

from monitor.domain.window import DAY, HOUR
from monitor.store import expiry, locks, retired_days
from monitor.store.engine import translated
from monitor.store.partitions import DayPartitions

log = logging.getLogger(__name__)

DAYS_AHEAD = 7
ON_THE_WAY = HOUR
"""Longer than a batch that was judged young enough takes until it is stored."""
READER_PATIENCE = timedelta(minutes=1)
"""How long a drop waits for those who read the day; nobody waits for us meanwhile."""


@dataclass(frozen=True, slots=True)
class Expired:
    """What went of one table, or would go."""

    table: str
    before: datetime
    days: tuple[date, ...] = ()
    """Dropped whole."""
    thinned: tuple[date, ...] = ()
    """Hold replayed rows, which stay."""
    waiting: tuple[date, ...] = ()
    """Somebody still reads them: the next run goes on."""
    rows: int = 0
    """Deleted, or in the days that are dropped, as the server estimates them."""
    bytes: int = 0
    """Of the days that are dropped."""

    def __str__(self) -> str:
        parts = [f"{self.table}: before {self.before:%Y-%m-%d %H:%M}Z"]
        parts += [f"{len(self.days)} days ({self.bytes / 1e6:,.1f} MB)"] if self.days else []
        parts += [f"about {self.rows:,} rows" if self.days else f"{self.rows:,} rows"]
        parts += [f"{len(self.thinned)} days with replays thinned"] if self.thinned else []
        parts += [f"{len(self.waiting)} days still read"] if self.waiting else []
        return ", ".join(parts)


def make_partitions_ahead(engine: Engine, now: datetime, days: int = DAYS_AHEAD) -> None:
    """Make the partitions of today and the coming days, so that ingest does not meet a missing one at midnight.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    DayPartitions(engine).ensure(now + ahead * DAY for ahead in range(days + 1))


def retain(
    engine: Engine,
    keep: Mapping[str, timedelta],
    now: datetime,
    *,
    dry_run: bool = False,
    patience: timedelta = READER_PATIENCE,
) -> list[Expired]:
    """Take away what is older than it is kept: days without a lock that ingest waits for, other rows in chunks.

    What a replay sent stays, with the rollups, sketches and evaluations of its days. One at a time: where another run
    is at it, this one does nothing.

    Args:
        keep: how long, by the names of the setting section `retention`.
        dry_run: only say what would go.
        patience: how long to wait for those who read a day that is to go.

    Raises:
        StoreError: PostgreSQL refused or does not answer; the next run goes on where this one stopped.
    """
    with translated(), locks.try_hold(engine, locks.RETENTION) as connection:
        if connection is None:
            log.info("another retention is running")
            return []
        keeper = _Keeper(connection, now, dry_run, patience)
        done = [keeper.days(table, keep[table]) for table in retired_days.TABLES]
        spared = keeper.replayed_days(min(keep.values()))
        return done + [keeper.rows(rule, keep[name], spared) for name, rules in expiry.RULES.items() for rule in rules]


@dataclass(frozen=True, slots=True)
class _Keeper:
    connection: Connection
    now: datetime
    dry_run: bool
    patience: timedelta

    def days(self, table: str, keep: timedelta) -> Expired:
        """Drop or thin the days of a table that lie whole before the cutoff."""
        cutoff = self.now - keep - ON_THE_WAY
        gone: list[retired_days.DayPartition] = []
        thinned: list[date] = []
        waiting: list[date] = []
        rows = 0
        for old in retired_days.old_days(self.connection, table, cutoff.astimezone(UTC).date()):
            if old.thinned:
                continue
            if old.state is retired_days.State.ATTACHED and retired_days.holds_replays(self.connection, old.day):
                thinned.append(old.day)
                rows += 0 if self.dry_run else sum(retired_days.thin(self.connection, old))
            elif self.dry_run or retired_days.drop(
                self.connection, old, round(self.patience / timedelta(milliseconds=1))
            ):
                gone.append(old)
            else:
                waiting.append(old.day)
                break  # only one partition of a table can be leaving at a time
        return Expired(
            table, cutoff, tuple(one.day for one in gone), tuple(thinned), tuple(waiting),
            rows + sum(one.rows for one in gone), sum(one.bytes for one in gone),
        )  # fmt: skip

    def replayed_days(self, shortest: timedelta) -> list[date]:
        """Days old enough for anything to expire that hold predictions of replays."""
        until = (self.now - shortest).astimezone(UTC).date()
        days = retired_days.old_days(self.connection, "predictions", until)
        return [one.day for one in days if retired_days.holds_replays(self.connection, one.day)]

    def rows(self, rule: expiry.Rule, keep: timedelta, spared: list[date]) -> Expired:
        """Delete the rows of a table that are too old."""
        cutoff = self.now - keep
        if self.dry_run:
            return Expired(rule.table, cutoff, rows=expiry.expired(self.connection, rule, cutoff, spared))
        return Expired(rule.table, cutoff, rows=sum(expiry.expire(self.connection, rule, cutoff, spared)))
