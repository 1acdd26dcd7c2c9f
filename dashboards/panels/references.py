"""What drift is compared with, and choosing it: bless traffic, or go back to an earlier reference."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

import streamlit as st

from dashboards import data, parts
from dashboards.panels import who
from dashboards.words import moment, plain, span
from monitor.domain.window import Window
from monitor.errors import NotEnoughData, StoreUnavailable, UnreadableState
from monitor.store.queries.drift import Reference

_COLUMNS = ("reference", "stream", "kind", "window (UTC)", "rows", "embedder", "made (UTC)")
_DEFAULT_DAYS = 7


def references(found: Sequence[Reference], model: str | None) -> None:
    """All of the model's, and what can be done about them."""
    st.subheader("References", anchor=False)
    for one in changed_encoders(found):
        st.info(
            f"{plain(one.stream)}: new encoder {plain(one.embedder)} since {moment(one.window.start)} UTC, in place of "
            f"{plain(one.replaces or '')}. It is compared with a reference of its own; the change itself is no drift.",
            icon=":material/sync_alt:",
        )
    provisional = sorted({one.stream for one in found if one.active and not one.blessed})
    if provisional:
        st.caption(
            f"Provisional, fitted on the first traffic and chosen by nobody: {plain(', '.join(provisional))}. "
            "Bless a stretch of traffic that you know to be good."
        )
    former = st.toggle("Show former references")
    parts.table([_row(one) for one in found if one.active or one.gathering or former], _COLUMNS)
    if model is None:
        st.caption("Choose one model to bless its traffic.")
        return
    left, right = st.columns(2, gap="large")
    with left, st.expander("Bless traffic", icon=":material/verified:"):
        bless(model, sorted({one.stream for one in found}))
    with right, st.expander("Go back to an earlier reference", icon=":material/history:"):
        activate([one for one in found if not one.active and not one.gathering])


def changed_encoders(found: Sequence[Reference]) -> list[Reference]:
    """Active references that are the first after a change of encoder."""
    return [one for one in found if one.active and one.replaces is not None]


def bless(model: str, streams: Sequence[str]) -> None:
    with st.form("bless", border=False):
        today = data.now().date()
        days = st.date_input(
            "Whole days (UTC), the last one included",
            (today - timedelta(days=_DEFAULT_DAYS), today - timedelta(days=1)), max_value=today,
            help="From 3 days on the reference knows the hour of the day, from 2 weeks the hour of the week.",
        )  # fmt: skip
        chosen = st.multiselect("Streams", streams, placeholder="all")
        by = who.ask_in_form()
        if not st.form_submit_button("Bless", type="primary"):
            return
        if not by or len(days) != 2:
            st.warning("Say who blesses it, and give the first and the last day.")
            return
        first, last = (datetime.combine(day, time(), UTC) for day in days)
        try:
            with st.spinner("Fitting, and sketching what is retained"):
                made = data.drift.bless(model, Window(first, last + timedelta(days=1)), chosen, by)
        except (NotEnoughData, UnreadableState, StoreUnavailable) as error:
            st.warning(plain(str(error)))
            return
    for one in made:
        st.caption(f"{plain(one.stream)}: {'made' if one.reference else plain(one.reason)}")


def activate(former: Sequence[Reference]) -> None:
    if not former:
        st.caption("There is none.")
        return
    with st.form("activate", border=False):
        names = {one.id: f"{one.id}: {one.stream}, {span(one.window)}" for one in former}
        chosen = st.selectbox("Reference", list(names), format_func=lambda one: names[one])
        by = who.ask_in_form()
        if not st.form_submit_button("Activate", type="primary"):
            return
        if not by:
            st.warning("Say who does it.")
            return
        try:
            with st.spinner("Sketching what is retained"):
                data.drift.activate_reference(chosen, by)
        except (UnreadableState, StoreUnavailable) as error:
            st.warning(plain(str(error)))
            return
        st.rerun()


def _row(one: Reference) -> dict[str, object]:
    return {
        "reference": one.id, "stream": one.stream,
        "kind": one.kind,
        "window (UTC)": span(one.window), "rows": one.rows, "embedder": one.embedder,
        "made (UTC)": moment(one.created_at),
    }  # fmt: skip
