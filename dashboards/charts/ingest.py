"""Records over time by what became of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import cycle
from typing import Any

import altair as alt

from dashboards.charts.axes import TIP_TIME, Events, Layered, frame, layered, time_axis, when
from dashboards.charts.palette import BLUE, GREY, PURPLE, SERIES, SKY, VERMILLION
from monitor.domain.events import Taken
from monitor.domain.window import MINUTE, Window
from monitor.store.queries.streams import OutcomePoint

REFUSED = "dead letter"
_OUTCOMES = {
    Taken.ACCEPTED: BLUE, Taken.HALF: PURPLE, Taken.DUPLICATE: SKY, Taken.IGNORED: GREY, REFUSED: VERMILLION,
}  # fmt: skip


def consumption(points: Sequence[OutcomePoint], window: Window, step: timedelta) -> Layered:
    """Records per minute of processing time, by what became of them; only what happened is in the legend."""
    rates: dict[tuple[datetime, str], float] = defaultdict(float)
    for one in points:
        rates[one.at, one.outcome if one.outcome in _OUTCOMES else REFUSED] += one.records / (step / MINUTE)
    rows = _stacked(rates, list(_OUTCOMES), step)
    met = {kind for _, kind in rates} | {Taken.ACCEPTED, Taken.DUPLICATE, REFUSED}
    return _bars(
        rows, {kind: colour for kind, colour in _OUTCOMES.items() if kind in met}, "records / min", ".1f", window
    )


def refusals(points: Sequence[OutcomePoint], window: Window, step: timedelta) -> Layered:
    """Dead letters per bucket, by reason."""
    counts: dict[tuple[datetime, str], float] = defaultdict(float)
    for one in points:
        counts[one.at, one.outcome] += one.records
    reasons = sorted({one.outcome for one in points})
    colours = dict(zip(reasons, cycle((VERMILLION, *(one for one in SERIES if one != VERMILLION))), strict=False))
    return _bars(_stacked(counts, reasons, step), colours, "dead letters", ",", window)


def _stacked(
    values: Mapping[tuple[datetime, str], float], kinds: Sequence[str], step: timedelta
) -> list[dict[str, Any]]:
    """Rectangles on top of each other: Vega cannot stack bars that have a beginning and an end."""
    rows = []
    for at in sorted({at for at, _ in values}):
        low = 0.0
        for kind in kinds:
            if value := values.get((at, kind)):
                rows.append(
                    {"at": at, "until": at + step, "when": when(at), "kind": kind, "value": value, "low": low,
                     "high": low + value}
                )  # fmt: skip
                low += value
    return rows


def _bars(rows: list[dict[str, Any]], colours: Mapping[str, str], title: str, number: str, window: Window) -> Layered:
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    chart = (
        alt.Chart(frame(rows, ("at", "until", "when", "kind", "value", "low", "high")))
        .mark_rect()
        .encode(
            x=time_axis(window),
            x2="until:T",
            y=alt.Y("low:Q", title=title, scale=alt.Scale(domainMin=0)),
            y2="high:Q",
            color=alt.Color("kind:N", title=None, scale=scale, legend=alt.Legend(orient="top")),
            tooltip=[
                TIP_TIME,
                alt.Tooltip("kind:N", title="outcome"),
                alt.Tooltip("value:Q", title=title, format=number),
            ],
        )
    )
    return layered(window, Events(), chart)
