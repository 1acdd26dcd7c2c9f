"""How good is the model on each part of the traffic?"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboards import data, frame, parts
from dashboards.charts.slices import accuracy_dots
from dashboards.frame import View
from dashboards.spreadsheet import slices_csv
from dashboards.traffic_choice import choose_traffic, name
from dashboards.words import between, certainty, count, percent, plain, points, span
from monitor.stats.slices import MIN_LABELS
from monitor.store.queries.accuracy import Accuracy
from monitor.store.queries.proportions import Proportion
from monitor.store.queries.selection import Selection
from monitor.store.queries.slices import Dimension, SliceRow, SliceTable

SORTS = {
    "most labels": lambda row: (-row.accuracy.n, row.value),
    "lowest accuracy": lambda row: (row.accuracy.state != "ok", row.accuracy.accuracy or 0.0, row.value),
    "largest loss": lambda row: (row.change.difference is None, row.change.difference or 0.0, row.value),
    "name": lambda row: row.value,
}
SHOWN = 40
COLUMNS = ("value", "accuracy", "interval", "correct/n", "state", "change", "change interval", "before", "labels")


def page() -> None:
    question = "How good is the model on each part of the traffic, and has that changed?"
    view = frame.open_page("Slices", question, choose_traffic)
    if frame.nothing_yet():
        return
    selection = view.selection
    labelled = data.labelled_accuracy(view.window, selection)
    if not labelled.correct.n:
        no_labels(selection)
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
        dimension = choose_dimension(view, selection)
        order = st.segmented_control(
            "Sort by", list(SORTS), default="most labels", required=True, key="sort", bind="query-params"
        )
        with st.container(width=260, gap="xxsmall"):
            st.metric("All labelled answers", percent(labelled.correct.share, 2))
            st.caption(certainty(labelled.correct))
    table = data.slice_table(view.window, dimension, selection)
    rows = sorted(table.rows, key=SORTS[order])
    shown(rows, table, labelled.correct)
    name_of_file = f"slices-{dimension.name}.csv"
    content = slices_csv(rows, table, view.window)
    st.download_button("Download CSV", content, name_of_file, "text/csv", icon=":material/download:")
    missing(table, labelled, view)


def choose_dimension(view: View, selection: Selection) -> Dimension:
    known = {name(one): one for one in data.slice_dimensions(view.window, selection)}
    return known[st.selectbox("Dimension", list(known), key="dimension", bind="query-params", width=165)]


def no_labels(selection: Selection) -> None:
    extent = data.labelled_extent(selection)
    frame.empty(
        "No labels in this range: accuracy is unknown, not good.",
        frame.elsewhere(extent.first, extent.last)
        + "Labels come by `label/v1` events on `snellen.labels`, or with a replayed log: "
        "`snellen replay FILE --mapping MAP.yaml`.",
    )


def shown(rows: Sequence[SliceRow], table: SliceTable, correct: Proportion) -> None:
    left, right = st.columns([2, 3], gap="large")
    with left:
        parts.chart(accuracy_dots(rows[:SHOWN], correct.share))
        if len(rows) > SHOWN:
            st.caption(f"The first {SHOWN} of {len(rows)} values; the table has them all.")
    with right:
        parts.table([cells(row) for row in rows], COLUMNS, height=min(35 * (len(rows) + 1) + 3, 620))


def cells(row: SliceRow) -> dict[str, object]:
    found, change = row.accuracy, row.change
    return {
        "value": row.value, "accuracy": None if found.accuracy is None else f"{100 * found.accuracy:.2f}%",
        "interval": between(change.now.interval) if found.n else "", "correct/n": f"{found.correct}/{found.n}",
        "labels": found.n, "change": points(change.difference) + (" *" if change.clear else ""),
        "change interval": "" if change.interval is None
        else f"{points(change.interval.lower).removesuffix(' pt')} to {points(change.interval.upper)}",
        "before": f"{change.before.count}/{change.before.n}",
        "state": "ok" if found.state == "ok" else "not enough labels",
    }  # fmt: skip


def missing(table: SliceTable, labelled: Accuracy, view: View) -> None:
    frame.note(
        *parts.label_notes(labelled),
        f"Change is against {span(view.window.previous())}, the stretch just before; * marks a change whose 95% "
        "interval leaves out 0. Of 20 unchanged slices one is marked by chance.",
        f"Below {MIN_LABELS} labels a slice is shown, but its state is not enough labels: do not rank by it.",
        f"{count(table.folded)} rarer values are folded into `__other__`." if table.folded else "",
        f"{count(table.without)} labelled answers have no {plain(table.dimension.name)}." if table.without else "",
    )


page()
