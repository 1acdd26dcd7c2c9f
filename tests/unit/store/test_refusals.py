"""What will not pass by waiting is told from what will, by what real servers say."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from monitor.errors import StoreError, StoreUnavailable
from monitor.store.engine import make_engine, require_migrated, transaction


def refusal(url: str) -> StoreError:
    engine = make_engine(url)
    with pytest.raises(StoreError) as caught, transaction(engine):
        pass
    engine.dispose()
    return caught.value


def test_a_user_that_is_not_let_in_is_not_tried_again(database_url: str) -> None:
    stranger = make_url(database_url).set(username="stranger").render_as_string(hide_password=False)
    error = refusal(stranger)
    assert not isinstance(error, StoreUnavailable)
    assert "database_url" in str(error)


def test_a_database_that_does_not_exist_is_not_waited_for(database_url: str) -> None:
    missing = make_url(database_url).set(database="missing").render_as_string(hide_password=False)
    assert not isinstance(refusal(missing), StoreUnavailable)


def test_a_server_that_is_away_is_waited_for(tmp_path: Path) -> None:
    assert isinstance(refusal(f"postgresql+psycopg://snellen@/snellen?host={tmp_path}"), StoreUnavailable)


def test_a_schema_of_a_later_version_is_not_to_be_migrated_but_to_be_met(database_url: str) -> None:
    later = create_engine(database_url, poolclass=NullPool)
    with later.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine = make_engine(database_url)
    with pytest.raises(StoreError, match="newer version of Snellen"):
        require_migrated(engine)
    engine.dispose()
