"""What all charts over time share: one UTC axis over the whole range, gaps that stay gaps, marks of events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import altair as alt
import pandas as pd

from dashboards.charts.palette import GREY, VERMILLION
from monitor.domain.window import DAY, EPOCH, Window
from monitor.store.queries.alerts import Incident
from monitor.store.queries.deployments import Deployed

HEIGHT: Final = 210
Layered = alt.LayerChart | alt.FacetChart
"""What Altair says that `layer` returns."""
TIP_TIME: Final = alt.Tooltip("when:N", title="time (UTC)")


@dataclass(frozen=True, slots=True)
class Events:
    """What happened meanwhile: drawn into every chart over time."""

    deployments: Sequence[Deployed] = ()
    incidents: Sequence[Incident] = ()


def frame(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """A data frame that has its columns even without rows."""
    return pd.DataFrame(list(rows), columns=list(columns))


def when(at: datetime) -> str:
    """For tooltips: Vega would say local time."""
    return f"{at:%a %Y-%m-%d %H:%M}"


def with_gaps(points: Mapping[datetime, Mapping[str, Any]], window: Window, step: timedelta) -> list[dict[str, Any]]:
    """One row per bucket of the window; buckets without a point have empty values, so that lines break there."""
    first = EPOCH + (window.start - EPOCH) // step * step
    buckets = [first + step * index for index in range(-(-(window.end - first) // step))]
    return [{"at": at, "when": when(at), **points.get(at, {})} for at in buckets]


def closed(rows: Sequence[Mapping[str, Any]], window: Window) -> list[Mapping[str, Any]]:
    """The rows, and those of the last bucket again where the window ends: else steps would end where it begins."""
    last = max((row["at"] for row in rows), default=None)
    return [*rows, *({**row, "at": window.end} for row in rows if row["at"] == last)]


def time_axis(window: Window) -> alt.X:
    """Of the field `at`, in UTC: the whole range, whether data fill it or not. A bucket that began before it is drawn
    from its start."""
    labels = next((style for longest, style in _TIME_LABELS if window.length <= longest), "%d %b %Y")
    return alt.X(
        "at:T",
        title=None,
        scale=alt.Scale(type="utc", domain=[_date(window.start), _date(window.end)], nice=False, clamp=True),
        axis=alt.Axis(format=labels, labelOverlap=True, tickCount=8, grid=False),
    )


_TIME_LABELS: Final = ((1.5 * DAY, "%H:%M"), (4 * DAY, "%a %d %H:%M"), (14 * DAY, "%a %d %b"), (300 * DAY, "%d %b"))


def _date(at: datetime) -> alt.DateTime:
    """A plain number of milliseconds would be taken for a year."""
    return alt.DateTime(
        year=at.year, month=at.month, date=at.day, hours=at.hour, minutes=at.minute, seconds=at.second, utc=True
    )


def marks(window: Window, events: Events) -> list[alt.Chart]:
    """Dotted lines at deployments, shades while an incident was open: layers to draw under a chart."""
    layers: list[alt.Chart] = []
    shades = [
        {"at": max(one.opened_at, window.start), "until": min(one.resolved_at or window.end, window.end),
         "label": f"{one.severity}: {one.slo}", "when": when(one.opened_at)}
        for one in events.incidents
    ]  # fmt: skip
    if shades:
        layers.append(
            alt.Chart(frame(shades, ("at", "until", "label", "when")))
            .mark_rect(color=VERMILLION, opacity=0.07)
            .encode(x=time_axis(window), x2="until:T", tooltip=[alt.Tooltip("label:N", title="incident"), TIP_TIME])
        )
    lines = [
        {"at": one.ts, "when": when(one.ts), "label": f"{one.action} {one.model} {one.version} ({one.variant})"}
        for one in events.deployments
        if window.start <= one.ts < window.end
    ]
    if lines:
        layers.append(
            alt.Chart(frame(lines, ("at", "when", "label")))
            .mark_rule(color=GREY, strokeDash=[2, 3], size=1.5)
            .encode(x=time_axis(window), tooltip=[alt.Tooltip("label:N", title="deployment"), TIP_TIME])
        )
    return layers


def layered(window: Window, events: Events, *charts: alt.Chart, height: int = HEIGHT) -> Layered:
    """The marks of events below the charts."""
    return alt.layer(*marks(window, events), *charts).properties(height=height)
