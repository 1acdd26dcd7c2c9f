"""The one thread of a collector that talks with PostgreSQL: a server that hangs keeps nobody from stopping."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

from collectors.memory import let_go
from monitor.errors import StoreUnavailable

T = TypeVar("T")


class Worker:
    """Does jobs in the order in which they were given. Its thread ends with the process, whatever it is doing."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        threading.Thread(target=self._work, name="store", daemon=True).start()

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Queue a job; its outcome, also an exception, is in the future."""
        future: Future[T] = Future()
        self._jobs.put(lambda: _run(job, future))
        return future

    def call(self, job: Callable[[], T], timeout_s: float) -> T:
        """Queue a job and wait for it.

        Raises:
            StoreUnavailable: no answer within `timeout_s`; the job is dropped unless it has begun.
            Exception: whatever the job raised.
        """
        future = self.submit(job)
        try:
            return future.result(timeout_s)
        except TimeoutError:
            future.cancel()
            raise StoreUnavailable(f"PostgreSQL has not answered for {timeout_s:g} s") from None

    def _work(self) -> None:
        while True:
            self._jobs.get()()


def _run(job: Callable[[], T], future: Future[T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(job())
    except BaseException as error:  # noqa: BLE001 (whoever waits for it decides)
        let_go(error)  # it holds a whole batch, and an outage brings one after the other
        future.set_exception(error)
    finally:
        del job, future  # the error knows this frame, and would keep itself and a whole batch alive
