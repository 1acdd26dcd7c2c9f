"""Servers of a test's own, which may die."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.embedded.postgres import Postgres
from monitor.store.engine import migrate
from tests.conftest import HASTY
from tests.integration.failures.fleet import Servers


@pytest.fixture(scope="session")
def migrated_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a migrated server that was stopped: copies of it start sooner than new ones are made."""
    home = tmp_path_factory.mktemp("migrated")
    server = Postgres(home, settings=HASTY)
    try:
        server.start()
        migrate(server.url)
    finally:
        server.stop()
    return home / "postgres" / "data"


@pytest.fixture
def servers(migrated_data: Path, tmp_path: Path) -> Iterator[Servers]:
    made = Servers(tmp_path, migrated_data)
    try:
        yield made
    finally:
        made.stop()
