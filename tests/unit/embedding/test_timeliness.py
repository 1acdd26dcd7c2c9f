from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.events import Rejection
from monitor.domain.timeliness import EARLIEST, check
from monitor.errors import InvalidEvent

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
FUTURE, AGE = timedelta(minutes=5), timedelta(days=30)
MICROSECOND = timedelta(microseconds=1)


def reason(ts: datetime, *, replay: bool = False) -> str | None:
    try:
        check(ts, NOW, FUTURE, AGE, replay=replay)
    except InvalidEvent as error:
        return error.reason
    return None


@pytest.mark.parametrize(
    ("ts", "expected"),
    [
        (NOW, None),
        (NOW + FUTURE, None),
        (NOW + FUTURE + MICROSECOND, Rejection.FUTURE_DATED),
        (NOW - AGE, None),
        (NOW - AGE - MICROSECOND, Rejection.TOO_OLD),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))), Rejection.FUTURE_DATED),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=14))), Rejection.TOO_OLD),
    ],
)
def test_both_limits_are_allowed_and_nothing_beyond_them(ts: datetime, expected: str | None) -> None:
    assert reason(ts) == expected


def test_a_replay_may_be_old_but_not_ahead_and_not_before_1970() -> None:
    assert reason(EARLIEST, replay=True) is None
    assert reason(EARLIEST - MICROSECOND, replay=True) == Rejection.TOO_OLD
    assert reason(NOW + FUTURE + MICROSECOND, replay=True) == Rejection.FUTURE_DATED


@given(st.datetimes(timezones=st.timezones()))
def test_the_zone_in_which_a_time_is_written_does_not_matter(ts: datetime) -> None:
    try:
        utc = ts.astimezone(UTC)
    except OverflowError:
        return
    assert reason(ts) == reason(utc)


def test_the_message_says_what_was_wrong() -> None:
    with pytest.raises(InvalidEvent, match=r"2026-11-20T13:00:00\+00:00 is more than 5 min ahead"):
        check(NOW + timedelta(hours=1), NOW, FUTURE, AGE, replay=False)
