"""Advisory locks: so that replicas do not do the same work twice, and a backfill is not disturbed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text

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

_HELD = text(
    "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database "
    "WHERE datname = current_database() AND locktype = 'advisory' AND granted "
    "AND (classid, objid, objsubid) = (0, CAST(:key AS oid), 1))"
)


@contextmanager
def hold(engine: Engine, key: int) -> Iterator[None]:
    """Hold a lock until the end of the block, on a connection of its own and together with others who hold it so; waits
    for who has it alone.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    with translated(), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SELECT pg_advisory_lock_shared(:key)"), {"key": key})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock_shared(:key)"), {"key": key})


@contextmanager
def try_hold(engine: Engine, key: int) -> Iterator[Connection | None]:
    """Hold a lock until the end of the block, if it is free; gives the connection that holds it, in autocommit mode.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    with translated(), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar_one():
            yield None
            return
        try:
            yield connection
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})
            connection.invalidate()  # what the block set on it goes with it


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
