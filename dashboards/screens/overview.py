"""Is the model fine?"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboards import data, frame, parts
from dashboards.charts import traffic as charts
from dashboards.charts.palette import STATES, VERDICTS
from dashboards.frame import View
from dashboards.panels.arriving import arriving
from dashboards.panels.slo_cards import slo_cards
from dashboards.panels.undelivered import undelivered
from dashboards.words import (
    around,
    certainty,
    count,
    latency,
    latency_bounds,
    many,
    moment,
    p_value,
    percent,
    plain,
)  # fmt: skip
from monitor.domain.results import DriftVerdict
from monitor.domain.window import MINUTE, lasting
from monitor.services.review import Labels
from monitor.slo.evaluation import Standing, State, overspent
from monitor.slo.policy import Severity
from monitor.stats.proportions import Proportion
from monitor.store.queries.accuracy import Accuracy
from monitor.store.queries.alerts import Incident
from monitor.store.queries.buckets import step_for
from monitor.store.queries.latency import quantile
from monitor.store.queries.slos import SloTick
from monitor.store.queries.traffic import Traffic


def page() -> None:
    view = frame.open_page(
        "Is the model fine? Objectives, alerts, traffic, accuracy and drift at a glance.", frame.one_model
    )
    if frame.nothing_yet():
        return
    at = min(view.window.end, data.now())
    ticks, alerts = standing(data.alerts.latest_ticks(at), view), data.alerts.open_incidents(at)
    arriving(view)
    headline(ticks, alerts, view)
    undelivered(view)
    slo_cards(ticks, view)
    total = data.traffic.total_traffic(view.window, view.selection)
    labels = data.quality.labels_of(view.window, data.now(), view.selection)
    figures(total, labels.labelled, view)
    missing(total, labels)
    over_time(total, labels.labelled, view)
    left, right = st.columns(2, gap="large")
    with left:
        drift(view)
    with right:
        deployments(view)


def standing(ticks: Sequence[SloTick], view: View) -> list[SloTick]:
    """Without the objectives that had ended by then: they have no document, and nobody judged them any more."""
    documents = data.alerts.objectives()
    return [one for one in ticks if one.slo in documents or parts.standing(one, view) is not Standing.LATE]


def headline(ticks: Sequence[SloTick], alerts: Sequence[Incident], view: View) -> None:
    """One sentence for the hurried. Green only when every objective is known to be well, and no promise is broken."""
    spent = [called(one.slo) for one in ticks if overspent(one.budget_remaining)]
    unknown = sum(parts.slo_look(one, view) is not STATES[State.OK] for one in ticks)
    if alerts:
        names = ", ".join(f"{called(one.slo)} ({plain(one.severity)})" for one in alerts)
        words = f"**{len(alerts)} open alert{'s' * (len(alerts) > 1)}**: {names}"
        st.error(words, icon=":material/notifications_active:")
        parts.incident_table(alerts, view)
    elif spent:
        words = f"**No open alert**, but the error budget is overspent: {', '.join(spent)}."
        st.warning(words, icon=":material/money_off:")
    elif unknown:
        words = f"**No open alert**, but {unknown} of {len(ticks)} objectives cannot be called met now: see why below."
        st.warning(words, icon=":material/pending:")
    elif ticks:
        held = f"all {len(ticks)} objectives are within their" if len(ticks) > 1 else "the one objective is within its"
        words = f"**No open alert**; {held} limits."
        st.success(words, icon=":material/check_circle:")
    if over := [one for one in data.alerts.incidents_within(view.window) if one not in alerts]:
        pages = sum(one.severity == Severity.PAGE for one in over)
        closed = f"Over in this range: {many(pages, 'page')}, {many(len(over) - pages, 'ticket')}"
        frame.link("slos", closed, ":material/history:")


def called(slo: str) -> str:
    """An objective's name for people, as Markdown; of one that has no document any more, what alerts call it."""
    document = data.alerts.objectives().get(slo)
    return plain(document.display_name if document else slo)


def figures(total: Traffic, labelled: Accuracy, view: View) -> None:
    st.subheader("In this range", anchor=False)
    requests, answered, *latencies, accuracy = st.columns(6)
    with requests:
        rate = total.total / (view.window.length / MINUTE)
        parts.figure("Requests", f"{rate:.1f} /min", f"n = {count(total.total)}")
    with answered:
        share = Proportion(total.ok, total.total - total.rejected)
        parts.figure(
            "Answered", percent(share.share, 2), certainty(share),
            "ok among valid requests; rejected ones are the client's fault and count as neither. 95% Wilson interval.",
        )  # fmt: skip
    for column, (name, level) in zip(latencies, charts.QUANTILES.items(), strict=True):
        with column:
            found = quantile(total.latency, level)
            parts.figure(
                f"Latency {name}", latency(found), f"{latency_bounds(found)} · n = {count(total.with_latency)}",
                "Read from a histogram: the true value lies in the bin named below. Of ok answers.",
            )  # fmt: skip
    with accuracy:
        parts.figure(
            "Labelled accuracy", percent(labelled.correct.share), certainty(labelled.correct),
            "Of predictions drawn at random for labelling, weighted by their probability; 95% interval.",
        )  # fmt: skip


def missing(total: Traffic, labels: Labels) -> None:
    """What the figures leave out."""
    no_confidence = Proportion(total.total - total.with_confidence, total.total)
    no_latency = Proportion(total.ok - total.with_latency, total.ok)
    frame.note(
        f"Status mix: {count(total.ok)} ok, {count(total.error)} error, {count(total.timeout)} timeout, "
        f"{count(total.rejected)} rejected.",
        f"Confidence missing for {percent(no_confidence.share)} of requests." if no_confidence.count else "",
        f"Latency missing for {percent(no_latency.share)} of ok answers." if no_latency.count else "",
        ""
        if labels.labelled.correct.n
        else "No labels in this range: accuracy is unknown, not good. Labels come by `label/v1` events.",
        *parts.label_notes(labels),
    )
    if not total.total:
        extent = data.traffic.predicted_extent()
        frame.empty("No request in this range.", frame.elsewhere(extent.first, extent.last))


def over_time(total: Traffic, labelled: Accuracy, view: View) -> None:
    if not total.total:
        return
    events, window = parts.events_of(view), view.window
    rare = step_for(window, parts.points_for(total.total, each=400))
    seldom = step_for(window, parts.points_for(labelled.correct.n, each=60))
    points = data.traffic.traffic_over_time(window, view.selection, view.step)
    left, right = st.columns(2, gap="large")
    with left:
        parts.chart(charts.request_rate(points, window, view.step, events), f"Points of {lasting(view.step)}.")
        failures = data.traffic.traffic_over_time(window, view.selection, rare)
        parts.chart(charts.failure_share(failures, window, rare, events), f"Points of {lasting(rare)}.")
    with right:
        parts.chart(charts.latency(points, window, view.step, events), f"Points of {lasting(view.step)}.")
        if labelled.correct.n:
            known = data.quality.accuracy_over_time(window, view.selection, seldom)
            parts.chart(charts.accuracy(known, window, seldom, events), f"Points of {lasting(seldom)}.")
    frame.note("Dotted lines are deployments; red shades are times with an open alert.")


def drift(view: View) -> None:
    st.subheader("Drift", anchor=False)
    found = data.drift.latest_findings(min(view.window.end, data.now()), view.model)
    if not found:
        frame.empty(
            "No stream has been compared with a reference yet.",
            "A provisional reference is made once enough embedded predictions have come (settings "
            "`drift.reference_rows`, `drift.reference_span`).",
        )
        return
    rows = [
        {
            "stream": one.stream, "state": parts.in_words(VERDICTS[one.verdict]),
            "effect": around(one.effect, one.effect_interval), "adjusted p": p_value(one.adjusted_p),
            "n": one.n, "until (UTC)": moment(one.tick), "model": one.model,
        }
        for one in sorted(found, key=lambda one: (one.verdict is not DriftVerdict.DRIFT, one.stream))
    ]  # fmt: skip
    columns = ("stream", "state", "effect", "adjusted p", "n", "until (UTC)", "model")
    widths = {"stream": 95, "state": 90, "effect": 130, "adjusted p": 75, "n": 45, "until (UTC)": 118}
    shown = columns[:-1] if len({one.model for one in found}) == 1 else columns
    parts.table(rows, shown, column_config=parts.widths_of(widths))
    frame.link("drift", "Since when, in which slices, what moved", ":material/trending_up:")


def deployments(view: View) -> None:
    st.subheader("Last deployments", anchor=False)
    found = data.traffic.last_deployments(view.window.end)
    if found:
        parts.deployment_table(found)
    else:
        frame.empty("No deployment was reported by then.", "Send `deployment/v1` events to `snellen.deployments`.")


page()
