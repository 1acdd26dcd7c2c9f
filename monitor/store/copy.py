"""Binary COPY through psycopg: several times faster than INSERT, and types are checked on our side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from sqlalchemy import Connection

from monitor.store.packing import HEADER, TRAILER, Block, Columns, pack


def raw(connection: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection below, inside the same transaction."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 (the only driver that we configure)
    return driver


def copy_blocks(
    connection: Connection, table: str, columns: Columns, blocks: Iterable[Block], chosen: set[str] | None = None
) -> None:
    """COPY rows into a table: those that are about one of `chosen`; None: all."""
    names = ", ".join(name for name, _ in columns)
    with raw(connection).cursor().copy(f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(HEADER)
        for block in blocks:
            copy.write(block.of(chosen))
        copy.write(TRAILER)


def stage(connection: Connection, like: str, columns: Columns, rows: Iterable[Sequence[Any]]) -> str:
    """COPY rows into an empty temporary table shaped like `like`; returns its name. It is emptied at the commit."""
    return stage_blocks(connection, like, columns, pack(columns, (("", row) for row in rows)))


def stage_blocks(
    connection: Connection, like: str, columns: Columns, blocks: Iterable[Block], chosen: set[str] | None = None
) -> str:
    """`stage` of those rows that are about one of `chosen`; None: of all."""
    staging = f"staging_{like}"
    names = ", ".join(name for name, _ in columns)
    cursor = raw(connection).cursor()
    cursor.execute(
        f"CREATE TEMP TABLE IF NOT EXISTS {staging} ON COMMIT DELETE ROWS AS SELECT {names} FROM {like} WHERE false; "
        f"DELETE FROM {staging}"  # nearly always empty; TRUNCATE would make a new file each time
    )
    copy_blocks(connection, staging, columns, blocks, chosen)
    return staging
