"""Transactions that may be storing something of requests: an erasure waits for them, and finds then what they bring."""

from __future__ import annotations

from time import monotonic, sleep

from sqlalchemy import Connection, Engine, text

from monitor.errors import StoreUnavailable
from monitor.store.engine import translated

PATIENCE_S, PAUSE_S = 60.0, 0.02
_WRITTEN = ("stream_offsets", "erased", "waiting_halves", "dead_letters")
"""Whoever stores something of requests locks one of these: collectors the first, before all else; who looks at
tombstones before it appends, the second; who makes dead letters of sides of calls that waited, the others. Who writes
down what it read of requests shares `locks.ERASURE`."""
_WRITERS = text("""
    SELECT DISTINCT pid, virtualtransaction FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND locktype = 'relation' AND granted AND pid <> pg_backend_pid()
      AND mode IN ('RowShareLock', 'RowExclusiveLock') AND relation = ANY (CAST(CAST(:tables AS regclass[]) AS oid[]))
""")


def wait_for_writers(engine: Engine) -> None:
    """Wait until every transaction has ended that may be storing something of requests now.

    Nobody waits for us: by LOCK TABLE all who come after us would, and collectors wait for no lock longer than 10 s.

    Raises:
        StoreUnavailable: one of them takes too long.
        StoreError: PostgreSQL refused or does not answer.
    """
    until = monotonic() + PATIENCE_S
    with translated(), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        left = _writers(connection)
        while left and monotonic() < until:
            sleep(PAUSE_S)
            left &= _writers(connection)
    if left:
        pids = ", ".join(str(pid) for pid, _ in sorted(left))
        raise StoreUnavailable(
            f"nothing was removed: what may be part of it is being written for more than {PATIENCE_S:g} s; erase again "
            f"when it is stored, or end its session with pg_terminate_backend (pid {pids}, see pg_stat_activity)"
        )


def _writers(connection: Connection) -> set[tuple[int, str]]:
    """Their sessions, and which transaction of the session it is."""
    return {(row.pid, row.virtualtransaction) for row in connection.execute(_WRITERS, {"tables": list(_WRITTEN)})}
