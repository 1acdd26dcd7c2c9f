"""The name by which a process is known for certain."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.02


@dataclass(frozen=True)
class ProcessId:
    """A pid together with the moment its process was born, so that a reused pid is never taken for the old process.

    `birth` is the kernel's boot id and the start time in clock ticks since boot (proc(5), /proc/PID/stat, field 22);
    unlike a wall-clock time it does not move when the clock is set.
    """

    pid: int
    birth: str

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """The process that has this pid now; None when there is none, or only a zombie."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            return None
        state, *fields = stat.rpartition(")")[2].split()  # the name before ")" may hold anything
        return None if state in "ZX" else cls(pid, f"{boot}/{fields[18]}")

    def is_alive(self) -> bool:
        return ProcessId.of(self.pid) == self

    def send(self, number: signal.Signals, *, group: bool = False) -> None:
        """Signal the process, or its whole process group; nothing happens when it is gone."""
        if self.is_alive():
            (os.killpg if group else os.kill)(self.pid, number)

    def wait_gone(self, timeout_s: float) -> bool:
        """Wait for the process to end; False when it still lives after `timeout_s`."""
        return wait_until(lambda: not self.is_alive(), timeout_s)


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Poll `condition` until it holds (True) or the time is over (False)."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)
    return True
