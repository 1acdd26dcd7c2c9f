"""Requests of an incident, as people sent them."""

from __future__ import annotations

import streamlit as st

from dashboards import data, frame
from dashboards.panels.requests import side_by_side
from dashboards.words import span
from monitor.domain.window import Window
from monitor.slo.objective import Objective


def examples(objective: Objective, during: Window) -> None:
    st.subheader("Example requests", anchor=False)
    found = data.traffic.example_requests(objective.measure, during)
    if not found:
        frame.empty(
            "No bad request is stored for this time.", "Rows may have been dropped by retention, or none was bad."
        )
        return
    st.caption(f"Bad ones of {span(during)}, drawn at random, the same at every look.")
    side_by_side(found)
