"""One supervised component: kept running, asked for its health, described to people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from monitor.embedded.identity import ProcessId
from monitor.embedded.process import ManagedProcess, describe_exit
from monitor.errors import SnellenError

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
STABLE_AFTER_S = 60.0  # a component that lived this long starts again without the delays of earlier failures
CHECK_EVERY_S = 5.0
CHECK_STARTING_EVERY_S = 0.25


class ComponentState(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    UNHEALTHY = "unhealthy"
    RESTARTING = "restarting"
    STOPPED = "stopped"


@dataclass(frozen=True)
class ComponentStatus:
    """What a person asks of a component. `since` is the start of its process, UTC; `detail` says what is wrong."""

    name: str
    state: ComponentState
    address: str | None
    pid: int | None
    since: datetime | None
    detail: str = ""


@dataclass(frozen=True)
class ComponentRecord:
    """A component as the state file keeps it: enough to ask for its health, and to stop it, from another process."""

    status: ComponentStatus
    health: str | None
    process: ProcessId | None


class Component:
    """Restarts its process when it ends, after a delay that doubles with every failure. `now` is monotonic, seconds."""

    def __init__(self, process: ManagedProcess, address: str | None) -> None:
        self.process = process
        self.starts = 0
        self._address = address
        self._state = ComponentState.STOPPED
        self._detail = ""
        self._since: datetime | None = None
        self._started_at = 0.0
        self._failures = 0
        self._due_at = 0.0  # of the next check, or of the restart

    @property
    def status(self) -> ComponentStatus:
        identity = self.process.id
        pid = None if identity is None else identity.pid
        return ComponentStatus(self.process.name, self._state, self._address, pid, self._since, self._detail)

    @property
    def record(self) -> ComponentRecord:
        return ComponentRecord(self.status, self.process.health, self.process.id)

    def start(self, now: float) -> None:
        """Start the process.

        Raises:
            SnellenError: its preparations failed.
        """
        self.process.start()
        self.starts += 1
        self._started_at = self._due_at = now
        self._since = datetime.now(UTC)
        self._become(ComponentState.STARTING, "")

    def tend(self, now: float) -> bool:
        """Notice an end, restart when that is due, check the health when that is due; whether anything changed."""
        code = self.process.exit_code()
        if code is not None:
            self._since = None
            return self._retry_later(now, f"ended with {describe_exit(code)}, see {self.process.log}")
        if now < self._due_at:
            return False
        if self._state is ComponentState.RESTARTING:
            return self._restart(now)
        return self._check(now)

    def report(self, fault: str) -> None:
        """Note a fault that somebody else found; the next check that passes clears it."""
        self._become(ComponentState.UNHEALTHY, fault)

    def stopped(self) -> None:
        """Note that the process was stopped on purpose."""
        self._since = None
        self._become(ComponentState.STOPPED, "")

    def _restart(self, now: float) -> bool:
        try:
            self.start(now)
        except (SnellenError, OSError) as error:  # the latter where its log cannot be made, as on a full disk
            self._retry_later(now, str(error))
        return True

    def _retry_later(self, now: float, fault: str) -> bool:
        self._failures = 0 if now - self._started_at > STABLE_AFTER_S else self._failures + 1
        delay = min(FIRST_DELAY_S * 2 ** max(self._failures - 1, 0), LONGEST_DELAY_S)
        self._due_at = now + delay
        return self._become(ComponentState.RESTARTING, f"{fault}; starts again in {delay:g} s")

    def _check(self, now: float) -> bool:
        fault = self.process.check()
        starting = fault is not None and self._state is ComponentState.STARTING  # until it has answered once
        self._due_at = now + (CHECK_STARTING_EVERY_S if starting else CHECK_EVERY_S)
        if fault is None:
            return self._become(ComponentState.RUNNING, "")
        return self._become(ComponentState.STARTING if starting else ComponentState.UNHEALTHY, fault)

    def _become(self, state: ComponentState, detail: str) -> bool:
        changed = state is not self._state
        self._state, self._detail = state, detail
        return changed
