"""What waits to be sent, bounded, and the counts of what became of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Condition, Event, RLock
from typing import NamedTuple

Encode = Callable[[str, float, bytes], bytes]
"""request_id, seconds of the epoch and frozen fields to a record; raises what it likes."""
OVERHEAD = 300
"""Bytes of an entry beside its content."""
BATCH = 500
"""Events that are sent at once; so many waiting wake the thread that sends."""


@dataclass(slots=True)
class LogCounts:
    """What became of the calls of this process: calls = sent + waiting + dropped + invalid + lost."""

    calls: int = 0
    sent: int = 0
    """Acknowledged by the broker."""
    waiting: int = 0
    dropped: int = 0
    """The queue was full, or the logger closed."""
    invalid: int = 0
    """No reader would accept the values."""
    lost: int = 0
    """Refused by the broker for good, or not sent when the logger was closed."""
    last_invalid: str | None = None
    """Why the latest invalid call was so."""
    last_fault: str | None = None
    """What was last wrong on the way to the broker."""

    def __add__(self, other: LogCounts) -> LogCounts:
        """Of two queues; what either has to say last."""
        return LogCounts(
            self.calls + other.calls,
            self.sent + other.sent,
            self.waiting + other.waiting,
            self.dropped + other.dropped,
            self.invalid + other.invalid,
            self.lost + other.lost,
            _both(self.last_invalid, other.last_invalid),
            _both(self.last_fault, other.last_fault),
        )


class Entry(NamedTuple):
    """One call."""

    topic: str
    encode: Encode
    request_id: str
    logged_at: float
    content: bytes
    """Its fields, frozen."""

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return OVERHEAD + len(self.content)


class LogQueue:
    """Every entry that gets in is settled once: sent, invalid or lost. May be used by several threads.

    No method waits for anything but the others, which are short, except `wait`.
    """

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self._max_events, self._max_bytes = max_events, max_bytes
        self._entries: deque[Entry] = deque()
        self._counts = LogCounts()
        self._bytes = 0
        self._closed = self._abandoned = False
        self._lock = RLock()  # a signal handler or a destructor may log in the middle of a call
        self._empty = Condition(self._lock)
        self.wake = Event()
        """Set when there is something to do for the thread that sends."""

    @property
    def counts(self) -> LogCounts:
        """As of now."""
        with self._lock:
            return replace(self._counts)

    @property
    def closed(self) -> bool:
        """Lets nothing in."""
        return self._closed

    @property
    def over(self) -> bool:
        """There is and will be nothing to do."""
        return self._abandoned

    def offer(self, entry: Entry) -> bool:
        """False, and counted as dropped, when it is full or closed."""
        size = entry.size
        with self._lock:
            counts = self._counts
            counts.calls += 1
            if self._closed or counts.waiting >= self._max_events or self._bytes + size > self._max_bytes:
                counts.dropped += 1
                return False
            counts.waiting += 1
            self._bytes += size
            self._entries.append(entry)
            full = len(self._entries) == BATCH
        if full:
            self.wake.set()
        return True

    def refuse(self, error: Exception) -> None:
        """A call that is invalid before it got in."""
        with self._lock:
            self._counts.calls += 1
            self._count_invalid(error)

    def take(self) -> list[Entry]:
        """The next ones, to be settled."""
        with self._lock:  # only for a moment: who holds it may be put to sleep by the interpreter
            if len(self._entries) <= BATCH:
                taken, self._entries = self._entries, deque()
                return list(taken)
            return [self._entries.popleft() for _ in range(BATCH)]

    def sent(self, sizes: Sequence[int]) -> None:
        """Several at once."""
        total = sum(sizes)
        with self._lock:
            if self._release(total, len(sizes)):
                self._counts.sent += len(sizes)

    def invalid(self, size: int, error: Exception) -> None:
        with self._lock:
            if self._release(size):
                self._count_invalid(error)

    def lost(self, size: int, error: Exception) -> None:
        with self._lock:
            if self._release(size):
                self._counts.lost += 1
                self._counts.last_fault = repr(error)

    def note(self, error: Exception) -> None:
        """A fault of the way, which settles nothing."""
        with self._lock:
            self._counts.last_fault = repr(error)

    def wait(self, timeout_s: float) -> bool:
        """Until nothing is waiting; false when that took too long."""
        self.wake.set()
        with self._empty:
            return self._empty.wait_for(lambda: not self._counts.waiting, timeout_s)

    def close(self) -> None:
        """Let nothing in any more."""
        with self._lock:
            self._closed = True

    def abandon(self) -> None:
        """Count what waits as lost."""
        with self._lock:
            self._closed = self._abandoned = True
            self._counts.lost += self._counts.waiting
            self._counts.waiting = self._bytes = 0
            self._entries.clear()
        self.wake.set()

    def _release(self, size: int, events: int = 1) -> bool:
        """False when they were counted as lost already."""
        if self._abandoned:
            return False
        self._counts.waiting -= events
        self._bytes -= size
        if not self._counts.waiting:
            self._empty.notify_all()
        return True

    def _count_invalid(self, error: Exception) -> None:
        self._counts.invalid += 1
        self._counts.last_invalid = f"{type(error).__name__}: {error}"


def _both(*words: str | None) -> str | None:
    return "; ".join(dict.fromkeys(filter(None, words))) or None
