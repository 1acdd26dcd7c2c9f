"""Stretches of time in which nobody is told of an SLO's incidents: planned work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from monitor.domain.window import DAY, Window, lasting

MAX_LENGTH = 31 * DAY
"""What is silent for longer should be another objective."""
MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence. Incidents are evaluated, opened and stored as ever; only messages are held back."""

    id: int
    slos: str
    """Name of an SLO, or a pattern of names with `*`, `?` and `[...]`; case counts."""
    window: Window
    """When it holds; one that was ended early ends then."""
    by: str
    reason: str

    def covers(self, slo: str, tick: datetime) -> bool:
        """Whether messages about this SLO's incident at this tick are held back."""
        return self.window.start <= tick < self.window.end and named(self.slos, slo)


def named(slos: str, slo: str) -> bool:
    """Whether an SLO is among those that a pattern names.

    >>> named("scene-*", "scene-latency"), named("scene-latency", "scene-latency"), named("scene", "scene-latency")
    (True, True, False)
    """
    return fnmatchcase(slo, slos)


def checked(slos: str, window: Window, by: str, reason: str, now: datetime) -> None:
    """What a new silence must be.

    Raises:
        ValueError: a text that is empty or too long, a window that is empty, over already, or longer than `MAX_LENGTH`.
    """
    for what, words in (("pattern of SLO names", slos), ("name", by), ("reason", reason)):
        if not words.strip() or len(words) > MAX_TEXT:
            raise ValueError(f"a silence needs a {what} of 1 to {MAX_TEXT} characters, not {len(words.strip())}")
    if not window.length or window.length > MAX_LENGTH:
        raise ValueError(
            f"a silence lasts longer than nothing and at most {MAX_LENGTH.days} days, not {lasting(window.length)}"
        )
    if window.end <= now:
        raise ValueError(f"the silence would be over already: it ends {window.end:%Y-%m-%d %H:%M} UTC")
