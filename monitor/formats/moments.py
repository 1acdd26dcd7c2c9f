"""Event times as logs write them: RFC 3339, naive timestamps, seconds or milliseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime

from monitor.domain.events import Rejection
from monitor.domain.records import Record
from monitor.errors import InvalidEvent

_MILLISECONDS_FROM = 1e11
"""Seconds of the year 5138; what is larger counts milliseconds (from March 1973 on)."""


def moment(value: str | float, name: str) -> datetime:
    """An aware time. A text without a zone is taken as UTC, which is what containers run in.

    Raises:
        InvalidEvent: it is no time; the message names the field.
    """
    try:
        if isinstance(value, str):
            read = datetime.fromisoformat(value)
            return read if read.tzinfo is not None else read.replace(tzinfo=UTC)
        return datetime.fromtimestamp(value / 1000 if value >= _MILLISECONDS_FROM else value, UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidEvent(Rejection.INVALID, f"{name} is {str(value)[:64]!r}, which is no time") from None


def record_time(record: Record, missing: str) -> datetime:
    """When the record was produced.

    Raises:
        InvalidEvent: it has no timestamp either; `missing` names the field that would have held the time.
    """
    if record.timestamp_ms < 0:
        raise InvalidEvent(Rejection.INVALID, f"neither {missing} nor the record's timestamp gives a time")
    return moment(record.timestamp_ms / 1000, "the record's timestamp")
