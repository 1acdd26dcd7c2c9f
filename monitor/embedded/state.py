"""What a running `snellen up` tells other processes: the lock and the state file in its home folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from monitor.embedded.component import ComponentRecord
from monitor.embedded.identity import ProcessId
from monitor.errors import RuntimeFailure


@dataclass(frozen=True)
class Addresses:
    """Where the embedded servers answer, as settings spell it."""

    database_url: str
    bootstrap_servers: str


@dataclass(frozen=True)
class RuntimeState:
    """The state file `<home>/runtime.json`: one runtime, its addresses and its processes."""

    version: str
    supervisor: ProcessId
    started: datetime
    addresses: Addresses
    components: tuple[ComponentRecord, ...]


def read_state(home: Path) -> RuntimeState | None:
    """The state of the runtime in `home`; None where none was left.

    Raises:
        RuntimeFailure: the file is not one of ours, or another user's.
    """
    path = state_path(home)
    try:
        return msgspec.json.decode(path.read_bytes(), type=RuntimeState)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise RuntimeFailure(
            f"{path} cannot be read ({error}): stop what still runs in {home}, then remove it"
        ) from error


def write_state(home: Path, state: RuntimeState) -> None:
    """Replace the state file in one step, which a power cut does not tear, readable by its owner alone.

    Raises:
        RuntimeFailure: it cannot be written, as on a full disk; the former one stays as it was.
    """
    path = state_path(home)
    unfinished = path.with_suffix(".new")
    try:
        unfinished.touch(mode=0o600)
        with unfinished.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(state), indent=2))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink()
        raise RuntimeFailure(f"{path} cannot be written: {error.strerror}") from error


def remove_state(home: Path) -> None:
    state_path(home).unlink(missing_ok=True)


def state_path(home: Path) -> Path:
    return home / "runtime.json"


@contextmanager
def exclusive(home: Path) -> Iterator[bool]:
    """Hold the lock of `home`; yields False when another process holds it. The kernel frees it with its holder.

    Raises:
        RuntimeFailure: the home folder cannot be made or written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = os.open(home / "runtime.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise RuntimeFailure(f"{home} cannot be the home folder: {error.strerror}; choose another") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(lock)
