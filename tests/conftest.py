"""One embedded PostgreSQL and one embedded broker per test session; a fresh database or topic name per test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import hypothesis
import psycopg
import pytest

from monitor.embedded.broker import Broker
from monitor.embedded.postgres import Postgres
from monitor.embedded.probes import to_libpq

# Tests may lose their data with the power; a commit then costs no disk flush. Users' servers keep all three on.
HASTY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


# A wall clock on a shared machine says nothing of an example; what hangs meets pytest's own limit.
hypothesis.settings.register_profile("snellen", deadline=None)
hypothesis.settings.load_profile("snellen")


@pytest.fixture(scope="session")
def runtime_home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="snellen-tests-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres_server(runtime_home: Path) -> Iterator[Postgres]:
    """The session's server. Every new database has the extension `vector`, so an ordinary role can own one."""
    server = Postgres(runtime_home, settings=HASTY)
    try:
        server.start()
        with psycopg.connect(to_libpq(server.admin_url.replace("/postgres?", "/template1?"))) as template:
            template.execute("CREATE EXTENSION vector")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def migrated_template(postgres_server: Postgres) -> str:
    """The name of a database migrated to head once; copies of it are much faster than migrating again."""
    from monitor.store.engine import migrate

    name = "migrated"
    run_as_admin(postgres_server, f"CREATE DATABASE {name} OWNER snellen")
    migrate(address(postgres_server, name))
    return name


@pytest.fixture
def database_url(postgres_server: Postgres, migrated_template: str) -> Iterator[str]:
    """A fresh database, migrated to head, dropped afterwards."""
    with fresh_database(postgres_server, template=migrated_template) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_server: Postgres) -> Iterator[str]:
    """A fresh database without tables, dropped afterwards."""
    with fresh_database(postgres_server, template="template1") as url:
        yield url


@pytest.fixture(scope="session")
def broker(runtime_home: Path) -> Iterator[str]:
    """Bootstrap servers of the session's broker. Sessions of one machine look for their ports in different places."""
    server = Broker(runtime_home, preferred_port=20000 + os.getpid() % 10000)
    try:
        server.start()
        yield server.bootstrap_servers
    finally:
        server.stop()


@pytest.fixture
def topic() -> str:
    """A topic name, or prefix of topic names, that no other test uses."""
    return f"test.{uuid4().hex[:12]}"


@contextmanager
def fresh_database(server: Postgres, *, template: str) -> Iterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    run_as_admin(server, f"CREATE DATABASE {name} OWNER snellen TEMPLATE {template}")
    try:
        yield address(server, name)
    finally:
        run_as_admin(server, f"DROP DATABASE {name} WITH (FORCE)")


def address(server: Postgres, database: str) -> str:
    return server.url.replace("/snellen?", f"/{database}?")


def run_as_admin(server: Postgres, statement: str) -> None:
    with psycopg.connect(to_libpq(server.admin_url), autocommit=True) as admin:
        admin.execute(statement.encode())
