"""Half-open stretches of event time, always aware and UTC."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LEARNED_FROM: Final = 28 * DAY
"""How far back is looked for what is usual of labels: their delay, what confidences mean, how estimates fared."""


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` (included) to `end` (excluded).

    Raises:
        ValueError: a naive time, or an end before the start.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a window needs aware times")
        if self.end < self.start:
            raise ValueError(f"a window cannot end ({self.end}) before it starts ({self.start})")

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    @classmethod
    def before(cls, end: datetime, length: timedelta) -> Window:
        """The window of this length that ends at `end`."""
        return cls(end - length, end)

    def previous(self) -> Window:
        """The window of the same length just before this one."""
        return Window(self.start - self.length, self.start)


def floor(moment: datetime, step: timedelta) -> datetime:
    """The last multiple of `step` (since the epoch) that is not after `moment`.

    >>> floor(datetime(2026, 11, 21, 10, 7, 30, tzinfo=UTC), MINUTE * 5).isoformat()
    '2026-11-21T10:05:00+00:00'
    """
    return EPOCH + (moment - EPOCH) // step * step


def days_of(moments: Collection[datetime]) -> set[datetime]:
    """The beginnings of the UTC days in which these moments are. Most batches are of one day, which two looks tell.

    >>> night = [datetime(2026, 11, 20, 23, tzinfo=UTC), datetime(2026, 11, 21, 1, tzinfo=UTC)]
    >>> [sorted(day.day for day in days_of(moments)) for moments in ([], night[:1], night)]
    [[], [20], [20, 21]]
    """
    if not moments:
        return set()
    first, last = floor(min(moments), DAY), floor(max(moments), DAY)
    return {first} if first == last else {floor(one, DAY) for one in moments}


def lasting(length: timedelta) -> str:
    """A stretch of time for people, in its two largest units; one that is negative as nothing.

    >>> lasting(timedelta(minutes=75)), lasting(timedelta(seconds=8)), lasting(2 * DAY), lasting(timedelta(0))
    ('1 h 15 min', '8 s', '2 d', '0 s')
    """
    left, parts = max(round(length.total_seconds()), 0), []
    for seconds, name in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        whole, left = divmod(left, seconds)
        if whole:
            parts.append(f"{whole} {name}")
    return " ".join(parts[:2]) or "0 s"
