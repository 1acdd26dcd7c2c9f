"""Alarms of drift: say whether one was of use, and see how often they were not, beside what is promised."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboards import data, parts
from dashboards.frame import View
from dashboards.panels import who
from dashboards.words import NOTHING, certainty, count, moment, p_value, percent
from monitor.domain.window import HOUR, lasting
from monitor.store.judgements import MAX_COMMENT
from monitor.store.queries.drift_alarms import Alarm, Tally, tally

_SAID = {None: "", True: "useful", False: "not useful"}
_COLUMNS = ("stream", "slice", "since (UTC)", "lasted", "smallest adjusted p", "said", "by", "comment")


def alarms(view: View) -> None:
    """What drifted in the range, as alarms."""
    found = data.drift.drift_alarms(view.window, view.model)
    st.subheader("Alarms", anchor=False)
    if not found:
        st.caption("Nothing drifted in this range.")
        return
    st.caption(promise(tally(found, data.drift.promised_level(view.window, view.model))))
    parts.table([_row(one) for one in found], _COLUMNS)
    judge(found)


def promise(said: Tally) -> str:
    """How often people found an alarm useless, beside how rare the error control promises false ones to be."""
    judged = said.not_useful
    words = f"{count(said.alarms)} alarms, {count(judged.n)} of them judged"
    if judged.n:
        words += f": {percent(judged.share)} not useful ({certainty(judged)})"
    promised = NOTHING if said.promised is None else percent(said.promised)
    return (
        f"{words}. Promised: at most {promised} of a model's ticks give a false alarm where nothing drifts "
        "(Benjamini-Hochberg). An alarm may be true and of no use: the level keeps chance away, not changes that "
        "nobody minds."
    )


def judge(found: Sequence[Alarm]) -> None:
    """One alarm, one click."""
    with (
        st.expander("Was it of use?", icon=":material/rate_review:"),
        st.form("judge", border=False),
    ):
        chosen = st.selectbox("Alarm", range(len(found)), format_func=lambda index: _title(found[index]))
        comment = st.text_input("Why", max_chars=MAX_COMMENT, placeholder="optional")
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            by = who.ask_in_form()
            useful = st.form_submit_button("Useful", icon=":material/thumb_up:")
            useless = st.form_submit_button("Not useful", icon=":material/thumb_down:")
        if not (useful or useless):
            return
        if not by:
            st.warning("Say who judges it.")
            return
        one = found[chosen]
        data.drift.judge(one.reference_id, one.slice, one.since, by, useful=useful, comment=comment)
        st.rerun()


def _title(one: Alarm) -> str:
    return f"{one.stream}, {one.slice}, since {moment(one.since)} UTC"


def _row(one: Alarm) -> dict[str, object]:
    said = one.judgement
    return {
        "stream": one.stream, "slice": str(one.slice), "since (UTC)": moment(one.since),
        "lasted": lasting(one.until - one.since + HOUR), "smallest adjusted p": p_value(one.adjusted_p),
        "said": _SAID[said.useful if said else None], "by": said.actor if said else "",
        "comment": (said.comment or "") if said else "",
    }  # fmt: skip
