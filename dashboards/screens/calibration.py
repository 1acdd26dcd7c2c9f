"""Does the confidence mean what it says?"""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboards import data, frame, parts
from dashboards.charts.reliability import answers_per_bin, reliability
from dashboards.frame import View
from dashboards.panels.repair import repair
from dashboards.traffic_choice import choose_slice, choose_traffic, name
from dashboards.words import between, count, percent, plain, points, span
from monitor.domain.window import Window
from monitor.stats.calibration import MIN_ROWS, Calibration, Difference, Measured
from monitor.store.queries.slices import Dimension

NOW: Final = "this range"
BEFORE, REFERENCE = "range before", "drift reference"
MOST_SLICES: Final = 12
"""Of a table of slices: those with most labels."""

IN_POINTS: Final = {
    "gap": "Signed gap", "ece": "ECE, equal width", "ece_debiased": "ECE, debiased",
    "ece_equal_mass": "ECE, equal mass", "ece_smooth": "Smooth ECE", "root_mean_square": "Root mean square error",
    "maximum": "Maximum error, equal width", "maximum_equal_mass": "Maximum error, equal mass",
    "overconfidence": "Over-confidence error",
}  # fmt: skip
AS_SCORES: Final = {
    "brier": "Brier score", "reliability": "Brier: reliability", "resolution": "Brier: resolution (more is better)",
    "uncertainty": "Brier: uncertainty", "log_loss": "Log loss",
}  # fmt: skip


def page() -> None:
    question = "Does a confidence of 80% mean that 80% of such answers are right?"
    view = frame.open_page(question, choose_traffic)
    if frame.nothing_yet():
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        dimension, value = choose_slice(view.window, view.selection)
        against, other = choose_reference(view)
    shown(view, dimension, value, against, other)


def choose_reference(view: View) -> tuple[str, Window]:
    """What to compare with: the range just before, or the window of the model's active drift reference."""
    active = [one for one in data.drift.references(view.model) if one.active]
    if len({one.model for one in active}) != 1:
        return BEFORE, view.window.previous()
    chosen = st.selectbox("Compare with", [BEFORE, REFERENCE], key="against", bind="query-params", width=170)
    return (BEFORE, view.window.previous()) if chosen == BEFORE else (REFERENCE, active[0].window)


def shown(view: View, dimension: Dimension | None, value: str | None, against: str, other: Window) -> None:
    selection = view.selection
    found = data.quality.calibration_of(view.window, selection, dimension, value)
    earlier = data.quality.calibration_of(other, selection, dimension, value)
    now, before = found.calibration, earlier.calibration
    if now is None:
        too_few(view, found)
        return
    if found.without_confidence:
        everything = found.used + found.without_confidence
        frame.note(f"Confidence missing for {count(found.without_confidence)} of {count(everything)} labelled answers.")
    changes = now.against(before) if before else {}
    figures(now, changes)
    left, right = st.columns([3, 2], gap="large")
    with left:
        series = {NOW: now} if before is None else {NOW: now, against: before}
        parts.chart(reliability(series))
        parts.chart(
            answers_per_bin(series),
            "On the dashed line confidence and accuracy agree; dots below it are over-confident. Bars are 95% Wilson "
            "intervals.",
        )
    with right:
        repair(data.quality.repairs_of(view.window, selection, dimension, value))
        table(now)
    measures(now, changes, against)
    slices(view)
    frame.note(
        parts.maturity_note(data.quality.labels_of(view.window, data.now(), selection).maturity),
        f"{NOW.capitalize()}: {span(view.window)}, n = {count(now.n)}.",
        f"{against.capitalize()}: {span(other)}, n = {count(earlier.used)}"
        + (f", fewer than the {MIN_ROWS} that a comparison needs." if before is None else "."),
        f"Answers were drawn for labelling with different probabilities and weigh 1 / probability: as sure as "
        f"{now.effective_n:,.0f} drawn alike."
        if now.effective_n < 0.999 * now.n
        else "",
    )


def too_few(view: View, found: data.quality.Calibrated) -> None:
    """Nothing to show, and why."""
    if found.without_confidence and not found.used:
        frame.empty(
            "Confidence is missing for 100% of the labelled answers in this range.",
            "Log `output.confidence` (0 to 1) with every prediction; accuracy is on the Slices page.",
        )
        return
    extent = data.quality.labelled_extent(view.selection)
    frame.empty(
        f"{count(found.used)} labelled answers with a confidence in this range; {MIN_ROWS} are the least to judge by.",
        ("" if found.used else frame.elsewhere(extent.first, extent.last))
        + "A longer range or a larger slice holds more; labels come by `label/v1` events.",
    )
    frame.note(*parts.label_notes(data.quality.labels_of(view.window, data.now(), view.selection)))


def figures(now: Calibration, changes: dict[str, Difference]) -> None:
    """The four that matter most; the others stand in the table below."""
    gap, ece, brier, judged = st.columns(4)
    with gap:
        parts.figure(
            "Signed gap", points(now.gap.value), _certainty("gap", now.gap, changes),
            "Mean confidence less accuracy, in percentage points: above 0 the model is over-confident. 95% interval.",
        )  # fmt: skip
    with ece:
        parts.figure(
            "ECE", f"{100 * now.ece.value:.1f} pt", _certainty("ece", now.ece, changes),
            "Expected calibration error, 15 equal bins. Chance alone makes it positive; the 95% interval takes that "
            "back and begins at 0 whenever chance explains it.",
        )  # fmt: skip
    with brier:
        parts.figure(
            "Brier score", f"{now.brier.value:.3f}", _certainty("brier", now.brier, changes),
            "Mean squared distance of confidence from outcome, 0 to 1: lower is better. 95% interval.",
        )  # fmt: skip
    with judged:
        parts.figure("Answers judged", count(now.n), "labelled, with a confidence")


def _certainty(name: str, found: Measured, changes: dict[str, Difference]) -> str:
    unit = " pt" if name in IN_POINTS else ""
    change = f" · change {_change(name, changes[name], unit)}" if name in changes else ""
    return f"{_interval(name, found)}{unit}{change}"


def measures(now: Calibration, changes: dict[str, Difference], against: str) -> None:
    """Every measure with its interval, and its change."""
    st.subheader("All measures", anchor=False)
    rows = [
        {
            "measure": title + ", pt" * (name in IN_POINTS), "value": _number(name, found.value),
            "less chance": _number(name, found.corrected), "95% interval": _interval(name, found),
            "change": _change(name, changes[name]) if name in changes else "",
        }
        for name, title in (IN_POINTS | AS_SCORES).items()
        for found in [now.measures()[name]]
    ]  # fmt: skip
    parts.table(rows, ("measure", "value", "less chance", "95% interval", "change"))
    st.caption(
        "pt: percentage points. Errors are above 0 by chance alone: less chance is the error under "
        f"which half of such samples would show more. Change is against the {against}, with its 95% interval; * where "
        "that leaves out 0."
    )


def slices(view: View) -> None:
    """Gap, ECE and Brier score of each value of the dimension that was chosen to slice by."""
    known = {name(one): one for one in data.quality.slice_dimensions(view.window, view.selection)}
    dimension = known.get(st.session_state.get("slice_by", ""))
    if dimension is None:
        return
    values = data.quality.slice_values(view.window, view.selection, dimension)[:MOST_SLICES]
    rows = []
    for value in values:
        one = data.quality.calibration_of(view.window, view.selection, dimension, value)
        cells: dict[str, object] = {"value": value, "answers": one.used}
        for measure, title in (("gap", "signed gap, pt"), ("ece", "ECE, pt"), ("brier", "Brier score")):
            found = one.calibration.measures()[measure] if one.calibration else None
            cells[title] = f"{_number(measure, found.value)} ({_interval(measure, found)})" if found else "too few"
        rows.append(cells)
    st.subheader(f"By {plain(dimension.name)}", anchor=False)
    parts.table(rows, ("value", "answers", "signed gap, pt", "ECE, pt", "Brier score"))


def _number(name: str, value: float) -> str:
    if name == "gap":
        return points(value).removesuffix(" pt")
    return f"{100 * value:.1f}" if name in IN_POINTS else f"{value:.3f}"


def _interval(name: str, found: Measured) -> str:
    scale, digits = (100.0, 1) if name in IN_POINTS else (1.0, 3)
    ends = (scale * found.interval.lower, scale * found.interval.upper)
    return " to ".join(f"{end:.{digits}f}" for end in ends).replace("-", "−")


def _change(name: str, change: Difference, unit: str = "") -> str:
    scale, digits = (100.0, 1) if name in IN_POINTS else (1.0, 3)
    value, *ends = (scale * one for one in (change.value, change.interval.lower, change.interval.upper))
    star = " *" if change.clear else ""
    words = f"{value:+.{digits}f}{unit} ({ends[0]:+.{digits}f} to {ends[1]:+.{digits}f}){star}"
    return words.replace("-", "−")


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
    widths = {"confidence": 95, "answers": 62, "mean confidence": 110, "accuracy": 68, "95% interval": 100}
    parts.table(rows, tuple(widths), column_config=parts.widths_of(widths))


page()
