"""Which slices carry an incident."""

from __future__ import annotations

import streamlit as st

from dashboards import data, frame, parts
from dashboards.charts import slices as charts
from dashboards.words import between, percent, plain, points, span
from monitor.domain.window import Window
from monitor.slo.objective import Objective
from monitor.store.queries.incidents import BROKEN_DOWN, SliceShift

SHOWN = 8


def carried(objective: Objective, during: Window, before: Window) -> None:
    st.subheader("Which slices carry it", anchor=False)
    if objective.measure.sli not in BROKEN_DOWN:
        frame.empty(
            f"{plain(objective.display_name)} is not broken down by slice: its events are no requests.",
            "Slices that drifted stand under *Which side moved*.",
        )
        return
    found = data.alerts.slice_shifts(objective.measure, during, before)
    st.caption(f"Incident: {span(during)}.  \nBefore: {span(before)}.")
    if not any(one.bad.now.n for one in found):
        frame.empty(
            f"No {objective.noun} in the incident's window.", "Labels may still come; requests are counted at once."
        )
        return
    noun = "labels" if objective.sampled else "requests"
    parts.chart(
        charts.shifts(found[: SHOWN + 1], noun),
        "Sorted by bad events beyond those that the rate before would have given.",
    )
    with st.expander(f"All {len(found)} slices"):
        parts.table(
            [shift_row(one) for one in found],
            ("slice", "value", "incident", "interval", "before", "change", "excess bad"),
        )


def shift_row(one: SliceShift) -> dict[str, object]:
    now, before = one.bad.now, one.bad.before
    return {
        "slice": one.dimension.name if one.dimension else "all traffic",
        "value": one.value,
        "incident": f"{percent(now.share)} ({now.count}/{now.n})",
        "interval": between(now.interval),
        "before": f"{percent(before.share)} ({before.count}/{before.n})",
        "change": points(one.bad.difference) + (" *" if one.bad.clear else ""),
        "excess bad": round(one.excess, 1),
    }
