"""The state file and the lock of a home folder."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.embedded.component import ComponentRecord, ComponentState, ComponentStatus
from monitor.embedded.control import down, status
from monitor.embedded.identity import ProcessId
from monitor.embedded.state import Addresses, RuntimeState, exclusive, read_state, write_state
from monitor.errors import RuntimeFailure

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STATE = RuntimeState(
    version="1.2.3",
    supervisor=ProcessId(1, "boot/1"),
    started=STARTED,
    addresses=Addresses("postgresql+psycopg://snellen@/snellen?host=/x", "127.0.0.1:19092"),
    components=(
        ComponentRecord(
            ComponentStatus("dashboard", ComponentState.RUNNING, "http://127.0.0.1:8501", 7, STARTED),
            health="http://127.0.0.1:8501/_stcore/health",
            process=ProcessId(7, "boot/2"),
        ),
        ComponentRecord(
            ComponentStatus("scheduler", ComponentState.RESTARTING, None, None, None, "ended with exit code 1"),
            health=None,
            process=None,
        ),
    ),
)


def test_a_state_is_read_as_it_was_written_and_only_by_its_owner(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    write_state(tmp_path, STATE)
    assert read_state(tmp_path) == STATE
    assert (tmp_path / "runtime.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["runtime.json"]


def test_a_state_that_cannot_be_written_leaves_the_former_one_and_no_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_state(tmp_path, STATE)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RuntimeFailure, match=f"{tmp_path}/runtime.json cannot be written: No space left on device"):
        write_state(tmp_path, replace(STATE, version="1.2.4"))
    assert read_state(tmp_path) == STATE
    assert [path.name for path in tmp_path.iterdir()] == ["runtime.json"]


@pytest.mark.parametrize("content", ["", "{}", '{"version": 1}', "[]"])
def test_a_file_that_is_not_a_state_is_refused_with_its_path(tmp_path: Path, content: str) -> None:
    (tmp_path / "runtime.json").write_text(content)
    for question in (read_state, status, down):
        with pytest.raises(RuntimeFailure, match=f"{tmp_path}/runtime.json cannot be read"):
            question(tmp_path)


def test_components_of_a_dead_supervisor_are_stopped_whatever_the_file_says(tmp_path: Path) -> None:
    write_state(tmp_path, STATE)
    assert [(seen.state, seen.pid) for seen in status(tmp_path)] == [(ComponentState.STOPPED, None)] * 2


def test_where_nothing_runs_there_is_no_status_and_nothing_to_stop(tmp_path: Path) -> None:
    assert status(tmp_path / "nowhere") == []
    assert not down(tmp_path / "nowhere")


def test_the_lock_excludes_others_and_is_free_after_its_holder(tmp_path: Path) -> None:
    ask = "import sys; from pathlib import Path; from monitor.embedded.state import exclusive\n"
    ask += "with exclusive(Path(sys.argv[1])) as mine: print(mine)"

    def another_gets_it() -> bool:
        command = [sys.executable, "-c", ask, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout == "True\n"

    with exclusive(tmp_path) as mine:
        assert mine
        assert not another_gets_it()
    assert another_gets_it()


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RuntimeFailure, match="cannot be the home folder"), exclusive(tmp_path / "file" / "home"):
        pass
