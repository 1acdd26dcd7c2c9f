"""Read on what a transaction saw, after it has ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql
from sqlalchemy import Connection, Engine, text

from monitor.store.copy import raw
from monitor.store.engine import translated


@contextmanager
def as_seen_by(engine: Engine, connection: Connection) -> Iterator[Connection]:
    """A transaction of its own that sees what `connection` sees now, however much is stored meanwhile.

    To be entered before the transaction of `connection` ends, which it may do then. PostgreSQL, "Snapshot
    Synchronization Functions".

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    with translated(), engine.connect().execution_options(isolation_level="REPEATABLE READ") as past, past.begin():
        snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        raw(past).execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))
        yield past
