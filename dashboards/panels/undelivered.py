"""Messages of incidents that nobody got: who waits to be told does not look here by chance."""

from __future__ import annotations

import streamlit as st

from dashboards import data, frame
from dashboards.frame import View
from dashboards.words import count, many, plain


def undelivered(view: View) -> None:
    """Say which channels messages of this range have not reached, and why; nothing where all arrived."""
    found = [one for one in data.alerts.deliveries(view.window) if one.was_missed]
    if not found:
        return
    lines = []
    for channel in sorted({one.channel for one in found}):
        newest, *others = (one for one in found if one.channel == channel)
        lost = sum(one.failed_at is not None for one in (newest, *others))
        held = sum(one.waits_for_channel for one in (newest, *others))
        tried = len(others) + 1 - lost - held
        fates = ((lost, "given up"), (held, "sent once it is set"), (tried, "tried again by itself"))
        told = ", ".join(f"{count(number)} {fate}" for number, fate in fates if number)
        lines.append(
            f"**{many(len(others) + 1, 'message')} did not reach the channel {plain(channel)}** "
            f"({told}): {plain(newest.last_error or '')}"
        )
    st.error("  \n".join(lines), icon=":material/unsubscribe:")
    frame.link("slos", "All messages", ":material/outgoing_mail:")
