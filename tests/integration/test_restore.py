"""The commands of docs/operations.md, run as they stand there: a dump of an older schema, a copy of a whole server."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import psycopg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from monitor.domain.records import Batch, Record
from monitor.embedded.postgres import Postgres, find_binaries
from monitor.embedded.privileges import unprivileged_user
from monitor.embedded.probes import to_libpq
from monitor.errors import Fenced
from monitor.services.ingest import IngestService
from monitor.store.engine import alembic_config, downgrade, make_engine, migrate, require_migrated
from tests.conftest import HASTY, run_as_admin
from tests.integration.conftest import NOW, PARTITION, make_service, register
from tests.pace import wait_for

pytestmark = pytest.mark.integration
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()
COUNTED = ("predictions", "arrivals", "rollups_minute", "label_tasks", "dead_letters", "ingest_counters")
BATCH = 50
Build = Callable[..., dict[str, Any]]


def documented(program: str) -> list[str]:
    """The words of the one command of a program."""
    [line] = re.findall(rf"^    ({program} .+)$", PAGE, flags=re.MULTILINE)
    return shlex.split(line, comments=True)


def run(command: list[str], server: Postgres, folder: Path, replaced: dict[str, str]) -> None:
    """As a superuser unless the command says otherwise; its names and addresses are those of the test."""
    assert set(replaced) <= set(command)
    program, *words = [replaced.get(word, word) for word in command]
    at = {"PGHOST": parse_qs(urlsplit(server.admin_url).query)["host"][0], "PGUSER": "postgres"}
    done = subprocess.run(
        [str(find_binaries() / program), *words],
        cwd=folder, env=os.environ | at, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def counts(url: str) -> dict[str, Any]:
    with psycopg.connect(to_libpq(url)) as connection:
        found: dict[str, Any] = {
            name: connection.execute(f"SELECT count(*) FROM {name}".encode()).fetchone() for name in COUNTED
        }
        found["version"] = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        found["read to"] = connection.execute("SELECT next_offset FROM stream_offsets").fetchall()
        return found


@pytest.mark.parametrize("also", [([], []), (["--format=directory", "--jobs=2"], ["--jobs=2"])], ids=["one", "several"])
def test_a_dump_of_the_schema_before_is_restored_by_the_documented_commands_and_migrated(
    also: tuple[list[str], list[str]], postgres_server: Postgres, database_url: str, engine: Engine,
    ingest: IngestService, send: Callable[..., Batch], prediction: Build, tmp_path: Path,
) -> None:  # fmt: skip
    ingest.write(send(*(prediction(f"r{n}") for n in range(BATCH)), b"garbage"), NOW)
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    downgrade(database_url, "-1")
    before = counts(database_url)
    assert before["version"] != (head,)
    source = urlsplit(database_url).path[1:]
    target = f"{source}_restored"
    url = database_url.replace(f"/{source}?", f"/{target}?")
    try:
        _dump_and_restore(postgres_server, tmp_path, (database_url, source), (url, target), also)
        assert counts(url) == before
        migrate(url)
        with closing_engine(url) as restored:
            require_migrated(restored)
            again = make_service(restored)
            with pytest.raises(Fenced):
                again.write(batch_at(0, prediction), NOW)
            assert again.write(batch_at(BATCH + 1, prediction), NOW) == {("t", "accepted"): BATCH}
    finally:
        engine.dispose()
        with suppress(psycopg.Error):
            run_as_admin(postgres_server, f"DROP DATABASE {target} WITH (FORCE)")


def _dump_and_restore(
    server: Postgres, folder: Path, source: tuple[str, str], target: tuple[str, str], also: tuple[list[str], list[str]]
) -> None:
    address = "host=... dbname=snellen user=snellen"
    run([*documented("pg_dump"), *also[0]], server, folder, {address: to_libpq(source[0])})
    # The tests' template has the extension already; a new server's has not.
    run([*documented("createdb"), "--template=template0"], server, folder, {"snellen": target[1]})
    run(documented("psql"), server, folder, {"--dbname=snellen": f"--dbname={target[1]}"})
    run(
        [*documented("pg_restore"), *also[1]],
        server,
        folder,
        {f"--dbname={address}": f"--dbname={to_libpq(target[0])}"},
    )


@contextmanager
def closing_engine(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


# ---- a copy of the whole server -------------------------------------------------------------------------------------


def setting(name: str, archive: Path) -> str:
    """What the page has for `postgresql.conf`, with the test's archive."""
    found: list[str] = re.findall(rf"^    {name} = '?(.+?)'?$", PAGE, flags=re.MULTILINE)
    [value] = found
    return value.replace("/archive/", f"{archive}/")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    hand_over(folder)
    return folder


@pytest.fixture
def archived(tmp_path: Path, archive: Path) -> Iterator[Postgres]:
    """A server set up as the page says, which may die."""
    names = ("wal_level", "archive_mode", "archive_command")
    settings = {name: setting(name, archive) for name in names} | {"max_wal_senders": "4"}
    server = Postgres(tmp_path / "first", settings={**HASTY, **settings})
    try:
        server.start()
        access = tmp_path / "first" / "postgres" / "data" / "pg_hba.conf"
        access.write_text(access.read_text() + "local replication all peer map=owner\n")
        run_as_admin(server, "SELECT pg_reload_conf()")
        migrate(server.url)
        yield server
    finally:
        server.stop()


def hand_over(folder: Path) -> None:
    """To whoever runs PostgreSQL."""
    user = unprivileged_user()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid)


def batch_at(offset: int, prediction: Build) -> Batch:
    """So many records at an offset."""
    end = offset + BATCH
    records = tuple(
        Record(PARTITION, number, -1, msgspec.json.encode(prediction(f"b{number}"))) for number in range(offset, end)
    )
    return Batch(records, {PARTITION: offset}, {PARTITION: end}, {PARTITION: end})


class Writer(threading.Thread):
    """Stores batch after batch until it is told to stop."""

    def __init__(self, service: IngestService, prediction: Build) -> None:
        super().__init__(daemon=True)
        self._service, self._prediction = service, prediction
        self._stop_it = threading.Event()
        self.stored = 0

    def run(self) -> None:
        while not self._stop_it.is_set():
            self._service.write(batch_at(self.stored, self._prediction), NOW)
            self.stored += BATCH

    def close(self) -> None:
        self._stop_it.set()
        self.join()


def test_a_copy_of_a_server_that_is_written_to_comes_back_up_to_its_last_commit(
    archived: Postgres, archive: Path, prediction: Build, tmp_path: Path
) -> None:
    with closing_engine(archived.url) as engine:
        register(engine, PARTITION)
        with closing(Writer(make_service(engine), prediction)) as writer:
            writer.start()
            wait_for(lambda: writer.stored > 0, what="something is written")
            begun = writer.stored
            run(documented("pg_basebackup"), archived, tmp_path, {})
            copied = writer.stored
            assert copied > begun, "it was written to meanwhile"
            wait_for(lambda: writer.stored > copied + 5 * BATCH, what="more is written")
        last = writer.stored
    expected = counts(archived.url)
    run_as_admin(archived, "SELECT pg_switch_wal()")
    waiting = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
    wait_for(lambda: query(archived, waiting) == 0, what="all is archived")
    archived.stop()

    data = tmp_path / "second" / "postgres" / "data"
    data.parent.mkdir(mode=0o700, parents=True)
    shutil.move(tmp_path / "base", data)
    (data / "recovery.signal").touch()
    hand_over(data.parent)
    answers = {"restore_command": setting("restore_command", archive), "hot_standby": "off"}
    restored = Postgres(tmp_path / "second", settings={**HASTY, **answers})
    try:
        restored.start()
        assert counts(restored.url) == expected
        with closing_engine(restored.url) as engine:
            service = make_service(engine)
            with pytest.raises(Fenced):
                service.write(batch_at(last - BATCH, prediction), NOW)
            assert service.write(batch_at(last, prediction), NOW) == {("t", "accepted"): BATCH}
    finally:
        restored.stop()


def query(server: Postgres, statement: str) -> int:
    with psycopg.connect(to_libpq(server.admin_url)) as admin:
        (found,) = admin.execute(statement.encode()).fetchone() or (0,)
    return int(found)
