"""A moment by which what is done over the network must be over, however slowly the other side goes about it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Timer


class Deadline:
    """By the clock that is never set."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds, at least 0."""
        return max(self._at - time.monotonic(), 0.0)

    @property
    def passed(self) -> bool:
        return self.left == 0

    @contextmanager
    def cutting(self, wire: socket.socket | None) -> Iterator[None]:
        """Cut the connection when it is time: its own timeout starts anew with every byte that trickles in."""

        def cut() -> None:
            if wire is not None:
                with suppress(OSError):  # it has just been closed
                    socket.socket.shutdown(wire, socket.SHUT_RDWR)  # TLS's own would take the session from its reader

        timer = Timer(self.left, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
