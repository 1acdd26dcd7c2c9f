"""Messages of incidents that nobody got: who waits to be told does not look here by chance."""

from __future__ import annotations

import streamlit as st

from dashboards import data, frame
from dashboards.frame import View
from dashboards.words import count, many, plain


def undelivered(view: View) -> None:
    """Say which channels messages of this range have not reached, and why; nothing where all arrived."""
    found = [one for one in data.alerts.deliveries(view.window) if one.sent_at is None and one.last_error]
    if not found:
        return
    lines = []
    for channel in sorted({one.channel for one in found}):
        newest, *others = (one for one in found if one.channel == channel)
        lost = sum(one.failed_at is not None for one in (newest, *others))
        waiting = len(others) + 1 - lost
        fates = [f"{count(lost)} given up"] * (lost > 0) + [f"{count(waiting)} tried again by itself"] * (waiting > 0)
        lines.append(
            f"**{many(len(others) + 1, 'message')} did not reach the channel {plain(channel)}** "
            f"({', '.join(fates)}): {plain(newest.last_error or '')}"
        )
    st.error("  \n".join(lines), icon=":material/unsubscribe:")
    frame.link("slos", "All messages", ":material/outgoing_mail:")
