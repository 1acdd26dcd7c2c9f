"""Does the confidence mean what it says?"""

from __future__ import annotations

import streamlit as st

from dashboards import data, frame, parts
from dashboards.charts.reliability import answers_per_bin, reliability
from dashboards.frame import View
from dashboards.traffic_choice import choose_slice, choose_traffic
from dashboards.words import NOTHING, count, percent, points, span
from monitor.stats.calibration import MIN_ROWS, Calibration
from monitor.stats.intervals import Interval
from monitor.store.queries.selection import Selection
from monitor.store.queries.slices import Dimension

NOW, BEFORE = "this range", "range before"


def page() -> None:
    view = frame.open_page(
        "Calibration", "Does a confidence of 80% mean that 80% of such answers are right?", with_model=False,
    )  # fmt: skip
    if frame.nothing_yet():
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        selection = choose_traffic()
        dimension, value = choose_slice(view.window, selection)
    shown(view, selection, dimension, value)


def shown(view: View, selection: Selection, dimension: Dimension | None, value: str | None) -> None:
    now, used, without = data.calibration_of(view.window, selection, dimension, value)
    before, used_before, _ = data.calibration_of(view.window.previous(), selection, dimension, value)
    if now is None:
        too_few(view, selection, used, without)
        return
    if without:
        frame.note(f"Confidence missing for {count(without)} of {count(used + without)} labelled answers.")
    figures(now, before)
    left, right = st.columns([3, 2], gap="large")
    with left:
        series = {NOW: now} if before is None else {NOW: now, BEFORE: before}
        parts.chart(reliability(series))
        parts.chart(
            answers_per_bin(series),
            "On the dashed line confidence and accuracy agree; dots below it are over-confident. Bars are 95% Wilson "
            "intervals.",
        )
    with right:
        table(now)
    frame.note(
        f"{NOW.capitalize()}: {span(view.window)}, n = {count(now.n)}.",
        f"{BEFORE.capitalize()}: {span(view.window.previous())}, n = {count(used_before)}"
        + (f", fewer than the {MIN_ROWS} that a comparison needs." if before is None else "."),
    )


def too_few(view: View, selection: Selection, used: int, without: int) -> None:
    """Nothing to show, and why."""
    if without and not used:
        frame.empty(
            "Confidence is missing for 100% of the labelled answers in this range.",
            "Log `output.confidence` (0 to 1) with every prediction; accuracy is on the Slices page.",
        )
        return
    extent = data.labelled_extent(selection)
    frame.empty(
        f"{count(used)} labelled answers with a confidence in this range; {MIN_ROWS} are the least that can be judged.",
        ("" if used else frame.elsewhere(extent.first, extent.last))
        + "A longer range or a larger slice holds more; labels come by `label/v1` events.",
    )


def figures(now: Calibration, before: Calibration | None) -> None:
    gap, ece, brier, confident = st.columns(4)
    with gap:
        parts.figure(
            "Signed gap", points(now.gap), _interval(now.gap_interval, " pt"),
            "Mean confidence less accuracy, in percentage points: above 0 the model is over-confident. 95% interval.",
        )  # fmt: skip
        _change(now.gap, before.gap if before else None)
    with ece:
        parts.figure(
            "ECE", f"{100 * now.ece:.1f} pt", _interval(now.ece_interval, " pt"),
            "Expected calibration error, 15 equal bins. Chance alone makes it positive; the 95% interval takes that "
            "back and begins at 0 whenever chance explains it.",
        )  # fmt: skip
        _change(now.ece, before.ece if before else None)
    with brier:
        parts.figure("Brier score", f"{now.brier:.3f}", f"n = {count(now.n)}",
                     "Mean squared distance of confidence from outcome, 0 to 1: lower is better.")  # fmt: skip
        if before:
            st.caption(f"{BEFORE}: {before.brier:.3f}")
    with confident:
        parts.figure("Answers judged", count(now.n), "labelled, with a confidence")


def _interval(interval: Interval, unit: str) -> str:
    return f"{100 * interval.lower:.1f} to {100 * interval.upper:.1f}{unit}".replace("-", "−")


def _change(now: float, before: float | None) -> None:
    if before is not None:
        st.caption(f"{BEFORE}: {100 * before:.1f} pt ({points(now - before)})".replace("-", "−"))


def table(now: Calibration) -> None:
    rows = [
        {
            "confidence": f"{one.lower:.0%} to {one.upper:.0%}", "answers": one.n,
            "mean confidence": percent(one.confidence), "accuracy": percent(one.accuracy),
            "95% interval": NOTHING if one.interval is None else _interval(one.interval, "%"),
        }
        for one in now.bins
        if one.n
    ]  # fmt: skip
    parts.table(rows, ("confidence", "answers", "mean confidence", "accuracy", "95% interval"))


page()
