"""Advisory locks: so that replicas do not do the same work twice, and a backfill is not disturbed.

A process that stops in its work, by Ctrl-Z or with its machine, keeps its connections and with them its locks. So a
thread speaks for it while it runs, and PostgreSQL ends the session of one that says nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, text

from monitor.store.copy import raw
from monitor.store.engine import translated

BACKFILL = 0x42414B  # "BAK"
RETENTION = 0x524554  # "RET"
EXPLANATION = 0x455850  # "EXP"
DISCOVERY = 0x444953  # "DIS"
SCORING = 0x4C424C  # "LBL"
CALLS = 0x43414C  # "CAL"
REFERENCES = 0x524546  # "REF": shared by who takes requests out of their sketches
PARTITIONS = 0x504152  # "PAR": two makers of the same partition would collide
MODELS = 0x4D4F44  # "MOD", and the next two: a cap is counted by one writer at a time
EMBEDDERS = 0x454D42  # "EMB"
SLICE_VALUES = 0x534C56  # "SLV"
OBJECTIVES = 0x534C4F  # "SLO": a kind; each by its name
ERASURE = 0x455241  # "ERA": shared by who writes down again what was read of requests

SILENT_S = 120.0
"""Seconds after which who holds a lock and says nothing has lost it."""
_PER_SILENCE = 6
"""How often it says so in that time."""

_HELD = text(
    "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database "
    "WHERE datname = current_database() AND locktype = 'advisory' AND granted "
    "AND (classid, objid, objsubid) = (0, CAST(:key AS oid), 1))"
)


@contextmanager
def hold(engine: Engine, key: int) -> Iterator[Connection]:
    """Hold a lock until the end of the block, on a connection of its own and together with others who hold it so; waits
    for who has it alone.

    Raises:
        StoreError: PostgreSQL refused or does not answer, or the lock was lost meanwhile.
    """
    with _session(engine) as connection:
        connection.execute(text("SELECT pg_advisory_lock_shared(:key)"), {"key": key})
        yield connection


@contextmanager
def try_hold(engine: Engine, key: int) -> Iterator[Connection | None]:
    """Hold a lock until the end of the block, if it is free; gives the connection that holds it, in autocommit mode.

    Raises:
        StoreError: PostgreSQL refused or does not answer, or the lock was lost meanwhile.
    """
    with _session(engine) as connection:
        if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar_one():
            yield None
        else:
            yield connection


def demand_held(connection: Connection) -> None:
    """See that the session that holds a lock has not been ended: who froze with it must not go on.

    Raises:
        StoreError: it has.
    """
    with translated():
        connection.execute(text("SELECT 1"))


@contextmanager
def _session(engine: Engine) -> Iterator[Connection]:
    """A connection in autocommit mode that ends with the block, and its locks with it: when this process stops, too."""
    with translated(), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"SET idle_session_timeout = {round(SILENT_S * 1000)}"))
        over = threading.Event()
        awake = threading.Thread(target=_say_so, args=(raw(connection), over), name="lock", daemon=True)
        awake.start()
        try:
            yield connection
            connection.execute(text("SELECT pg_advisory_unlock_all()"))  # and says whether it was still held
        finally:
            over.set()
            awake.join()
            connection.invalidate()  # what was set on it goes with it


def _say_so(session: psycopg.Connection[Any], over: threading.Event) -> None:
    while not over.wait(SILENT_S / _PER_SILENCE):
        # Who is at work on it is not silent, and must not be interrupted.
        if session.info.transaction_status == TransactionStatus.IDLE:
            with suppress(psycopg.Error):  # whoever uses the session is told
                session.execute("SELECT 1")


def is_held(connection: Connection, key: int) -> bool:
    """Does anybody hold this lock, alone or with others? Looks without taking it: two who look would see each other."""
    return bool(connection.execute(_HELD, {"key": key}).scalar_one())


def wait_for(connection: Connection, key: int) -> None:
    """Hold a lock until the transaction ends, waiting for it if need be."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def share(connection: Connection, key: int) -> None:
    """Hold a lock together with others who share it until the transaction ends, waiting for who has it alone."""
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": key})


def wait_for_named(connection: Connection, kind: int, name: str) -> None:
    """Hold the lock of a kind with this name until the transaction ends, waiting for it if need be."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:kind, hashtext(:name))"), {"kind": kind, "name": name})


def wait_for_all(connection: Connection, kind: int, numbers: Collection[int]) -> None:
    """Hold the locks of a kind with these numbers until the transaction ends; in their order, against deadlocks."""
    query = text("SELECT pg_advisory_xact_lock(:kind, number) FROM unnest(CAST(:numbers AS int[])) number")
    connection.execute(query, {"kind": kind, "numbers": sorted(numbers)})
