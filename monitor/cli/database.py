"""The database of a command: opened, asked for its schema, and given back."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from monitor.settings import Settings


def database(config: Settings, name: str) -> AbstractContextManager[Engine]:
    """That of the settings; PostgreSQL shows who is connected by the command's name.

    Raises:
        SettingsError: none is named and no embedded one runs.
        StoreError: as `migrated`.
    """
    from monitor import bootstrap

    return migrated(bootstrap.open_store(config, application=f"snellen-{name}"))


@contextmanager
def migrated(engine: Engine) -> Iterator[Engine]:
    """The same, whose connections are closed afterwards.

    Raises:
        StoreError: it cannot be reached, or its schema is not this code's; says what to run.
    """
    from monitor.store.engine import require_migrated

    try:
        require_migrated(engine)
        yield engine
    finally:
        engine.dispose()
