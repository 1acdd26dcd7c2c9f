"""Pictures of requests, small."""

from __future__ import annotations

from io import BytesIO

import streamlit as st

from dashboards.data.connection import SLOW_TO_CHANGE, config
from monitor import bootstrap
from monitor.domain.events import Image
from monitor.embedding.images import ImageOpener
from monitor.errors import ImageRefused

THUMBNAIL = 240
"""Pixels of the longer side."""


@st.cache_resource(show_spinner=False)
def _image_opener() -> ImageOpener:
    return bootstrap.make_image_opener(config())


@st.cache_data(ttl=SLOW_TO_CHANGE, max_entries=100, show_spinner=False)
def thumbnail(reference: str, sha256: str | None, side: int = THUMBNAIL) -> bytes | str:
    """A PNG of a request's picture whose longer side has so many pixels at most, or why there is none.

    Opened as the embedder opens it: below the folders and from the hosts that the settings allow, within their limits.
    """
    try:
        picture = _image_opener()(Image(ref=reference, sha256=sha256))
    except ImageRefused as refused:
        return str(refused)
    picture.thumbnail((side, side))
    png = BytesIO()
    picture.save(png, "PNG")
    return png.getvalue()
