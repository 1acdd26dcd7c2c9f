"""The router of the user interface: `streamlit run dashboards/app.py`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboards.frame import draw_head, faults_explained

HERE = Path(__file__).parent
# The icon comes first: Streamlit would fetch that of the page from another host.
st.set_page_config("Snellen", HERE / "icon.svg", "wide", initial_sidebar_state=210)
st.html(HERE / "style.css")
on_call = st.Page("screens/on_call.py", title="On-call", icon=":material/notifications_active:")
page = st.navigation(
    [
        st.Page("screens/overview.py", title="Overview", icon=":material/visibility:", default=True),
        on_call,
        st.Page("screens/drift.py", title="Drift", icon=":material/trending_up:"),
        st.Page("screens/calibration.py", title="Calibration", icon=":material/balance:"),
        st.Page("screens/slices.py", title="Slices", icon=":material/donut_small:"),
        st.Page("screens/canary.py", title="Canary", icon=":material/compare_arrows:"),
        st.Page("screens/labels.py", title="Labels", icon=":material/label:"),
        st.Page("screens/slos.py", title="SLOs and alerts", icon=":material/local_fire_department:"),
        st.Page("screens/ingest.py", title="Ingest health", icon=":material/input:"),
    ]
)
st.set_page_config(f"{page.title} · Snellen")
if page.title == "Overview" and "alert" in st.query_params:  # a message's link names an incident, not a page
    st.switch_page(on_call, query_params={"alert": st.query_params["alert"]})
with faults_explained():
    draw_head(page.title)
    page.run()
