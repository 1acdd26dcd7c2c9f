"""Event times that cannot be believed are refused with the limit that they break, as people say it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.domain.events import Rejection
from monitor.domain.timeliness import check
from monitor.errors import InvalidEvent

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AHEAD, AGE = timedelta(minutes=15), timedelta(days=30)


@pytest.mark.parametrize(
    ("ts", "reason", "said"),
    [
        (NOW + AHEAD + timedelta(seconds=1), Rejection.FUTURE_DATED, "more than 15 min ahead"),
        (NOW - AGE - timedelta(seconds=1), Rejection.TOO_OLD, "more than 30 d ago; replays may be older"),
        (datetime(1969, 12, 31, tzinfo=UTC), Rejection.TOO_OLD, "before 1970"),
    ],
)
def test_a_refusal_says_which_limit_it_breaks(ts: datetime, reason: Rejection, said: str) -> None:
    with pytest.raises(InvalidEvent, match=said) as refused:
        check(ts, NOW, AHEAD, AGE, replay=False)
    assert refused.value.reason is reason


@pytest.mark.parametrize("ts", [NOW + AHEAD, NOW, NOW - AGE])
def test_both_limits_are_allowed(ts: datetime) -> None:
    check(ts, NOW, AHEAD, AGE, replay=False)


def test_a_replay_may_be_of_any_age_but_not_of_the_future() -> None:
    check(NOW - 10 * AGE, NOW, AHEAD, AGE, replay=True)
    with pytest.raises(InvalidEvent, match="ahead"):
        check(NOW + 2 * AHEAD, NOW, AHEAD, AGE, replay=True)
