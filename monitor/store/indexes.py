"""Indexes that migrations build under traffic."""

from __future__ import annotations

from sqlalchemy import Connection, text


def build_concurrently(connection: Connection, name: str, on: str, *, unique: bool = False) -> None:
    """Concurrently: that may wait for long readers, but no writer waits for it. In autocommit mode.

    Args:
        on: the table, its columns in parentheses, and what else SQL says behind them.
    """
    patience = connection.scalar(text("SELECT current_setting('lock_timeout')"))
    connection.execute(text("SET lock_timeout = 0"))
    broken = text("SELECT FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid")
    if connection.execute(broken, {"name": name}).rowcount:  # an earlier try was interrupted
        connection.execute(text(f"DROP INDEX CONCURRENTLY {name}"))
    kind = "UNIQUE INDEX" if unique else "INDEX"
    connection.execute(text(f"CREATE {kind} CONCURRENTLY IF NOT EXISTS {name} ON {on}"))
    connection.execute(text(f"SET lock_timeout = '{patience}'"))
