"""Binary COPY through psycopg: several times faster than INSERT, and types are checked on our side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from sqlalchemy import Connection


def raw(connection: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection below, inside the same transaction."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 (the only driver that we configure)
    return driver


def copy_rows(
    connection: Connection, table: str, columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[Any]]
) -> None:
    """COPY rows into a table. `columns` are (name, PostgreSQL type) pairs, in the order of each row's values."""
    names = ", ".join(name for name, _ in columns)
    with raw(connection).cursor().copy(f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types([kind for _, kind in columns])
        for row in rows:
            copy.write_row(row)


def stage(connection: Connection, like: str, columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[Any]]) -> str:
    """COPY rows into an empty temporary table shaped like `like`; returns its name. It is emptied at the commit."""
    staging = f"staging_{like}"
    names = ", ".join(name for name, _ in columns)
    cursor = raw(connection).cursor()
    cursor.execute(
        f"CREATE TEMP TABLE IF NOT EXISTS {staging} ON COMMIT DELETE ROWS AS SELECT {names} FROM {like} WHERE false; "
        f"DELETE FROM {staging}"  # nearly always empty; TRUNCATE would make a new file each time
    )
    copy_rows(connection, staging, columns, rows)
    return staging
