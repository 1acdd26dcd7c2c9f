"""PostgreSQL's clock, by which its rows came to be, beside this machine's."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine, text

from monitor.errors import ClocksApart
from monitor.store.engine import transaction

APART: Final = timedelta(minutes=10)
"""Where the clocks of two machines differ by more, one of them is wrong, and what is old is not known."""
_NOW = text("SELECT now()")


def database_now(engine: Engine) -> datetime:
    """What time it is for PostgreSQL, aware.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    with transaction(engine) as connection:
        now: datetime = connection.execute(_NOW).scalar_one()
    return now


def earlier(engine: Engine, ours: datetime) -> datetime:
    """The earlier of both clocks, by which what is old is surely old.

    Raises:
        ClocksApart: they are too far apart for that.
        StoreError: PostgreSQL refused or does not answer.
    """
    theirs = database_now(engine)
    if abs(ours - theirs) > APART:
        raise ClocksApart(
            f"this machine's clock says {ours:%Y-%m-%d %H:%M}Z, PostgreSQL's {theirs:%Y-%m-%d %H:%M}Z: set the one "
            "that is wrong (nothing is deleted until then)"
        )
    return min(ours, theirs)
