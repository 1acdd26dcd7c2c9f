"""How a window is cut into the points of a chart."""

from __future__ import annotations

from datetime import timedelta

from monitor.domain.window import DAY, HOUR, MINUTE, Window

STEPS = (
    MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
    HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 7 * DAY, 28 * DAY,
)  # fmt: skip
MOST_POINTS = 200
"""Origin of all buckets, so that two charts of one range share them."""


def step_for(window: Window, most: int = MOST_POINTS) -> timedelta:
    """The shortest step that cuts the window into at most `most` buckets.

    >>> step_for(Window(EPOCH, EPOCH + 24 * HOUR))
    datetime.timedelta(seconds=600)
    """
    return next((step for step in STEPS if window.length <= most * step), 365 * DAY)
