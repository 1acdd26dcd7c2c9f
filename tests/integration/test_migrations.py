"""Migrations on a real PostgreSQL: up, down, and equal to the models."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from monitor.errors import StoreError
from monitor.store.engine import downgrade, make_engine, migrate, require_migrated
from monitor.store.models import Base


def is_ours(_object: object, name: str | None, kind: str, reflected: bool, _compare_to: object) -> bool:
    return not (kind == "table" and reflected and name not in Base.metadata.tables)


def test_models_equal_migrations(database_url: str) -> None:
    engine = create_engine(database_url, poolclass=NullPool)
    options = {"include_object": is_ours, "compare_server_default": True, "compare_type": True}
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata) == []


def test_down_leaves_nothing_and_up_again_works(empty_database_url: str) -> None:
    migrate(empty_database_url)
    downgrade(empty_database_url)
    engine = create_engine(empty_database_url, poolclass=NullPool)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    migrate(empty_database_url)
    migrate(empty_database_url)
    assert set(inspect(engine).get_table_names()) >= set(Base.metadata.tables)


def test_an_unmigrated_database_is_refused_with_what_to_do(empty_database_url: str) -> None:
    engine = make_engine(empty_database_url)
    with pytest.raises(StoreError, match="snellen migrate"):
        require_migrated(engine)
    engine.dispose()
