"""Does the confidence mean what it says?"""

from __future__ import annotations

import streamlit as st

from dashboards import data, frame, parts
from dashboards.charts.reliability import answers_per_bin, reliability
from dashboards.frame import View
from dashboards.traffic_choice import choose_slice, choose_traffic
from dashboards.words import between, count, percent, points, span
from monitor.stats.calibration import MIN_ROWS, Calibration
from monitor.stats.intervals import Interval
from monitor.store.queries.selection import Selection
from monitor.store.queries.slices import Dimension

NOW, BEFORE = "this range", "range before"


def page() -> None:
    question = "Does a confidence of 80% mean that 80% of such answers are right?"
    view = frame.open_page("Calibration", question, choose_traffic)
    if frame.nothing_yet():
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        dimension, value = choose_slice(view.window, view.selection)
    shown(view, view.selection, dimension, value)


def shown(view: View, selection: Selection, dimension: Dimension | None, value: str | None) -> None:
    found = data.calibration_of(view.window, selection, dimension, value)
    earlier = data.calibration_of(view.window.previous(), selection, dimension, value)
    now, before = found.calibration, earlier.calibration
    if now is None:
        too_few(selection, found)
        return
    if found.without_confidence:
        everything = found.used + found.without_confidence
        frame.note(f"Confidence missing for {count(found.without_confidence)} of {count(everything)} labelled answers.")
    figures(now, before, found.brier_interval)
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
        f"{BEFORE.capitalize()}: {span(view.window.previous())}, n = {count(earlier.used)}"
        + (f", fewer than the {MIN_ROWS} that a comparison needs." if before is None else "."),
    )


def too_few(selection: Selection, found: data.Calibrated) -> None:
    """Nothing to show, and why."""
    if found.without_confidence and not found.used:
        frame.empty(
            "Confidence is missing for 100% of the labelled answers in this range.",
            "Log `output.confidence` (0 to 1) with every prediction; accuracy is on the Slices page.",
        )
        return
    extent = data.labelled_extent(selection)
    frame.empty(
        f"{count(found.used)} labelled answers with a confidence in this range; {MIN_ROWS} are the least to judge by.",
        ("" if found.used else frame.elsewhere(extent.first, extent.last))
        + "A longer range or a larger slice holds more; labels come by `label/v1` events.",
    )


def figures(now: Calibration, before: Calibration | None, brier_interval: Interval | None) -> None:
    gap, ece, brier, judged = st.columns(4)
    with gap:
        change = _against(now.gap, before.gap if before else None)
        parts.figure(
            "Signed gap", points(now.gap), f"{_interval(now.gap_interval)} pt{change}",
            "Mean confidence less accuracy, in percentage points: above 0 the model is over-confident. 95% interval.",
        )  # fmt: skip
    with ece:
        change = _against(now.ece, before.ece if before else None)
        parts.figure(
            "ECE", f"{100 * now.ece:.1f} pt", f"{_interval(now.ece_interval)} pt{change}",
            "Expected calibration error, 15 equal bins. Chance alone makes it positive; the 95% interval takes that "
            "back and begins at 0 whenever chance explains it.",
        )  # fmt: skip
    with brier:
        known = "" if brier_interval is None else f"{brier_interval.lower:.3f} to {brier_interval.upper:.3f}"
        parts.figure(
            "Brier score", f"{now.brier:.3f}", known + (f" · {BEFORE} {before.brier:.3f}" if before else ""),
            "Mean squared distance of confidence from outcome, 0 to 1: lower is better. 95% interval.",
        )  # fmt: skip
    with judged:
        parts.figure("Answers judged", count(now.n), "labelled, with a confidence")


def _against(now: float, before: float | None) -> str:
    return "" if before is None else f" · {BEFORE} {100 * before:.1f} ({points(now - before)})".replace("-", "−")


def _interval(interval: Interval) -> str:
    return f"{100 * interval.lower:.1f} to {100 * interval.upper:.1f}".replace("-", "−")


def table(now: Calibration) -> None:
    rows = [
        {
            "confidence": f"{one.lower:.0%} to {one.upper:.0%}", "answers": one.n,
            "mean confidence": percent(one.confidence), "accuracy": percent(one.accuracy),
            "95% interval": between(one.interval),
        }
        for one in now.bins
        if one.n
    ]  # fmt: skip
    parts.table(rows, ("confidence", "answers", "mean confidence", "accuracy", "95% interval"))


page()
