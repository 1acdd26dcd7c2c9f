"""`snellen status`: its exit status tells a script whether all runs."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.cli.main import app
from monitor.embedded.component import ComponentRecord, ComponentState, ComponentStatus
from monitor.embedded.identity import ProcessId
from monitor.embedded.state import Addresses, RuntimeState, write_state

NOW = datetime(2026, 3, 2, tzinfo=UTC)
GONE = ProcessId(1, "boot/1")


def record(name: str, process: ProcessId | None) -> ComponentRecord:
    return ComponentRecord(ComponentStatus(name, ComponentState.RUNNING, None, None, NOW), None, process)


@pytest.mark.parametrize(
    ("supervised", "last", "code", "shown"),
    [(True, True, 0, "running"), (True, False, 3, "restarting"), (False, False, 3, "stopped")],
)
def test_it_is_0_only_where_every_component_runs(
    tmp_path: Path, *, supervised: bool, last: bool, code: int, shown: str
) -> None:
    here = ProcessId.of(os.getpid())
    assert here is not None
    components = (record("postgres", here if supervised else GONE), record("broker", here if last else GONE))
    state = RuntimeState("1", here if supervised else GONE, NOW, Addresses("", ""), components)
    write_state(tmp_path, state)
    done = CliRunner().invoke(app, ["status", "--home", str(tmp_path)])
    assert (done.exit_code, done.output.splitlines()[1 if supervised else 0].split()[1]) == (code, shown)
    plain = CliRunner().invoke(app, ["status", "--json", "--home", str(tmp_path)])
    assert plain.exit_code == code
    assert json.loads(plain.stdout.splitlines()[1 if supervised else 0])["state"] == shown


def test_it_is_3_where_nothing_runs(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["status", "--home", str(tmp_path)]).exit_code == 3
