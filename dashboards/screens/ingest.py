"""Does everything that is logged arrive, and in time?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import streamlit as st

from dashboards import data, frame, parts
from dashboards.charts import ingest as charts
from dashboards.frame import View
from dashboards.panels.arriving import SILENT, silent, to_be_read
from dashboards.panels.dead_letters import dead_letters
from dashboards.words import NOTHING, count, many, moment, percent
from monitor.domain.events import Taken
from monitor.domain.window import DAY, MINUTE, lasting
from monitor.stats.proportions import Proportion
from monitor.store.queries.streams import Gap, OutcomePoint, PartitionLag

WIDTHS = {
    "group": 95, "topic": 135, "partition": 65, "state": 105, "lag": 55, "next offset": 75, "end offset": 75,
    "heard of": 100,
}  # fmt: skip
"""Of the table of partitions, its columns in this order."""


def page() -> None:
    view = frame.open_page("Does everything that is logged arrive, and in time?")
    lags = data.ingest.partition_lags()
    if not lags:
        frame.empty(
            "No consumer has ever read a partition.",
            "Start one with `python -m collectors ingest` (`snellen up` does), and see `snellen status`.",
        )
    points = data.ingest.outcomes_over_time(view.window, view.step)
    figures(lags, points, view)
    if points:
        parts.chart(
            charts.consumption(points, view.window, view.step), f"By processing time, points of {lasting(view.step)}."
        )
    elif lags:
        last = data.ingest.last_consumed_minute()
        frame.empty(
            "No record was consumed in this range.",
            f"The last one was at {moment(last)} UTC." if last else "None ever was.",
        )
    left, right = st.columns([2, 1], gap="large")
    with left:
        partitions(lags)
    with right:
        backlog()
        in_two_records(view)
        ahead()
    dead_letters(view)
    gaps(view)


def figures(lags: Sequence[PartitionLag], points: Sequence[OutcomePoint], view: View) -> None:
    totals = Counter[str]()
    for one in points:
        totals[one.outcome if one.outcome in list(Taken) else charts.REFUSED] += one.records
    everything = totals.total()
    current = to_be_read(lags)
    known = [one.lag for one in current if one.lag is not None]
    last = data.traffic.predicted_extent().last
    lag, rate, doubled, dead, event = st.columns(5)
    with lag:
        parts.figure(
            "Lag", f"{count(sum(known))} records" if known and len(silent(current)) < len(current) else NOTHING,
            f"{many(len(current), 'partition')}, {silence(current)}",
            "Records in the log that are not yet stored, as the consumers last saw it.",
        )  # fmt: skip
    with rate:
        parts.figure("Consumed", f"{everything / (view.window.length / MINUTE):.1f} /min", f"n = {count(everything)}")
    with doubled:
        share = Proportion(totals[Taken.DUPLICATE], everything)
        parts.figure("Duplicates", percent(share.share, 2), f"{count(share.count)} of {count(share.n)}",
                     "The same event again: dropped and counted, never stored twice.")  # fmt: skip
    with dead:
        share = Proportion(totals[charts.REFUSED], everything)
        parts.figure("Dead letters", percent(share.share, 2), f"{count(share.count)} of {count(share.n)}")
    with event:
        age = NOTHING if last is None else f"{lasting(data.now() - last)} ago"
        parts.figure(
            "Last event", age, f"{moment(last)} UTC", "Event time of the newest stored prediction, to the minute."
        )


def silence(current: Sequence[PartitionLag]) -> str:
    quiet = len(silent(current))
    if not quiet:
        return "all reporting"
    return f"{'all' if quiet == len(current) else quiet} silent for over {lasting(SILENT)}"


def partitions(lags: Sequence[PartitionLag]) -> None:
    st.subheader("Partitions", anchor=False)
    rows = [
        {
            "group": one.group, "topic": one.topic, "partition": one.partition, "state": state_of(one),
            "lag": one.lag, "next offset": one.next_offset, "end offset": one.end_offset,
            "heard of": f"{lasting(data.now() - one.updated_at)} ago",
        }
        for one in lags
    ]  # fmt: skip
    parts.table(
        rows,
        tuple(WIDTHS),
        column_config=parts.widths_of(WIDTHS),
    )
    if silent(lags):
        st.warning(
            "A partition has not been heard of lately: its lag may be larger. Do the collectors run? `snellen status`"
        )


def state_of(one: PartitionLag) -> str:
    if one.former:
        return "former log (topic made anew)"
    if not to_be_read([one]):
        return "no longer read (not in the settings)"
    if silent([one]):
        return "○ silent"
    if one.lag is None:
        return "○ end unknown"
    return "● up to date" if one.lag == 0 else "◐ behind"


def backlog() -> None:
    st.subheader("Labels", anchor=False)
    found = data.labels.backlog()
    if not found.drawn and not found.unmatched:
        frame.empty("No prediction was drawn for labelling.", "The share is the setting `labels.sample_rate`.")
        return
    first, second = st.columns(2)
    with first:
        parts.figure("Waiting for a label", count(found.waiting), f"of {count(found.drawn)} drawn")
    with second:
        oldest = NOTHING if found.oldest is None else lasting(data.now() - found.oldest)
        parts.figure("Oldest waits for", oldest, moment(found.oldest))
    if found.unmatched:
        frame.note(f"{many(found.unmatched, 'label')} waiting for the prediction, or for the next scoring run.")


def in_two_records(view: View) -> None:
    """Only where calls are logged so: request and response apart."""
    models = data.ingest.logged_calls(view.window)
    if not models:
        return
    st.subheader("Calls in two records", anchor=False)
    waiting = data.ingest.waiting_sides()
    oldest = "" if waiting.oldest is None else f", the oldest for {lasting(data.now() - waiting.oldest)}"
    rows = [
        {
            "model": one.model or NOTHING,
            "calls": one.loss.n,
            "lost": one.lost,
            "loss": percent(one.loss.share, 2),
        }
        for one in models
    ]
    parts.table(rows, ("model", "calls", "lost", "loss"))
    frame.note(
        "Request and response are logged apart; lost are those of which one side never came. "
        f"{count(waiting.waiting)} sides wait for the other{oldest}."
    )


def ahead() -> None:
    st.subheader("Day partitions", anchor=False)
    today = data.now().date()
    days = {one for one in data.ingest.partition_days() if one > today}
    left = 0
    while today + timedelta(days=left + 1) in days:
        left += 1
    words = f"Made ahead for {left} day{'s' * (left != 1)}, until {today + DAY * left}."
    if left:
        st.caption(f":material/check: {words} Days beyond are made when their first event comes.")
    else:
        st.warning(
            "No partition is made ahead: `snellen schedule` makes them every hour; until then ingest makes them itself."
        )


def gaps(view: View) -> None:
    found = data.ingest.stream_gaps(view.window)
    if not found:
        return
    st.subheader("Gaps", anchor=False)
    st.caption("Records that could not be read any more: they expired, or the topic was made anew.")
    parts.table([gap_row(one) for one in found],
                ("noticed (UTC)", "group", "topic", "partition", "expected", "resumed at", "reason"))  # fmt: skip


def gap_row(one: Gap) -> dict[str, object]:
    return {
        "noticed (UTC)": moment(one.noticed_at), "group": one.group, "topic": one.topic, "partition": one.partition,
        "expected": one.expected_offset, "resumed at": one.resumed_offset, "reason": one.reason,
    }  # fmt: skip


page()
