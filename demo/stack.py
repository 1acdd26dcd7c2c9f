"""`snellen up` as a child of the demo: started on the demo's settings, watched, and always stopped with it."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from monitor.embedded.component import ComponentState, ComponentStatus
from monitor.embedded.control import status
from monitor.embedded.process import ManagedProcess, describe_exit
from monitor.embedded.state import read_state
from monitor.errors import RuntimeFailure

READY_S: Final = 300.0
"""What fails is noticed at once; to load PyTorch from a cold disk may take a minute."""
STOP_GRACE_S: Final = 30.0
POLL_S: Final = 0.1


class Stack:
    """One `snellen up`. Start it from the main thread: it ends with the thread that started it, even by `kill -9`."""

    def __init__(self, home: Path) -> None:
        self._home = home
        command = [sys.executable, "-m", "monitor.cli", "up"]
        log = home / "logs" / "up.log"
        self._process = ManagedProcess("snellen up", command, log=log, death_signal=signal.SIGTERM)

    def start(self) -> None:
        """Start it; the settings come from the environment."""
        self._process.start()

    def check(self) -> None:
        """Raises RuntimeFailure when it has ended."""
        code = self._process.exit_code()
        if code is not None:
            tail = self._process.log_tail()
            raise RuntimeFailure(f"snellen up ended with {describe_exit(code)}; {self._process.log}:\n{tail}")

    def wait_for(self, *names: str) -> Iterator[ComponentStatus]:
        """Wait for components; yields each when it runs and answers.

        Raises:
            RuntimeFailure: it ended, or one of them is not ready in time.
        """
        missing, deadline = set(names), time.monotonic() + READY_S
        while missing:
            self.check()
            for component in status(self._home) if read_state(self._home) else ():
                if component.name in missing and component.state is ComponentState.RUNNING:
                    missing.remove(component.name)
                    yield component
            if time.monotonic() > deadline:
                raise RuntimeFailure(
                    f"not ready after {READY_S:.0f} s: {', '.join(sorted(missing))}; see {self._process.log}"
                )
            time.sleep(POLL_S)

    def stop(self) -> None:
        """Stop everything that it started, cleanly."""
        self._process.stop(STOP_GRACE_S)
