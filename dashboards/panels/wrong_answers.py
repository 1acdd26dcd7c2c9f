"""From a slice's figure to why: what wrong answers there look like, and whether the model knew."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboards import data, frame
from dashboards.frame import View
from dashboards.panels.requests import side_by_side
from dashboards.traffic_choice import name
from dashboards.words import plain
from monitor.domain.slices import OTHER
from monitor.store.queries.slices import Dimension


def wrong_answers(view: View, dimensions: Sequence[Dimension], slices: Sequence[tuple[str, ...]]) -> None:
    """Of one of the slices, the first unless another is chosen."""
    known = [one for one in slices if OTHER not in one]
    if not known:
        return
    st.subheader("Wrong answers", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox("Slice", known, format_func=" & ".join, width=320)
        if len(dimensions) == 1:
            words, icon = f"Calibration of {plain(chosen[0])}", ":material/balance:"
            frame.link("calibration", words, icon, slice_by=name(dimensions[0]), slice=chosen[0])
    found = data.quality.wrong_answers(view.window, view.selection, dict(zip(dimensions, chosen, strict=True)))
    if not found:
        frame.empty("No wrong answer is stored.", "None was labelled so, or retention has taken the rows away.")
        return
    st.caption("Drawn at random from those that count, the same at every look.")
    side_by_side(found)
