"""`snellen status` and `snellen down`: looking at a runtime, and ending it, from another process."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

from monitor.embedded.component import ComponentRecord, ComponentState, ComponentStatus
from monitor.embedded.probes import probe
from monitor.embedded.state import RuntimeState, read_state, remove_state
from monitor.errors import RuntimeFailure

STOP_TIMEOUT_S = 20.0
POSTGRES_GRACE_S = 5.0


def status(home: Path) -> list[ComponentStatus]:
    """Every component of the runtime in `home`, its health asked now; empty where none runs.

    Raises:
        RuntimeFailure: the state file cannot be read.
    """
    state = read_state(home)
    if state is None:
        return []
    supervised = state.supervisor.is_alive()
    return [live_status(record, supervised=supervised) for record in state.components]


def live_status(record: ComponentRecord, *, supervised: bool) -> ComponentStatus:
    """The recorded status, corrected by what can be seen now."""
    recorded = record.status
    if record.process is None or not record.process.is_alive():
        if supervised:
            return replace(recorded, state=ComponentState.RESTARTING, pid=None, since=None)
        detail = "its supervisor was killed; `snellen up` starts anew"
        return replace(recorded, state=ComponentState.STOPPED, pid=None, since=None, detail=detail)
    fault = None if record.health is None else probe(record.health)
    if fault is None:
        return replace(recorded, state=ComponentState.RUNNING, detail="")
    starting = recorded.state is ComponentState.STARTING
    return replace(recorded, state=ComponentState.STARTING if starting else ComponentState.UNHEALTHY, detail=fault)


def down(home: Path) -> bool:
    """Stop the runtime in `home` and everything it started; False where none ran.

    Raises:
        RuntimeFailure: something did not stop.
    """
    state = read_state(home)
    if state is None:
        return False
    state.supervisor.send(signal.SIGTERM)
    if not state.supervisor.wait_gone(STOP_TIMEOUT_S):
        state.supervisor.send(signal.SIGKILL)
        state.supervisor.wait_gone(STOP_TIMEOUT_S)
    stop_leftovers(home, state)
    return True


def stop_leftovers(home: Path, state: RuntimeState | None) -> None:
    """End recorded processes whose supervisor is gone, and forget them. A pid that was reused meanwhile is left alone.

    Raises:
        RuntimeFailure: one of them survived.
    """
    records = () if state is None else state.components
    alive = [record.process for record in records if record.process is not None and record.process.is_alive()]
    for process in alive:
        process.send(signal.SIGINT)  # PostgreSQL's "fast" stop; the supervisor's death has told the others already
    for process in alive:
        if not process.wait_gone(POSTGRES_GRACE_S):
            process.send(signal.SIGKILL, group=True)
        if not process.wait_gone(POSTGRES_GRACE_S):
            raise RuntimeFailure(f"process {process.pid} of an earlier run cannot be stopped: look at it with ps")
    remove_state(home)
