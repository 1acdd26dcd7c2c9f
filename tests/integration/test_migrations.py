"""Migrations on a real PostgreSQL: up, down, and equal to the models."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.pool import NullPool

from monitor.domain.events import Model, Prediction
from monitor.errors import StoreError
from monitor.store.engine import downgrade, make_engine, migrate, require_migrated
from monitor.store.models import Base
from monitor.store.partitions import DayPartitions
from monitor.store.predictions import Arrival, claim, known_hashes
from tests.pace import Patience, wait_for, within

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


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


def test_a_broker_that_nobody_named_does_not_hide_that_the_schema_is_done(
    empty_database_url: str, tmp_path: Path
) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "SNELLEN_DATABASE_URL": empty_database_url}
    ended = subprocess.run(
        [Path(sys.executable).with_name("snellen"), "migrate"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ended.returncode == 1
    assert ended.stdout == "schema is up to date\n"
    assert "kafka.bootstrap_servers" in ended.stderr
    require_migrated(create_engine(empty_database_url, poolclass=NullPool))


def test_an_unmigrated_database_is_refused_with_what_to_do(empty_database_url: str) -> None:
    engine = make_engine(empty_database_url)
    with pytest.raises(StoreError, match="snellen migrate"):
        require_migrated(engine)
    engine.dispose()


OLD_CLAIM = text("""
    INSERT INTO request_ids (request_id, content_hash, ts) VALUES (:id, :hash, :ts)
    ON CONFLICT (request_id) DO NOTHING RETURNING request_id
""")
PAST = 100_000


@pytest.fixture
def before(empty_database_url: str) -> Iterator[Engine]:
    """The schema of the previous version, with ids of the last days in it."""
    migrate(empty_database_url, "0002")
    engine = make_engine(empty_database_url)
    with engine.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO request_ids SELECT 'r' || n, sha256(convert_to('r' || n, 'UTF8')),
                    now() - n % 9 * interval '1 day'
                FROM generate_series(1, :past) AS n
            """),
            {"past": PAST},
        )
    yield engine
    engine.dispose()


def url_of(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def lacking(engine: Engine) -> int:
    """Ids of the previous version that `arrivals` lacks, or holds with another content or time."""
    with engine.connect() as connection:
        return int(
            connection.execute(
                text("SELECT count(*) FROM (SELECT * FROM request_ids EXCEPT SELECT * FROM arrivals) AS lacking")
            ).scalar_one()
        )


def test_ids_are_copied_into_the_partitions_of_their_days(before: Engine) -> None:
    migrate(url_of(before))
    assert lacking(before) == 0
    with before.connect() as connection:
        days = connection.execute(text("SELECT count(*) FROM pg_inherits WHERE inhparent = to_regclass('arrivals')"))
        assert days.scalar() == 9


def test_a_copy_that_was_cut_short_goes_on(before: Engine) -> None:
    stop = threading.Thread(target=_end_migration, args=(before,))
    stop.start()
    with pytest.raises(StoreError):
        migrate(url_of(before))
    stop.join()
    with before.connect() as connection:
        copied = connection.execute(text("SELECT count(*) FROM arrivals")).scalar_one()
    assert 0 < copied < PAST
    migrate(url_of(before))
    assert lacking(before) == 0


def _end_migration(engine: Engine) -> None:
    """As soon as it has copied something."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while connection.execute(text("SELECT to_regclass('arrivals_copied')")).scalar() is None:
            time.sleep(0.002)
        while not connection.execute(text("SELECT count(*) FROM arrivals_copied")).scalar():
            time.sleep(0.002)
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'snellen-migrate' AND datname = current_database()"
            )
        )


def test_a_migration_that_waits_lets_writers_pass_and_comes_again(before: Engine) -> None:
    def write(name: str) -> None:
        with before.begin() as writer:
            writer.execute(OLD_CLAIM, {"id": name, "hash": b"x", "ts": NOW})

    with before.connect() as holder:
        holder.execute(OLD_CLAIM, {"id": "held", "hash": b"x", "ts": NOW})
        migrating = threading.Thread(target=migrate, args=(url_of(before),))
        migrating.start()
        patience, writers, took = Patience(30), 0, 0.0
        while took < 1.0 or writers < 15:
            assert patience.rest(), "no writer met the waiting migration"
            began = time.monotonic()
            within(3, lambda name=f"late-{writers}": write(name))  # type: ignore[misc]
            writers, took = writers + 1, max(took, time.monotonic() - began)
        assert migrating.is_alive(), "the holder's transaction is still open"
        holder.commit()
    wait_for(lambda: not migrating.is_alive(), 60, "the migration comes again")
    assert lacking(before) == 0


def test_both_versions_see_each_others_ids(database_url: str) -> None:
    engine = make_engine(database_url)
    DayPartitions(engine).ensure([NOW, NOW + DAY])

    def old(name: str, content: bytes, ts: datetime = NOW) -> list[Any]:
        return list(connection.execute(OLD_CLAIM, {"id": name, "hash": content, "ts": ts}).all())

    with engine.begin() as connection:
        assert old("a", b"x") == [("a",)]
        assert claim(connection, [_arrival("a", b"x"), _arrival("b", b"x")]) == {"b"}
        assert known_hashes(connection, {"a": NOW, "b": NOW}) == {"a": b"x", "b": b"x"}
        assert old("b", b"y") == []
        assert old("b", b"y", NOW + DAY) == []
        assert old("c", b"x", NOW - 5 * DAY) == [("c",)], "the trigger makes the day"
        stored = connection.execute(text("SELECT request_id, content_hash FROM request_ids ORDER BY 1")).all()
    assert [(name, bytes(content)) for name, content in stored] == [("a", b"x"), ("b", b"x"), ("c", b"x")]
    engine.dispose()


def test_down_gives_the_previous_version_every_id(database_url: str) -> None:
    engine = make_engine(database_url)
    DayPartitions(engine).ensure([NOW])
    with engine.begin() as connection:
        claim(connection, [_arrival("a", b"x")])
    downgrade(database_url, "0002")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT request_id FROM request_ids")).scalars().all() == ["a"]
    engine.dispose()


def _arrival(request_id: str, content: bytes) -> Arrival:
    event = Prediction(request_id=request_id, ts=NOW, model=Model(name="m"), task="vqa", status="ok")
    return Arrival(event, content, None)
