"""What every page has: the title, the time range and the model it speaks of, and words for what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboards import data, time_range
from dashboards.time_range import TimeRange
from dashboards.words import moment, span
from monitor.domain.window import Window
from monitor.errors import SnellenError, StoreUnavailable
from monitor.store.queries.buckets import step_for
from monitor.store.queries.selection import EVERYTHING, Selection

ANY_MODEL: Final = "all models"
CHOSEN_MODEL: Final = "chosen_model"
REFRESH: Final = timedelta(seconds=60)
PULSE: Final = timedelta(seconds=5)
"""How often an open page asks whether the store answers."""
FAULT: Final = ":material/error:"


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


@dataclass(frozen=True, slots=True)
class Head:
    """What the router draws above a page, with room for what the page adds."""

    question: DeltaGenerator
    choices: DeltaGenerator
    chosen: TimeRange


def draw_head(title: str) -> None:
    """Draw what all pages begin with, and choose the time range; to be called by the router."""
    st.title(title, anchor=False)
    question = st.container()
    choices = st.container(horizontal=True, vertical_alignment="top", gap="small")  # labels in one line
    with choices:
        st.session_state["head"] = Head(question, choices, time_range.choose())


def open_page(question: str, choose: Callable[[Window], Selection] = everything) -> View:
    """Complete the head of a page; its choices stand in the address, so that a link repeats them.

    Args:
        choose: draws selectors of a part of the traffic, which may depend on the time range.
    """
    head: Head = st.session_state["head"]
    window, live = head.chosen.window, head.chosen.live
    head.question.caption(question)
    with head.choices:
        selection = choose(window)
    shown = f"Showing **{span(window)}** · read at {data.now():%H:%M:%S} UTC"
    if selection.source and not head.chosen.typed and (whole := data.quality.labelled_extent(selection).window()):
        window, live = whole, False
        shown = f"Showing **{span(window)}**: a replayed log is shown whole, unless you choose {time_range.CUSTOM}"
    st.caption(shown, width="stretch")
    st.session_state["read_at"] = data.now()
    _watch(live)
    return View(window, selection, live)


@st.fragment(run_every=PULSE)
def _watch(live: bool) -> None:
    """Run a page that is live again every minute, and say so as soon as its store does not answer.

    The first run of a fragment is that of the page itself.
    """
    if st.session_state["faulty"]:  # what failed below speaks for itself
        return
    silence, read_at = data.silence(), st.session_state["read_at"]
    if silence is not None:
        st.error(f"**The figures below are those of {read_at:%H:%M:%S} UTC: the store does not answer.**", icon=FAULT)
        _what_to_do(silence)
    elif live and data.now() - read_at >= REFRESH:
        st.rerun()


@contextmanager
def faults_explained() -> Iterator[None]:
    """Show an error of ours as what to do; anything else is a defect and stays visible as one."""
    st.session_state["faulty"] = False
    try:
        yield
    except SnellenError as error:
        st.session_state["faulty"] = True
        st.error("This page cannot be shown.", icon=FAULT)
        st.session_state["read_at"] = data.now()
        _try_again(str(error), was_silent=isinstance(error, StoreUnavailable))


@st.fragment(run_every=PULSE)
def _try_again(fault: str, *, was_silent: bool) -> None:
    """Run a page that failed again: as soon as the store answers where it did not, else every minute."""
    silence = data.silence() if was_silent else None
    _what_to_do(silence or fault)
    first_run = data.now() - st.session_state["read_at"] < PULSE
    if silence is None and not first_run and (was_silent or data.now() - st.session_state["read_at"] >= REFRESH):
        st.rerun()


def _what_to_do(fault: str) -> None:
    st.code(fault, language=None, wrap_lines=True)
    st.caption(
        "`snellen status` shows what runs; `snellen up` starts it; `snellen migrate` updates the schema. "
        "docs/runbook.md has the rest. This page tries again by itself."
    )


def link(page: str, label: str, icon: str | None = None, **address: str) -> None:
    """A way to another page, with the time range of this one. `label` is Markdown: escape what is foreign."""
    st.page_link(f"screens/{page}.py", label=label, icon=icon, query_params=address)


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
    there = f"There are some from {moment(first)} to {moment(last)} UTC"
    return f"{there}: choose **{time_range.ALL}**, or a range that holds them. "


def note(*missing: str) -> None:
    """What the figures above rest on and leave out; empty texts are skipped. Markdown: escape what is foreign."""
    if known := [one for one in missing if one]:
        st.caption("  \n".join(f":material/info: {one}" for one in known))
