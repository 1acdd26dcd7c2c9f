"""What every page has: the title, the time range and the model it speaks of, and words for what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import streamlit as st

from dashboards import data
from dashboards.words import moment, span
from monitor.domain.window import DAY, HOUR, Window
from monitor.errors import SnellenError
from monitor.store.queries.buckets import step_for
from monitor.store.queries.selection import EVERYTHING, Selection

RANGES: Final = {"1 h": HOUR, "6 h": 6 * HOUR, "24 h": DAY, "7 d": 7 * DAY}
ALL: Final = "All"
CUSTOM: Final = "Custom"
DEFAULT_RANGE: Final = "7 d"
"""The window of the objectives that ship, and of the weekly review."""
ANY_MODEL: Final = "all models"
CHOSEN_MODEL: Final = "chosen_model"
REFRESH: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class View:
    """What a page is about."""

    window: Window
    selection: Selection
    live: bool
    """The range ends now, so the page refreshes itself."""

    @property
    def model(self) -> str | None:
        """None: all of them."""
        return self.selection.model

    @property
    def step(self) -> timedelta:
        """Bucket of the page's charts."""
        return step_for(self.window)


def everything(_: Window) -> Selection:
    return EVERYTHING


def one_model(window: Window) -> Selection:
    """On one database several may be served and replayed."""
    return Selection(model=choose_model(window))


def choose_model(window: Window) -> str | None:
    """The model with most requests of the window until another is chosen, None for all; where there is only one, nobody
    is asked.

    Unlike Streamlit's own binding, the address names it also as long as nobody has chosen: else a link would show
    another model once that has more requests.
    """
    names = sorted({one.model for one in data.traffic.served_models()})
    if len(names) <= 1:
        return names[0] if names else None
    requests = data.traffic.requests_by_model(window)
    options, most = [*names, ANY_MODEL], max(names, key=lambda name: requests.get(name, 0))
    asked = st.query_params.get("model") or st.session_state.get(CHOSEN_MODEL)
    choice = st.selectbox("Model", options, index=options.index(asked if asked in options else most), width=240)
    st.query_params["model"] = st.session_state[CHOSEN_MODEL] = choice
    return None if choice == ANY_MODEL else choice


def open_page(title: str, question: str, choose: Callable[[Window], Selection] = everything) -> View:
    """Draw the head of a page; its choices stand in the address, so that a link repeats them.

    Args:
        choose: draws selectors of a part of the traffic, which may depend on the time range.
    """
    st.title(title, anchor=False)
    st.caption(question)
    with st.container(horizontal=True, vertical_alignment="top", gap="small"):  # labels in one line
        window, live, custom = _choose_window()
        selection = choose(window)
    shown = f"Showing **{span(window)}** · read at {data.now():%H:%M:%S} UTC"
    if selection.source and not custom and (whole := data.quality.labelled_extent(selection).window()):
        window, live = whole, False
        shown = f"Showing **{span(window)}**: a replayed log is shown whole, unless you choose {CUSTOM}"
    st.caption(shown, width="stretch")
    st.session_state["read_at"] = data.now()
    if live:
        _refresh()
    return View(window, selection, live)


def _choose_window() -> tuple[Window, bool, bool]:
    """The window, whether it ends now, and whether it was typed in."""
    choice = st.segmented_control(
        "Time range (UTC)",
        [*RANGES, ALL, CUSTOM],
        default=DEFAULT_RANGE,
        required=True,
        key="range",
        bind="query-params",
    )
    now = data.now()
    if choice == CUSTOM:
        return _choose_custom(now), False, True
    if choice == ALL:
        known = data.traffic.predicted_extent().window() or Window.before(now, DAY)
        return Window(known.start, max(known.end, now)), True, False
    # Whole minutes: rollups know nothing finer. The running minute is left out, it would look like a slump.
    return Window.before(now.replace(second=0, microsecond=0), RANGES[choice]), True, False


def _choose_custom(now: datetime) -> Window:
    today = now.replace(minute=0, second=0, microsecond=0, tzinfo=None)
    first, last = datetime(1970, 1, 1), today + 365 * DAY  # noqa: DTZ001 (Streamlit's times are naive)
    start = st.datetime_input("From", today - DAY, first, last, key="from", bind="query-params", width=190)
    end = st.datetime_input("To (excluded)", today, first, last, key="to", bind="query-params", width=190)
    if end <= start:
        st.warning(f"The range ends ({end}) before it starts ({start}); showing one hour from its start.")
        end = start + HOUR
    return Window(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))


@st.fragment(run_every=REFRESH)
def _refresh() -> None:
    """Run the page again every minute; the first run of a fragment is that of the page itself."""
    if data.now() - st.session_state["read_at"] >= REFRESH / 2:
        st.rerun()


@contextmanager
def faults_explained() -> Iterator[None]:
    """Show an error of ours as what to do; anything else is a defect and stays visible as one."""
    try:
        yield
    except SnellenError as error:
        st.error("This page cannot be shown.", icon=":material/error:")
        st.code(str(error), language=None, wrap_lines=True)
        st.caption(
            "`snellen status` shows what runs; `snellen up` starts it; `snellen migrate` updates the schema. "
            "This page tries again every minute."
        )
        st.session_state["read_at"] = data.now()
        _refresh()


def link(page: str, label: str, icon: str | None = None, **address: str) -> None:
    """A way to another page, with the time range of this one. `label` is Markdown: escape what is foreign.

    Streamlit's own page link with an address is taken for history, and brings the range back to its default.
    """
    if st.button(label, type="tertiary", icon=icon, key=f"to {page} {label} {sorted(address.items())}"):
        st.switch_page(f"screens/{page}.py", query_params=address)


def empty(what: str, do: str) -> None:
    """An empty state: what is not there, and what to do about it. Grey: no data is neither good nor bad."""
    with st.container(border=True):
        st.markdown(f":material/hourglass_empty: **{what}**")
        st.caption(do)


def nothing_yet() -> bool:
    """Say so when no prediction has ever come; true when it was said."""
    if data.traffic.predicted_extent().last is not None:
        return False
    empty(
        "No prediction has arrived yet.",
        "Start the pipeline with `snellen up` and send events to the topic `snellen.predictions` "
        "(docs/events.md says how), replay a log with `snellen replay FILE --mapping MAP.yaml`, "
        "or look at the demo with `make demo`.",
    )
    return True


def elsewhere(first: datetime | None, last: datetime | None) -> str:
    """Where the data lie that this range does not hold; nothing when there are none at all."""
    if last is None:
        return ""
    return f"There are some from {moment(first)} to {moment(last)} UTC: choose **{ALL}**, or a range that holds them. "


def note(*missing: str) -> None:
    """What the figures above rest on and leave out; empty texts are skipped. Markdown: escape what is foreign."""
    if known := [one for one in missing if one]:
        st.caption("  \n".join(f":material/info: {one}" for one in known))
