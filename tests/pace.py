"""Time limits that hold on any machine: what another tenant takes from this one counts for nobody.

A bound in seconds is broken by a host that takes its processors away for seconds, and says nothing of the code then. So
costs are told as multiples of a fixed loop's, and a wait lasts so many seconds of a machine that has time for us.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol, TypeVar

T = TypeVar("T")

ROUNDS = 25_000
ORDINARY_S = 0.002
"""What so many rounds take on an ordinary core; faster ones count as ordinary."""
NAP_S = 0.02
LOOKS = 10
"""A wait is not over before it has looked so often."""


class Process(Protocol):
    """Of subprocess or of psutil."""

    def poll(self) -> int | None: ...


def cost(work: Callable[[], object], attempts: int = 3) -> float:
    """Processor time that a piece of work takes, as a multiple of a million rounds of a plain loop right beside it.

    A million rounds are 0.04 s on a fast core and 0.08 s on an ordinary one. The least of some attempts counts.
    """
    return min(_seconds(work) / _seconds(lambda: _loop(40 * ROUNDS)) for _ in range(attempts))


def wait_for(
    condition: Callable[[], object], seconds: float = 30.0, what: str | Callable[[], object] = "what was waited for"
) -> None:
    """Look again and again until it holds.

    Raises:
        AssertionError: it did not for so many seconds of a machine that had time for us; says what, or what that finds.
    """
    patience = Patience(seconds)
    while not condition():
        assert patience.rest(), f"after {seconds:g} s still not so: {what() if callable(what) else what}"


def within(seconds: float, work: Callable[[], T]) -> T:
    """What a piece of work returns or raises, which must be done in so many seconds of a machine that has time for us.

    It is done on a thread of its own, that this one can see how much time the machine has meanwhile.

    Raises:
        AssertionError: it took longer.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 (raised where it was asked for)
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    wait_for(done.done, seconds, "it is done")
    return done.result()


def exit_code(process: Process, seconds: float) -> int | None:
    """How it ended; None where it still runs after so many seconds of a machine that had time for us."""
    patience = Patience(seconds)
    while process.poll() is None and patience.rest():
        pass
    return process.poll()


class Patience:
    """So many seconds of a machine that has time for us; `rest` spends some of them."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._most = seconds / LOOKS
        self._counted = time.monotonic()

    def rest(self) -> bool:
        """Sleep for a moment. False: the time is over.

        Time counts the less while naps outlast what was asked for, a loop what it takes on an ordinary core, or more
        want to run than there are cores: who has just slept hardly waits for one, but others do. What passed since the
        last rest counts for a part of the whole at most: the machine may have stood still just then.
        """
        began = time.monotonic()
        time.sleep(NAP_S)
        woken = time.monotonic()
        _loop(ROUNDS)
        now = time.monotonic()
        slowdown = max(1.0, (woken - began) / NAP_S, (now - woken) / ORDINARY_S, _crowd())
        self._left -= min((now - self._counted) / slowdown, self._most)
        self._counted = now
        return self._left > 0


def _crowd() -> float:
    """How many want to run, per core."""
    running, _, _ = Path("/proc/loadavg").read_text().split()[3].partition("/")
    return int(running) / len(os.sched_getaffinity(0))


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _loop(rounds: int) -> int:
    total = 0
    for number in range(rounds):
        total += number * number
    return total
