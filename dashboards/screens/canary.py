"""Is the canary better or worse than what is stable, and how long until we know?"""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboards import data, frame, parts
from dashboards.charts.canary import difference
from dashboards.charts.palette import GREEN, GREY, ORANGE, VERMILLION, Look
from dashboards.frame import View
from dashboards.words import (
    NOTHING,
    briefly,
    count,
    ends_in_points,
    milliseconds,
    moment,
    percent,
    plain,
    points,
)
from monitor.domain.window import MINUTE, Window, lasting
from monitor.services.compare_canary import MEASURES, CanaryReport, Judged, Verdict
from monitor.store.queries.canary import Rollout

LOOKS: Final = {
    Verdict.WORSE: Look("worse", "▲", ":material/thumb_down:", "red", VERMILLION),
    Verdict.BETTER: Look("better", "●", ":material/thumb_up:", "green", GREEN),
    Verdict.EQUIVALENT: Look("equivalent", "●", ":material/drag_handle:", "blue", GREY),
    Verdict.CHANGED: Look("changed", "◆", ":material/change_history:", "orange", ORANGE),
    Verdict.UNDECIDED: Look("cannot tell yet", "◐", ":material/pending:", "orange", ORANGE),
}
TITLES: Final = {
    "accuracy": "Accuracy", "calibration": "Calibration (gap's distance from 0)", "errors": "Errors and timeouts",
    "latency": "Slow answers",
}  # fmt: skip


def page() -> None:
    view = frame.open_page(
        "Is the canary better or worse than the stable version? Look as often as you like.", frame.one_model
    )
    if frame.nothing_yet():
        return
    known = data.traffic.canary_rollouts(view.window.end, view.model)
    if not known:
        frame.empty(
            "No canary was rolled out before the end of this range.",
            'Send a `deployment/v1` event with `"variant": "canary"` and `"action": "rollout"` to '
            "`snellen.deployments`; predictions of it carry `model.variant` = `canary`.",
        )
        return
    rollout = choose(known)
    report = data.traffic.canary_report(rollout, view.window.end)
    head(report)
    for column, one in zip(st.columns(len(MEASURES)), report.measures, strict=True):
        with column:
            measure(one)
    charts(report, view)
    table(report)
    notes(report)


def choose(known: list[Rollout]) -> Rollout:
    """The newest, unless another is chosen."""
    names = {f"{briefly(one.model)} {one.version} · {moment(one.start)} UTC": one for one in known}
    return names[st.selectbox("Canary", list(names), key="rollout", bind="query-params", width=560)]


def head(report: CanaryReport) -> None:
    rollout = report.rollout
    served = rollout.window(report.as_of)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        parts.badge(LOOKS[report.verdict])
        st.markdown(
            f"**{plain(rollout.model)} {plain(rollout.version)}**, served for {lasting(served.length)}"
            + (f", rolled back {moment(rollout.end)} UTC" if rollout.end and report.over else "")
        )


def measure(one: Judged) -> None:
    found = one.comparison
    with st.container(border=True, height="stretch", gap="xxsmall"):
        st.metric(TITLES[one.measure], points(found.estimate) if found else NOTHING)
        parts.badge(LOOKS[one.verdict])
        if found:
            st.caption(plain(f"{_interval(one)} · n = {count(one.stable.n)} stable, {count(one.canary.n)} canary"))
        st.caption(plain(one.reason))


def charts(report: CanaryReport, view: View) -> None:
    served = report.rollout.window(view.window.end)
    if served.length < MINUTE:
        return
    for pair in (report.measures[:2], report.measures[2:]):
        for column, one in zip(st.columns(2, gap="large"), pair, strict=True):
            with column:
                if one.at:
                    st.subheader(TITLES[one.measure], anchor=False)
                    window = Window(served.start, max(served.end, one.at[-1] + MINUTE))
                    parts.chart(difference(one, window, _margin(report, one)))


def table(report: CanaryReport) -> None:
    rows = [
        {
            "measure": TITLES[one.measure], "stable": percent(one.stable.mean, 2), "n stable": one.stable.n,
            "canary": percent(one.canary.mean, 2), "n canary": one.canary.n,
            "difference": points(one.comparison.estimate) if one.comparison else "",
            "interval": _interval(one), "verdict": parts.in_words(LOOKS[one.verdict]),
            "why": one.reason,
        }
        for one in report.measures
    ]  # fmt: skip
    columns = ("measure", "stable", "n stable", "canary", "n canary", "difference", "interval", "verdict", "why")
    parts.table(rows, columns)


def notes(report: CanaryReport) -> None:
    options = report.options
    frame.note(
        f"The chance that any of these verdicts is ever false is at most {percent(options.alpha, 0)}, however often "
        "the page is read: each interval holds at all times at once, at "
        f"{percent(1 - options.alpha / len(MEASURES), 2)}.",
        f"Equivalent: the whole interval is within the shaded margin, {100 * options.label_margin:g} pt for accuracy "
        f"and calibration, {100 * options.request_margin:g} pt for requests.",
        "Changed: no difference fits the whole time, and nothing is known of the present one. Roll out anew to judge "
        "from the change on."
        if any(one.verdict == Verdict.CHANGED for one in report.measures)
        else "",
        f"Slow: above {milliseconds(report.slow_ms)}, the histogram's bound at the 95th percentile of stable answers "
        "in the day before the rollout."
        if report.slow_ms is not None
        else "",
        "Only labels of the sampler's base sample count: drawn with one probability, whatever the answer.",
    )


def _margin(report: CanaryReport, one: Judged) -> float:
    of_labels = one.measure in ("accuracy", "calibration")
    return report.options.label_margin if of_labels else report.options.request_margin


def _interval(one: Judged) -> str:
    return ends_in_points(one.comparison.interval if one.comparison else None)


page()
