"""What the answers are worth by their task's own metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from dashboards import data, frame, parts
from dashboards.charts.slices import STATE_WORDS
from dashboards.frame import View
from dashboards.words import NOTHING, count, plain
from monitor.services.measure_tasks import MOST_SLICES, TaskMetrics
from monitor.store.queries.slices import Dimension
from monitor.tasks.metric import Metric

COLUMNS: Final = ("metric", "value", "95% interval", "n", "state")
SLICE_COLUMNS: Final = ("slice", *COLUMNS[1:])


def task_metrics(view: View, dimension: Dimension) -> None:
    """One table per task, beside it one metric by the values of the dimension."""
    st.subheader("By each task's own metrics", anchor=False)
    report = data.quality.task_report(view.window, view.selection, dimension)
    if not report.used:
        frame.empty(
            "No answer of this range was drawn for labelling, or none is stored any more.",
            "Draws follow `labels.sample_rate`; answers are kept as long as `retention.predictions` says.",
        )
        return
    for whole in (one for one in report.figures if one.value is None):
        slices = [one for one in report.figures if one.task == whole.task and one.value is not None]
        of_task(whole, slices, dimension)
    frame.note(
        "Over the answers drawn for labelling, each weighted by the inverse of its probability of being drawn, "
        "and replayed logs as a whole. docs/tasks.md says what each metric is.",
        report.shortfall,
    )


def of_task(whole: TaskMetrics, slices: Sequence[TaskMetrics], dimension: Dimension) -> None:
    known = [metric for metric in whole.metrics if metric.n]
    unknown = [metric.name for metric in whole.metrics if not metric.n]
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**{plain(whole.task)}**, {count(whole.n)} answers")
        rows = [{"metric": metric.name, **cells(metric)} for metric in known]
        parts.table(rows, COLUMNS, column_config=parts.widths_of({"metric": 190}))
        if unknown:
            st.caption(f"Nothing to tell yet: {plain(', '.join(unknown))}")
    if not slices:
        return
    with right:
        names = [metric.name for metric in known]
        chosen = st.selectbox(f"By {plain(dimension.name)}", names, key=f"metric of {whole.task}", width=260)
        by_slice = [(one.value, next(metric for metric in one.metrics if metric.name == chosen)) for one in slices]
        parts.table([{"slice": value, **cells(metric)} for value, metric in by_slice], SLICE_COLUMNS)
        if len(slices) == MOST_SLICES:
            st.caption(f"The {MOST_SLICES} values with most answers.")


def cells(metric: Metric) -> dict[str, object]:
    if metric.value is None or metric.interval is None:
        return {"value": NOTHING, "95% interval": "", "n": metric.n, "state": state(metric)}
    low, high = metric.written(metric.interval.lower), metric.written(metric.interval.upper)
    return {
        "value": metric.written(metric.value), "95% interval": f"{low} to {high}", "n": metric.n,
        "state": state(metric),
    }  # fmt: skip


def state(metric: Metric) -> str:
    return STATE_WORDS["ok" if metric.enough else "not_enough_labels"]
