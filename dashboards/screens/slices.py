"""The weekly review: how good is the model on each part of the traffic?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from dashboards import data, frame, parts
from dashboards.charts.slices import STATE_WORDS, accuracy_dots
from dashboards.frame import View
from dashboards.panels.discovered import discovered
from dashboards.panels.task_metrics import task_metrics
from dashboards.panels.unlabelled import aided_figures, aided_table, estimate_record, estimated_alone
from dashboards.panels.wrong_answers import wrong_answers
from dashboards.traffic_choice import choose_traffic, name
from dashboards.words import NOTHING, between, certainty, count, ends_in_points, percent, plain, points, span
from monitor.services.review import Labels, ReviewTable, Values, last_full_week
from monitor.services.spreadsheet import table_csv
from monitor.stats.intervals import Interval
from monitor.stats.slice_review import FALSE_DISCOVERY_RATE, JudgedSlice
from monitor.stats.slices import MIN_LABELS
from monitor.store.queries.accuracy import Accuracy
from monitor.store.queries.selection import Selection
from monitor.store.queries.slices import MOST_VALUES, Dimension

Judged = JudgedSlice[Values]
SORTS: Final = {
    "surely worst": lambda row: (*row.evidence, row.key),
    "largest loss": lambda row: (row.known_change is None, row.change.difference or 0.0, row.key),
    "most labels": lambda row: (-row.accuracy.n, row.key),
    "name": lambda row: row.key,
}
SHOWN: Final = 40
ALONE: Final = "nothing else"
COLUMNS: Final = ("value", "accuracy (95%)", "labels", "state", "against the rest (95%)", "change (95%)", "before")
TALLEST: Final = 620
"""Pixels of the table."""


def page() -> None:
    question = "How good is the model on each part of the traffic, and has that changed?"
    view = frame.open_page(question, choose_traffic)
    if frame.nothing_yet():
        return
    selection = view.selection
    labels = data.quality.labels_of(view.window, data.now(), selection)
    labelled = labels.labelled
    if not labelled.correct.n:
        no_labels(selection, labels)
        estimated_alone(view)
        return
    figures(labels, view)
    dimensions, order = choose(view, selection)
    table = data.quality.review_slices(view.window, dimensions, data.now(), selection, labels=labels)
    rows = sorted(table.rows, key=SORTS[order])
    shown(rows, table, labelled)
    downloads(ReviewTable(dimensions, tuple(rows), table.folded, table.without), view)
    missing(table, labels, view)
    wrong_answers(view, dimensions, [row.key for row in rows])
    if len(dimensions) == 1:
        aided_table(view, dimensions[0])
    estimate_record(view)
    discovered(view.window, selection.model or _only_model())
    task_metrics(view, dimensions[0])


def downloads(table: ReviewTable, view: View) -> None:
    """The table as it is shown, everything as `snellen review` writes it, and the way to the last full week."""
    names, now, week = "-".join(one.name for one in table.dimensions), data.now(), last_full_week(data.now())
    whole = data.quality.review_file(view.window, view.selection, now)
    with st.container(horizontal=True, vertical_alignment="center"):
        content, file = table_csv(table, view.window, now), f"slices-{names}.csv"
        st.download_button("Download CSV", content, file, "text/csv", icon=":material/download:")
        file = f"review-{view.window.end:%Y-%m-%d}.csv"
        st.download_button("Download all slices and pairs", whole, file, "text/csv", icon=":material/table_view:")
        address = f"/slices?range=Custom&from={week.start:%Y-%m-%dT%H:%M}&to={week.end:%Y-%m-%dT%H:%M}"
        st.link_button(f"Week {week.start:%G-W%V}", address, icon=":material/calendar_view_week:")


def _only_model() -> str | None:
    """The one that is served, where there is only one."""
    names = {one.model for one in data.traffic.served_models()}
    return names.pop() if len(names) == 1 else None


def figures(labels: Labels, view: View) -> None:
    labelled, maturity = labels.labelled, labels.maturity
    whole = data.quality.review_whole(view.window, data.now(), view.selection, labels=labels)
    change = whole.known_change
    columns = st.columns(5)
    with columns[0]:
        parts.figure(
            "All labelled answers", percent(labelled.correct.share, 2), certainty(labelled.correct),
            "Weighted by the probability with which each answer was drawn for labelling; 95% interval.",
        )  # fmt: skip
    with columns[1]:
        parts.figure(
            "Change", points(change.difference if change else None),
            ends_in_points(change.interval) if change else too_few(whole),
            f"Against {span(view.window.previous())}; only where both have at least {MIN_LABELS} labels.",
        )  # fmt: skip
    with columns[2]:
        parts.figure(
            "Labels in", percent(maturity.share, 0), f"{count(maturity.answered)} of {count(maturity.drawn)} tasks",
            "Of the labels that are to be expected by the usual delay. Below 90% the range is not yet mature.",
        )  # fmt: skip
    aided_figures(view, columns[3], columns[4])


def choose(view: View, selection: Selection) -> tuple[tuple[Dimension, ...], str]:
    """One dimension or two, and the order."""
    known = {name(one): one for one in data.quality.slice_dimensions(view.window, selection)}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
        first = st.selectbox("Dimension", list(known), key="dimension", bind="query-params", width=200)
        others = [ALONE, *(one for one in known if one != first)]
        second = st.selectbox("and by", others, key="and_by", bind="query-params", width=200)
        order = st.segmented_control(
            "Sort by", list(SORTS), default="surely worst", required=True, key="sort", bind="query-params"
        )
    chosen = (known[first],) if second == ALONE else (known[first], known[second])
    return chosen, order


def no_labels(selection: Selection, labels: Labels) -> None:
    extent = data.quality.labelled_extent(selection)
    frame.empty(
        "No labels in this range: accuracy is unknown, not good.",
        frame.elsewhere(extent.first, extent.last)
        + "Labels come by `label/v1` events on `snellen.labels`, or with a replayed log: "
        "`snellen replay FILE --mapping MAP.yaml`.",
    )
    frame.note(*parts.label_notes(labels))


def shown(rows: Sequence[Judged], table: ReviewTable, labelled: Accuracy) -> None:
    if not rows:
        frame.empty(
            f"No pair of values has {MIN_LABELS} labels in this range.",
            f"{count(table.folded)} pairs have fewer: choose a longer range, or label more.",
        )
        return
    long = {"height": TALLEST} if len(rows) > parts.MOST_ROWS else {}
    parts.table([cells(row) for row in rows], COLUMNS, **long)
    parts.chart(accuracy_dots(rows[:SHOWN], labelled.correct.share))
    if len(rows) > SHOWN:
        st.caption(f"The first {SHOWN} of {len(rows)} values; the table has them all.")


def cells(row: Judged) -> dict[str, object]:
    found, change, before = row.accuracy, row.known_change, row.change.before
    return {
        "value": " & ".join(row.key),
        "accuracy (95%)": f"{percent(found.accuracy, 2)} ({between(found.interval)})" if found.n else NOTHING,
        "labels": found.n, "state": STATE_WORDS[found.state],
        "against the rest (95%)": differing(row.rest.difference, row.rest.interval, starred=row.stands_out),
        "change (95%)": differing(change.difference, change.interval, starred=row.changed) if change
        else STATE_WORDS[row.change_state],
        "before": f"{percent(before.share)} of {before.n}" if change else f"n = {before.n}",
    }  # fmt: skip


def differing(difference: float | None, interval: Interval | None, *, starred: bool) -> str:
    """A difference with its interval; nothing where it is not known."""
    if interval is None:
        return NOTHING
    return f"{points(difference)} ({ends_in_points(interval)})" + (" *" if starred else "")


def too_few(row: Judged) -> str:
    side = row.change.now if row.change_state == "not_enough_labels" else row.change.before
    return f"{STATE_WORDS[row.change_state]} · n = {side.n}"


def missing(table: ReviewTable, labels: Labels, view: View) -> None:
    pair = len(table.dimensions) > 1
    folded = (
        f"Pairs left out because they have fewer than {MIN_LABELS} labels: {count(table.folded)}. "
        f"At most {MOST_VALUES} are shown."
        if pair
        else f"{count(table.folded)} rarer values are folded into `__other__`."
    )
    frame.note(
        *parts.label_notes(labels),
        f"Change is against {span(view.window.previous())}, the stretch just before; the rest is all other labelled "
        f"traffic of this range. \\* marks a difference whose p-value, adjusted over all slices of the table "
        f"(Benjamini-Hochberg), is at most {FALSE_DISCOVERY_RATE:g}.",
        f"Below {MIN_LABELS} labels a slice is shown, but its state is not enough labels: neither ranked nor tested. A "
        f"change is given where the stretch before has {MIN_LABELS} labels too.",
        folded if table.folded else "",
        f"{count(table.without)} labelled answers have no {' or '.join(plain(one.name) for one in table.dimensions)}."
        if table.without
        else "",
    )


page()
