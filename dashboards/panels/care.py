"""Who takes care of an open alert, and whether more messages about it are wanted meanwhile."""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboards import data
from dashboards.panels import who
from dashboards.words import moment, plain
from monitor.domain.window import DAY, HOUR, MINUTE, Window
from monitor.slo.silence import MAX_TEXT, Silence
from monitor.store.queries.alerts import Incident

SILENCES: Final = {"1 h": HOUR, "4 h": 4 * HOUR, "24 h": DAY}


def care(incident: Incident) -> None:
    """Acknowledge, silence."""
    if incident.acknowledged_at is not None:
        words = f"Acknowledged by {plain(incident.acknowledged_by or '')} at {moment(incident.acknowledged_at)} UTC"
        st.success(words, icon=":material/how_to_reg:", width=500)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        by = who.ask()
        if incident.acknowledged_at is None:
            _acknowledge(incident, by)
        now = data.now()
        holding = [
            one for one in data.alerts.silences_within(Window(now, now + MINUTE)) if one.covers(incident.slo, now)
        ]
        if holding:
            _end(holding[0], by)
        else:
            _silence(incident, by)


def _acknowledge(incident: Incident, by: str) -> None:
    if _pressed("Acknowledge", "how_to_reg", by, "Say who takes care of it.", first=True):
        data.alerts.acknowledge(incident.id, by)
        st.rerun()


def _silence(incident: Incident, by: str) -> None:
    """Of this objective, from now on; the command line silences patterns, and work that is to come."""
    with st.popover("Silence", icon=":material/notifications_paused:"), st.form("silence", border=False):
        st.caption(f"No more messages of {plain(incident.slo)}; the alert stays open here.")
        length = st.segmented_control("For", list(SILENCES), default="1 h", required=True, key="silence-length")
        reason = st.text_input("Why", max_chars=MAX_TEXT, key="silence-reason")
        if not st.form_submit_button("Silence it"):
            return
        if not by or not reason.strip():
            st.warning("Say who silences it (your name stands beside Acknowledge), and why.")
            return
        now = data.now()
        data.alerts.silence(incident.slo, Window(now, now + SILENCES[length]), by, reason)
        st.rerun()


def _end(holding: Silence, by: str) -> None:
    if _pressed(f"End silence {holding.id}", "notifications", by, "Say who ends it."):
        data.alerts.end_silence(holding.id, by)
        st.rerun()


def _pressed(label: str, icon: str, by: str, nameless: str, *, first: bool = False) -> bool:
    """A button that does nothing without a name; `first`: the one that most will want."""
    if not st.button(label, type="primary" if first else "secondary", icon=f":material/{icon}:"):
        return False
    if not by:
        st.warning(nameless)
    return bool(by)
