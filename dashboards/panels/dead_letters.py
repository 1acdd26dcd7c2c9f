"""Records that were refused: why, what to do, and the beginning of each."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from dashboards import data, frame, parts
from dashboards.charts import ingest as charts
from dashboards.frame import View
from dashboards.words import count, escaped_bytes, moment
from monitor.services.dead_letters import ADVICE
from monitor.store.dead_letters import Choice
from monitor.store.queries.dead_letters import Letter

ANY_REASON = "all reasons"
NEWEST = 200
PREVIEW_BYTES = 300
_COLUMNS = (
    "id", "refused (UTC)", "reason", "state", "detail", "topic", "partition", "offset", "record time (UTC)", "bytes",
    "beginning",
)  # fmt: skip


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
    reason = None if chosen == ANY_REASON else chosen
    choice = Choice(reason=reason, since=view.window.start, until=view.window.end)
    letters = data.ingest.dead_letters(choice, NEWEST, PREVIEW_BYTES)
    total = sum(reasons.values()) if chosen == ANY_REASON else reasons[chosen]
    parts.table(
        [_row(one) for one in letters],
        _COLUMNS,
        column_config=parts.widths_of({"id": 60, "state": 90, "detail": 280}),
    )
    frame.note(
        f"The newest {count(len(letters))} of {count(total)}. The beginning is escaped and cut after "
        f"{PREVIEW_BYTES} bytes. "
        "`snellen dlq show ID` tells all that is kept of one, `snellen dlq replay` sends it again."
    )


def _row(one: Letter) -> dict[str, object]:
    return {
        "id": one.id, "refused (UTC)": moment(one.created_at), "reason": one.reason, "state": str(one.state),
        "detail": one.detail, "topic": one.topic, "partition": one.partition, "offset": one.offset,
        "record time (UTC)": moment(one.record_ts), "bytes": one.size, "beginning": escaped_bytes(one.raw),
    }  # fmt: skip
