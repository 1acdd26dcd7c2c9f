"""Choosing a part of the traffic: live or a replay, model, version, variant, and one slice. All kept in the address."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import streamlit as st

from dashboards import data, frame
from monitor.domain.window import Window
from monitor.store.queries.catalogue import LabelSource
from monitor.store.queries.selection import LIVE, Selection
from monitor.store.queries.slices import Dimension

ANY = "all"
LIVE_TRAFFIC = "live traffic"


def choose_traffic(window: Window) -> Selection:
    """Selectors of source, model, version and variant. Of a replay all models are shown, live or not."""
    sources = {_title(one): LIVE if one.replay is None else one.replay for one in data.quality.label_sources()}
    # Live traffic first: a log that was replayed years later says nothing of the service as it is.
    source = _choose("Source", [*sources, ANY], "source", 230)
    replayed = sources.get(source or "") not in (None, LIVE)
    served = data.traffic.served_models()
    several = len({one.model for one in served}) > 1
    model = frame.choose_model(window) if several and not replayed else None
    served = [one for one in served if model in (None, one.model)]
    return Selection(
        model=model,
        version=_choose("Version", [ANY, *_distinct(one.version for one in served if one.version)], "version"),
        variant=_choose("Variant", [ANY, *_distinct(one.variant for one in served)], "variant"),
        source=sources.get(source or ""),
    )


def choose_slice(window: Window, selection: Selection) -> tuple[Dimension | None, str | None]:
    """One value of one dimension, or all traffic."""
    dimensions = {name(one): one for one in data.quality.slice_dimensions(window, selection)}
    chosen = dimensions.get(_choose("Slice by", [ANY, *dimensions], "slice_by") or "")
    if chosen is None:
        return None, None
    value = _choose("Slice", [ANY, *data.quality.slice_values(window, selection, chosen)], "slice")
    return (chosen, value) if value is not None else (None, None)


def name(dimension: Dimension) -> str:
    """A column is told apart from a slice of the same name."""
    return dimension.name if dimension.kind == "slice" else f"{dimension.name} (built in)"


def _title(source: LabelSource) -> str:
    if source.replay is None:
        return LIVE_TRAFFIC
    return f"replay: {source.name} ({source.replay})" if source.name else f"replay: {source.replay}"


def _choose(label: str, options: Sequence[str], key: str, width: int = 150) -> str | None:
    """The chosen one, or None for all of them. Where there is only one, nobody is asked."""
    distinct = _distinct(options)
    if len(distinct) <= 2:
        return None
    chosen = st.selectbox(label, distinct, key=key, bind="query-params", width=width)
    return None if chosen == ANY else chosen


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
