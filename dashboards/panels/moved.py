"""Which side moved: image, prompt, or how the two go together."""

from __future__ import annotations

from collections.abc import Sequence, Set

import streamlit as st

from dashboards import data, frame, parts
from dashboards.charts import drift as charts
from dashboards.charts.axes import Events
from dashboards.charts.palette import VERDICTS
from dashboards.words import NOTHING, around, moment, p_value, plain
from monitor.domain.results import DriftVerdict
from monitor.domain.slices import ALL_TRAFFIC, Slice
from monitor.domain.window import DAY, HOUR, Window
from monitor.slo.objective import Objective
from monitor.store.queries.drift import Finding

COLUMNS = ("stream", "during", "since (UTC)", "before", "effect", "adjusted p", "n")
MOST_VALUES = 4
"""Of a dimension that are named."""
MOST_CHARTS = 3
"""Where nothing drifted."""


def moved(objective: Objective | None, during: Window) -> None:
    st.subheader("Which side moved", anchor=False)
    model = objective.measure.selector.model if objective else None
    found = data.drift.findings_overlapping(during, model)
    whole = [one for one in found if one.slice == ALL_TRAFFIC]
    if not whole:
        frame.empty("No drift result overlaps this time.", "Drift is evaluated at full hours by `snellen schedule`.")
        return
    earlier = {one.stream: one for one in data.drift.latest_findings(during.start, model)}
    loud = {one.stream for one in found if one.verdict == DriftVerdict.DRIFT}
    streams = sorted({one.stream for one in found}, key=lambda name: (name not in loud, name))
    rows = [stream_row(stream, whole, earlier.get(stream)) for stream in streams]
    parts.table(rows, COLUMNS)
    for stream in streams:
        mine = [one for one in found if one.stream == stream]
        drifted = {one.slice for one in mine if one.verdict == DriftVerdict.DRIFT}
        if words := drifted_in_words(drifted, {one.slice for one in mine}):
            st.caption(f"**{plain(stream)}** drifted in: {plain(words)}")
    with st.expander("Evidence over time"):
        context = Window(during.start - DAY, during.end + HOUR)
        for stream in [name for name in streams if name in loud] or streams[:MOST_CHARTS]:
            shown = [one for one in data.drift.findings(context, model) if one.stream == stream]
            st.caption(f"**{plain(stream)}**")
            parts.chart(charts.evidence(shown, context, Events()))


def drifted_in_words(drifted: Set[Slice], compared: Set[Slice]) -> str:
    """Where a stream drifted, dimension by dimension, the narrowest first; one that has one value says nothing new.

    >>> a, b, c = (Slice("device", value) for value in "abc")
    >>> drifted_in_words({a}, {a, b, c}), drifted_in_words({a, b, c}, {a, b, c, ALL_TRAFFIC})
    ('device = a', 'every device (3)')
    """
    told = []
    for dimension in sorted({one.dimension for one in drifted - {ALL_TRAFFIC}}):
        among = sum(one.dimension == dimension for one in compared)
        values = sorted(one.value for one in drifted if one.dimension == dimension)
        if among == 1 and ALL_TRAFFIC in drifted:
            continue
        if 1 < among == len(values):
            told.append((1.0, f"every {dimension} ({among})"))
            continue
        more = f" and {len(values) - MOST_VALUES} more" if len(values) > MOST_VALUES else ""
        told.append((len(values) / among, f"{dimension} = {', '.join(values[:MOST_VALUES])}{more}"))
    return "; ".join(words for _, words in sorted(told))


def stream_row(stream: str, whole: Sequence[Finding], earlier: Finding | None) -> dict[str, object]:
    mine = [one for one in whole if one.stream == stream]
    drifting = [one for one in mine if one.verdict == DriftVerdict.DRIFT]
    worst = min(mine, key=lambda one: 1.0 if one.adjusted_p is None else one.adjusted_p)
    look = VERDICTS[worst.verdict]
    return {
        "stream": stream,
        "before": f"{VERDICTS[earlier.verdict].symbol} {VERDICTS[earlier.verdict].words}" if earlier else NOTHING,
        "during": f"{look.symbol} {look.words}",
        "effect": around(worst.effect, worst.effect_interval),
        "adjusted p": p_value(worst.adjusted_p),
        "n": worst.n,
        "since (UTC)": moment(drifting[0].tick) if drifting else NOTHING,
    }
