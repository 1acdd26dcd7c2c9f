"""Records that were refused: why, what to do, and the beginning of each."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from dashboards import data, frame, parts
from dashboards.charts import ingest as charts
from dashboards.frame import View
from dashboards.words import count, escaped_bytes, moment
from monitor.services.dead_letters import ADVICE
from monitor.store.queries.streams import DeadLetter

ANY_REASON = "all reasons"


def dead_letters(view: View) -> None:
    """Why records were refused, and one by one what they were."""
    st.subheader("Dead letters", anchor=False)
    points = data.ingest.dead_letters_over_time(view.window, view.step)
    if not points:
        frame.empty(
            "No record was refused in this range.", "Refused records are kept here with their reason and bytes."
        )
        return
    reasons = Counter[str]()
    for one in points:
        reasons[one.outcome] += one.records
    parts.chart(charts.refusals(points, view.window, view.step))
    parts.table(
        [
            {"reason": reason, "records": records, "what to do": ADVICE[reason]}
            for reason, records in reasons.most_common()
        ],
        ("reason", "records", "what to do"),
        column_config={"reason": {"width": 130}, "records": {"width": 90}},
    )
    chosen = st.selectbox(
        "Reason",
        [ANY_REASON, *(reason for reason, _ in reasons.most_common())],
        key="reason",
        bind="query-params",
        width=240,
    )
    letters = data.ingest.dead_letters(view.window, None if chosen == ANY_REASON else chosen)
    total = sum(reasons.values()) if chosen == ANY_REASON else reasons[chosen]
    parts.table(
        [_row(one) for one in letters],
        (
            "id",
            "refused (UTC)",
            "reason",
            "detail",
            "topic",
            "partition",
            "offset",
            "record time (UTC)",
            "bytes",
            "beginning",
        ),
        column_config={"id": {"width": 60}, "detail": {"width": 360}},
    )
    frame.note(
        f"The newest {count(len(letters))} of {count(total)}. The beginning is escaped and cut after 300 bytes. "
        "`snellen dlq show ID` tells all that is kept of one, `snellen dlq replay` sends it again."
    )


def _row(one: DeadLetter) -> dict[str, object]:
    return {
        "id": one.id, "refused (UTC)": moment(one.created_at), "reason": one.reason, "detail": one.detail,
        "topic": one.topic, "partition": one.partition, "offset": one.record_offset,
        "record time (UTC)": moment(one.record_ts), "bytes": one.size, "beginning": escaped_bytes(one.raw),
    }  # fmt: skip
