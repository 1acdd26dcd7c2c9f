"""Slices that nobody had named."""

from __future__ import annotations

import streamlit as st

from dashboards import data, frame, parts
from dashboards.panels.requests import side_by_side
from dashboards.words import between, count, p_value, percent, plain, points, span
from monitor.domain.window import Window
from monitor.store.discoveries import StoredSlice

COLUMNS = ("slice", "accuracy", "interval", "elsewhere", "gap", "gap interval", "traffic", "labels", "adjusted p")


def discovered(window: Window, model: str | None) -> None:
    """What the last search of a model's labels found, and what wrong answers there look like."""
    if model is None:
        return
    st.subheader("Slices that nobody had named", anchor=False)
    last = data.drift.latest_discovery(model, window.end)
    if last is None:
        frame.empty(
            "Nobody has looked yet.",
            "`snellen schedule` searches daily once 200 drawn answers are labelled; `snellen discover` does it now.",
        )
        return
    told = (
        f"{count(last.labels)} labels of {span(last.window)}; {last.tried} slices were tried on labels that had no "
        f"part in finding them. All labels: {percent(last.accuracy.share)} ({between(last.accuracy.interval)})."
    )
    if not last.found:
        st.caption(plain(f"None is worse than the rest by 5 points or more. {told}"))
        return
    parts.table([_row(one) for one in last.found], COLUMNS)
    st.caption(plain(told))
    for number, one in enumerate(last.found):
        if shown := data.drift.discovery_examples(last.id, number):
            with st.expander(f"Wrong answers: {plain(one.name)}"):
                side_by_side(shown)


def _row(one: StoredSlice) -> dict[str, object]:
    return {
        "slice": one.name, "accuracy": percent(one.inside.share), "interval": between(one.inside.interval),
        "elsewhere": percent(one.outside.share), "gap": points(one.gap),
        "gap interval": f"{points(one.interval.lower).removesuffix(' pt')} to {points(one.interval.upper)}",
        "traffic": percent(one.traffic), "labels": one.inside.n, "adjusted p": p_value(one.adjusted_p),
    }  # fmt: skip
