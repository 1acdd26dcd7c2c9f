"""Whether an event's own time can be believed: one rule for every consumer group, so that they keep the same events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from monitor.domain.events import Rejection
from monitor.domain.window import lasting
from monitor.errors import InvalidEvent

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""No log of a model is older; a date before it is a broken clock or parser, also in a replay."""


def check(ts: datetime, now: datetime, max_future: timedelta, max_age: timedelta, *, replay: bool) -> None:
    """Refuse an event time that is ahead of `now` by more than `max_future`, or behind it by more than `max_age`.

    Replays may be of any age after `EARLIEST`, but no more in the future than others. Both limits are allowed.

    Raises:
        InvalidEvent: with `Rejection.FUTURE_DATED` or `Rejection.TOO_OLD`.
    """
    if ts - now > max_future:
        raise InvalidEvent(Rejection.FUTURE_DATED, f"ts {ts.isoformat()} is more than {lasting(max_future)} ahead")
    if ts < EARLIEST:
        raise InvalidEvent(Rejection.TOO_OLD, f"ts {ts.isoformat()} is before {EARLIEST:%Y}")
    if not replay and now - ts > max_age:
        older = f"is more than {lasting(max_age)} ago; replays may be older"
        raise InvalidEvent(Rejection.TOO_OLD, f"ts {ts.isoformat()} {older}")
