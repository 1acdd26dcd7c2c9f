"""When a record is due: as fast as possible, or N times as fast as the events came."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from monitor.errors import SettingsError

MAX_SPEED = 1_000_000


def parse_speed(text: str) -> float | None:
    """`max` -> None (no waiting); a positive number N -> N times event time.

    Raises:
        SettingsError: anything else.
    """
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 < speed <= MAX_SPEED:
        raise SettingsError(f"speed {text!r}: give `max`, or how many times event time (at most {MAX_SPEED}), e.g. 60")
    return speed


class Pace:
    """The first record that is sent starts the clock; a record whose event time came earlier is due at once."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._origin: tuple[datetime, datetime] | None = None

    @property
    def longest_chunk(self) -> timedelta:
        """Event time that is sent before looking at what is stored: five seconds of waiting at most."""
        return timedelta.max if self._speed is None else timedelta(seconds=5 * self._speed)

    def wait_s(self, ts: datetime, now: datetime) -> float:
        """Seconds until an event of this time is due; 0 when it is."""
        if self._speed is None:
            return 0.0
        if self._origin is None:
            self._origin = (ts, now)
        first_ts, first_now = self._origin
        due = first_now + (ts - first_ts) / self._speed
        return max((due - now).total_seconds(), 0.0)
