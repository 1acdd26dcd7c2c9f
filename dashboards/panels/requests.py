"""Stored requests side by side, as people sent them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboards import data
from dashboards.words import moment, percent, plain
from monitor.store.queries.explanations import ShownRequest

MAX_TEXT = 300
COLUMNS = 6


def requests(found: Sequence[ShownRequest]) -> None:
    """Prompt and answer come from anybody: shown as plain text only."""
    for column, one in zip(st.columns(COLUMNS), found, strict=False):
        with column, st.container(border=True, height="stretch"):
            picture = (
                data.pictures.thumbnail(one.image_ref, one.image_sha256) if one.image_ref else "no image was logged"
            )
            if isinstance(picture, bytes):
                st.image(picture, width="stretch")
            else:
                st.caption(":material/hide_image: no picture", help=plain(picture[:MAX_TEXT]))
            st.text((one.prompt or "(no prompt)")[:MAX_TEXT])
            st.text(f"→ {(one.answer or '(no answer)')[:MAX_TEXT]}")
            slices = ", ".join(f"{key} = {value}" for key, value in sorted(one.slices.items()))
            st.caption(plain(f"confidence {percent(one.confidence, 0)} · {moment(one.ts)} · {slices}"[:MAX_TEXT]))
