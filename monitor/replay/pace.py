"""When a record is due: as fast as possible, or N times as fast as the events came."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

LOOK_EVERY_S = 5.0
"""Of waiting, at most, before looking at what is stored."""


class Pace:
    """The first record that is sent starts the clock; a record whose event time came earlier is due at once."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._origin: tuple[datetime, datetime] | None = None

    @property
    def longest_chunk(self) -> timedelta:
        """Event time that is sent before looking at what is stored."""
        seconds = math.inf if self._speed is None else LOOK_EVERY_S * self._speed
        return timedelta(seconds=seconds) if seconds < timedelta.max.total_seconds() else timedelta.max

    def wait_s(self, ts: datetime, now: datetime) -> float:
        """Seconds until an event of this time is due; 0 when it is."""
        if self._speed is None:
            return 0.0
        if self._origin is None:
            self._origin = (ts, now)
        first_ts, first_now = self._origin
        due = first_now + (ts - first_ts) / self._speed
        return max((due - now).total_seconds(), 0.0)
