"""Slices that nobody had named."""

from __future__ import annotations

import streamlit as st

from dashboards import data, frame, parts
from dashboards.panels.requests import side_by_side
from dashboards.words import between, count, ends_in_points, p_value, percent, plain, points, span
from monitor.domain.window import Window
from monitor.store.discoveries import StoredSlice

COLUMNS = ("slice", "accuracy", "interval", "elsewhere", "gap", "gap interval", "traffic", "labels", "adjusted p")
OVERLOOKED = (
    "That does not say that there is none: of slices of 5% of the traffic that are 30 points worse, 300 labels confirm "
    "hardly any, 1,000 three of four, 2,000 nearly all; of smaller gaps fewer (docs/explanation.md)."
)
EXAGGERATED = "Small gaps are shown only where they came out large: read the interval, not the gap alone."


def discovered(window: Window, model: str | None) -> None:
    """What the last search of a model's labels found, and what wrong answers there look like."""
    st.subheader("Slices that nobody had named", anchor=False)
    if model is None:
        frame.note("Each model's labels are searched apart: choose one above.")
        return
    last = data.drift.latest_discovery(model, window.end)
    if last is None:
        frame.empty(
            "Nobody has looked yet.",
            "`snellen schedule` searches at the midnight after 200 drawn answers are labelled, and again when they "
            "have doubled or a quarter of `explain.discovery_span` is new; `snellen discover` does it now.",
        )
        return
    told = (
        f"{count(last.labels)} labels of {span(last.window)}; {last.tried} slices were tried on labels that had no "
        f"part in finding them. All labels: {percent(last.accuracy.share)} ({between(last.accuracy.interval)})."
    )
    if not last.found:
        st.caption(plain(f"None was confirmed. {OVERLOOKED} {told}"))
        return
    parts.table([_row(one) for one in last.found], COLUMNS)
    st.caption(plain(f"{EXAGGERATED} {told}"))
    for number, one in enumerate(last.found):
        if shown := data.drift.discovery_examples(last.id, number):
            with st.expander(f"Wrong answers: {plain(one.name)}"):
                side_by_side(shown)


def _row(one: StoredSlice) -> dict[str, object]:
    return {
        "slice": one.name, "accuracy": percent(one.inside.share), "interval": between(one.inside.interval),
        "elsewhere": percent(one.outside.share), "gap": points(one.gap),
        "gap interval": ends_in_points(one.interval),
        "traffic": percent(one.traffic), "labels": one.inside.n, "adjusted p": p_value(one.adjusted_p),
    }  # fmt: skip
