"""The stretch of time that pages speak of, chosen once for all of them and kept in the address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import streamlit as st

from dashboards import data
from monitor.domain.window import DAY, HOUR, Window

RANGES: Final = {"1 h": HOUR, "6 h": 6 * HOUR, "24 h": DAY, "7 d": 7 * DAY}
ALL: Final = "All"
CUSTOM: Final = "Custom"
DEFAULT: Final = "7 d"
"""The window of the objectives that ship, and of the weekly review."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """What was chosen."""

    window: Window
    live: bool
    """It ends now, so its pages refresh themselves."""
    typed: bool = False


def choose() -> TimeRange:
    """Draw the selector; to be called by the router.

    What is drawn there keeps its place in the address from page to page, so that one step back leads to the page before
    with its range. Of what a page draws, Streamlit first drops the address and then restores it: a step more each time.
    """
    choice = st.segmented_control(
        "Time range (UTC)", [*RANGES, ALL, CUSTOM], default=DEFAULT, required=True, key="range", bind="query-params"
    )
    now = data.now()
    if choice == CUSTOM:
        return TimeRange(_choose_custom(now), live=False, typed=True)
    if choice == ALL:
        known = data.traffic.predicted_extent().window() or Window.before(now, DAY)
        return TimeRange(Window(known.start, max(known.end, now)), live=True)
    # Whole minutes: rollups know nothing finer. The running minute is left out, it would look like a slump.
    return TimeRange(Window.before(now.replace(second=0, microsecond=0), RANGES[choice]), live=True)


def _choose_custom(now: datetime) -> Window:
    today = now.replace(minute=0, second=0, microsecond=0, tzinfo=None)
    first, last = datetime(1970, 1, 1), today + 365 * DAY  # noqa: DTZ001 (Streamlit's times are naive)
    start = st.datetime_input("From", today - DAY, first, last, key="from", bind="query-params", width=190)
    end = st.datetime_input("To (excluded)", today, first, last, key="to", bind="query-params", width=190)
    if end <= start:
        st.warning(f"The range ends ({end}) before it starts ({start}); showing one hour from its start.")
        end = start + HOUR
    return Window(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))
