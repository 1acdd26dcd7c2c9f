"""Stored requests side by side, as people sent them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboards import data
from dashboards.words import milliseconds, moment, percent, plain
from monitor.store.queries.examples import Example

MAX_TEXT = 400


def side_by_side(found: Sequence[Example]) -> None:
    for column, one in zip(st.columns(max(3, len(found))), found, strict=False):
        with column, st.container(border=True, height="stretch"):
            example(one)


def example(one: Example) -> None:
    """Prompt and answer come from anybody: shown as plain text only."""
    picture = data.pictures.thumbnail(one.image_ref, one.image_sha256) if one.image_ref else "no image was logged"
    if isinstance(picture, bytes):
        st.image(picture, width="stretch", alt=f"Picture of request {one.request_id[:60]}")
    else:
        st.caption(":material/hide_image: no picture", help=plain(picture[:300]))
        if one.image_ref:
            st.code(one.image_ref[:MAX_TEXT], language=None, wrap_lines=True)
    st.text((one.prompt or "(no prompt)")[:MAX_TEXT])
    st.text(f"→ {(one.answer or one.error_code or '(no answer)')[:MAX_TEXT]}")
    if one.expected:
        st.text(f"expected: {', '.join(one.expected)[:MAX_TEXT]}")
    verdict = {True: "right", False: "wrong", None: "not labelled"}[one.correct]
    st.caption(
        f"{verdict} · confidence {percent(one.confidence, 0)} · {plain(one.status)} · {milliseconds(one.latency_ms)} · "
        f"{plain(one.version or 'no version')} ({plain(one.variant)}) · {moment(one.ts)}"
    )
    st.caption(
        plain(", ".join(f"{key} = {value}" for key, value in sorted(one.slices.items()))[:MAX_TEXT]) or "no slices"
    )
    st.caption(f"`{one.request_id[:40]}`" if one.request_id.isalnum() else plain(one.request_id[:60]))
