"""Did the inputs move, which side of them, and since when?"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboards import data, frame, parts
from dashboards.charts import drift as charts
from dashboards.charts.axes import Events
from dashboards.charts.palette import VERDICTS
from dashboards.frame import View
from dashboards.words import NOTHING, count, lasting, moment, p_value, plain, span
from monitor.domain.results import DriftVerdict
from monitor.drift.persistence import LOOKS, NEEDED, persists
from monitor.store.queries.drift import Finding, Reference
from monitor.streams import STREAMS


def page() -> None:
    view = frame.open_page(
        "Drift", "Did the inputs move away from the reference, which side of them, and since when?", frame.one_model
    )
    if frame.nothing_yet():
        return
    references = data.references(view.model)
    if not references:
        frame.empty(
            "There is no reference to compare with yet.",
            "A provisional one is made by `snellen schedule` once enough embedded predictions have come "
            "(settings `drift.reference_rows` and `drift.reference_span`); vectors come with the events, or from "
            "`python -m collectors embed`.",
        )
        return
    found = data.findings(view.window, view.model)
    of_slices = data.findings(view.window, view.model, slices=True)
    if not found:
        frame.empty(
            "No comparison was made in this range.",
            "Drift is evaluated at full hours by `snellen schedule`; choose a longer range, or evaluate past times "
            "with `snellen evaluate --as-of TIME`.",
        )
    events = parts.events_of(view)
    st.caption(VERDICT_LEGEND)
    for model, name in dict.fromkeys((one.model, one.stream) for one in references):
        mine = [one for one in references if (one.model, one.stream) == (model, name)]
        stream(mine, _of(found, model, name), _of(of_slices, model, name), view, events)


VERDICT_LEGEND = " · ".join(f"{look.symbol} {look.words}" for look in VERDICTS.values()) + (
    ". The dashed line is the level below which an adjusted p-value is called drift; p-values are adjusted over all "
    "streams and slices of a tick (Benjamini-Hochberg)."
)


def _of(found: Sequence[Finding], model: str, name: str) -> list[Finding]:
    return [one for one in found if (one.model, one.stream) == (model, name)]


def stream(
    references: Sequence[Reference], found: Sequence[Finding], of_slices: Sequence[Finding], view: View, events: Events
) -> None:
    """One stream: its state, its course, its slices, its reference."""
    reference = references[0]
    st.subheader(f"{plain(reference.stream)} · {plain(reference.model)}", anchor=False)
    if reference.stream in STREAMS:
        st.caption(STREAMS[reference.stream].meaning)
    if found:
        latest(found[-1])
        st.caption(persistence(found))
        left, right = st.columns(2, gap="large")
        with left:
            parts.chart(charts.evidence(found, view.window, events))
        with right:
            parts.chart(charts.effect(found, view.window, events))
    if of_slices:
        parts.chart(
            charts.slice_strip(of_slices, view.window),
            "Slices, one cell per tick: red is drift, blue is none, the darker the stronger the evidence; grey marks: "
            "not enough data or reference.",
        )
    about(references)


def latest(one: Finding) -> None:
    """The newest comparison: verdict, effect, evidence, and what it could have seen."""
    verdict, effect, evidence, size, blind = st.columns(5)
    with verdict, st.container(border=True, height="stretch"):
        st.caption(f"{moment(one.tick)} UTC")
        parts.badge(VERDICTS[one.verdict])
        if one.reason:
            st.caption(plain(one.reason))
    with effect:
        shown = NOTHING if one.effect is None else f"{one.effect:.2f}"
        parts.figure(
            "Effect", shown, f"n = {count(one.n)}",
            "Chance that a row of the current window looks more like it than a row of the reference does: 0.5 is no "
            "difference, 1 is complete separation.",
        )  # fmt: skip
    with evidence:
        parts.figure("Adjusted p", p_value(one.adjusted_p), f"raw {p_value(one.p_value)}, by {one.detector or NOTHING}")
    with size:
        against = NOTHING if one.n_reference is None else count(one.n_reference)
        parts.figure("Rows compared", count(one.n), f"with {against}, {lasting(one.tick - one.window_start)}")
    with blind:
        parts.figure(
            "Smallest shift seen", _deviations(one.smallest_distance), f"measured {_deviations(one.distance)}",
            "Shift of the mean, in standard deviations of single rows, that this n would find in 8 cases of 10. "
            "A smaller one could be there and stay unseen.",
        )  # fmt: skip


def persistence(found: Sequence[Finding]) -> str:
    """One window may drift by chance; several in a row do not."""
    last = [one.verdict for one in found[-LOOKS:]]
    drifting = sum(verdict is DriftVerdict.DRIFT for verdict in last)
    words = "it persists" if persists(last) else "it does not persist"
    return f"Drift in {drifting} of the last {len(last)} ticks of this range: {words} ({NEEDED} are needed)."


def _deviations(distance: float | None) -> str:
    return NOTHING if distance is None else f"{distance:.2f} SD"


def about(references: Sequence[Reference]) -> None:
    """What the stream is compared with; former references stay visible, their results are not comparable."""
    rows = [
        {
            "reference": one.id,
            "kind": ("blessed" if one.blessed else "provisional") + ("" if one.active else ", former"),
            "window (UTC)": span(one.window), "rows": one.rows, "embedder": one.embedder,
            "made (UTC)": moment(one.created_at),
        }
        for one in references
    ]  # fmt: skip
    words = (
        "provisional: fitted on the first traffic, not chosen by anybody" if not references[0].blessed else "blessed"
    )
    with st.expander(f"Reference {references[0].id} ({words})"):
        parts.table(rows, ("reference", "kind", "window (UTC)", "rows", "embedder", "made (UTC)"))


page()
