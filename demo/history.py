"""The week before now: made fast with true event times, and evaluated tick by tick as it would have been.

While one day is being made, the day before is stored by the collectors and evaluated by `snellen evaluate`.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from demo.simulation import Simulation
from demo.wire import Stored, Wire
from monitor.domain.events import Event
from monitor.domain.records import Partition
from monitor.domain.window import DAY, MINUTE, Window, floor
from monitor.embedded.process import ManagedProcess, describe_exit
from monitor.errors import RuntimeFailure

PATIENCE_S: Final = 600.0
"""How long the collectors, or an evaluation, may take for one day. Two busy cores have needed more than three
minutes."""
POLL_S: Final = 0.25
STOP_GRACE_S: Final = 1.0
SEND_EVERY: Final = 500
"""Events between two waits for the broker's acknowledgement."""


@dataclass(frozen=True, slots=True)
class _Day:
    window: Window
    mark: Mapping[Partition, int]


class Evaluator:
    """Evaluates days in order, each once all of it is stored, in a process of its own. For the main thread.

    Args:
        start: of the first day.
        home: where the log of the evaluations goes, below `logs`.
    """

    def __init__(self, stored: Stored, start: datetime, home: Path) -> None:
        self.evaluated_until = start
        self._stored = stored
        self._log = home / "logs" / "evaluate.log"
        self._days: deque[_Day] = deque()
        self._process: ManagedProcess | None = None
        self._looked = self._advanced = time.monotonic()

    def add(self, window: Window, mark: Mapping[Partition, int]) -> None:
        """Queue a day whose events end at the mark."""
        if not self._days:
            self._advanced = time.monotonic()
        self._days.append(_Day(window, mark))

    def tend(self) -> None:
        """Take the next step if one is due.

        Raises:
            SnellenError: a day took too long, or its evaluation failed.
        """
        if not self._days or time.monotonic() - self._looked < POLL_S:
            return
        self._looked = time.monotonic()
        if self._looked - self._advanced > PATIENCE_S:
            doing = "stored" if self._process is None else "evaluated"
            raise RuntimeFailure(
                f"the day up to {self._days[0].window.end.isoformat()} is not {doing} after {PATIENCE_S:.0f} s: is the "
                f"machine busy? What Snellen did meanwhile is in {self._log.parent}"
            )
        if self._process is None:
            if self._stored.has(self._days[0].mark):
                self._process = self._start(self._days[0].window)
        else:
            self._end_of(self._process)

    def finish(self) -> Iterator[None]:
        """Wait for all queued days; yields now and then.

        Raises:
            SnellenError: as `tend`.
        """
        while self._days:
            self.tend()
            yield
            time.sleep(POLL_S / 5)

    def stop(self) -> None:
        """Leave nothing running."""
        if self._process is not None:
            self._process.stop(STOP_GRACE_S)

    def _start(self, window: Window) -> ManagedProcess:
        since, until = window.start.isoformat(), window.end.isoformat()
        command = [sys.executable, "-m", "monitor.cli", "evaluate", "--since", since, "--as-of", until]
        process = ManagedProcess("snellen evaluate", command, log=self._log)
        process.start()
        return process

    def _end_of(self, process: ManagedProcess) -> None:
        code = process.exit_code()
        if code is None:
            return
        if code:
            raise RuntimeFailure(f"{process.name} ended with {describe_exit(code)}; {self._log}:\n{process.log_tail()}")
        self._process, self._advanced = None, time.monotonic()
        self.evaluated_until = self._days.popleft().window.end


def write_history(
    simulation: Simulation,
    wire: Wire,
    evaluator: Evaluator,
    week: Window,
    clock: Callable[[], datetime],
    report: Callable[[], None],
) -> None:
    """Make and evaluate the week, then the minutes that this took; returns when the database is up to now.

    `report` is called whenever the simulation or the evaluator got further.

    Raises:
        SnellenError: something of Snellen failed or made no progress.
    """

    def write(windows: Sequence[Window]) -> None:
        for window in windows:
            for _ in send_until(simulation, wire, window.end):
                evaluator.tend()
                report()
            evaluator.add(window, wire.mark())
        for _ in evaluator.finish():
            report()

    write(days(week))
    write([Window(week.end, floor(clock(), MINUTE))])


def days(week: Window) -> list[Window]:
    """The week in pieces of a day, the last one perhaps shorter."""
    count = -(-week.length // DAY)
    return [Window(week.start + DAY * index, min(week.start + DAY * (index + 1), week.end)) for index in range(count)]


def send_until(simulation: Simulation, wire: Wire, until: datetime) -> Iterator[None]:
    """Let the simulation run up to a moment and send what comes of it; yields after each acknowledgement.

    Raises:
        BrokerError: the broker stayed away.
    """
    pending: list[Event] = []
    for events in simulation.advance(until):
        pending += events
        if len(pending) >= SEND_EVERY:
            wire.send(pending)
            pending = []
            yield
    wire.send(pending)
    yield
