"""Durations as OpenSLO writes them ("30d"), held as whole minutes, and said in words ("30 d")."""

from __future__ import annotations

import re
from datetime import timedelta

from monitor.domain.window import lasting

HOUR = 60
DAY = 24 * HOUR

_MINUTES = {"m": 1, "h": HOUR, "d": DAY, "w": 7 * DAY, "M": 30 * DAY, "Q": 90 * DAY, "Y": 365 * DAY}
_SHORTHAND = re.compile(r"([1-9][0-9]{0,5})([mhdwMQY])")


def minutes(shorthand: str) -> int:
    """Whole minutes of an OpenSLO duration shorthand; M, Q and Y are 30, 90 and 365 days, as in OpenSLO's own SDK.

    >>> minutes("90m"), minutes("4w"), minutes("1M")
    (90, 40320, 43200)

    Raises:
        ValueError: not a positive whole number followed by one of m h d w M Q Y.
    """
    match = _SHORTHAND.fullmatch(shorthand)
    if match is None:
        raise ValueError(f"{shorthand[:40]!r} is not a duration such as 5m, 6h, 30d or 4w")
    return int(match[1]) * _MINUTES[match[2]]


def words(duration: float) -> str:
    """Minutes for people, as `monitor.domain.window.lasting`.

    >>> words(5), words(60), words(90), words(4320), words(0.4), words(145.2)
    ('5 min', '1 h', '1 h 30 min', '3 d', '24 s', '2 h 25 min')
    """
    return lasting(timedelta(minutes=duration))
