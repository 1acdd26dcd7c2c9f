"""Requests, failures, latency and accuracy over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import altair as alt

from dashboards.charts.axes import TIP_TIME, Events, Layered, closed, frame, layered, time_axis, with_gaps
from dashboards.charts.palette import BLUE, ORANGE, PURPLE, SKY, STATUSES, VERMILLION
from monitor.domain.window import MINUTE, Window
from monitor.stats.proportions import Proportion
from monitor.stats.weighted import WeightedShare
from monitor.store.queries.accuracy import AccuracyPoint
from monitor.store.queries.latency import quantile
from monitor.store.queries.traffic import TrafficPoint

QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def request_rate(points: Sequence[TrafficPoint], window: Window, step: timedelta, events: Events) -> Layered:
    """Requests per minute by status, stacked."""
    rows = [
        {
            "at": row["at"],
            "when": row["when"],
            "status": status,
            "rate": row.get(status, 0) / _minutes(row["at"], window, step),
        }
        for row in with_gaps({one.at: _statuses(one) for one in points}, window, step)
        for status in STATUSES
    ]
    chart = (
        alt.Chart(frame(closed(rows, window), ("at", "when", "status", "rate")))
        .mark_area(interpolate="step-after")
        .encode(
            x=time_axis(window),
            y=alt.Y("rate:Q", title="requests / min", stack=True),
            color=alt.Color(
                "status:N", title=None, scale=alt.Scale(domain=list(STATUSES), range=list(STATUSES.values())),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=[TIP_TIME, "status:N", alt.Tooltip("rate:Q", title="per minute", format=".2f")],
        )
    )  # fmt: skip
    return layered(window, events, chart)


def failure_share(points: Sequence[TrafficPoint], window: Window, step: timedelta, events: Events) -> Layered:
    """Errors and timeouts among valid requests, with their interval."""
    shares = {
        one.at: _interval(Proportion(one.traffic.error + one.traffic.timeout, one.traffic.total - one.traffic.rejected))
        for one in points
    }
    return _banded(shares, window, step, events, VERMILLION, "failed requests")


def accuracy(points: Sequence[AccuracyPoint], window: Window, step: timedelta, events: Events) -> Layered:
    """Labelled accuracy with its interval."""
    return _banded(
        {one.at: _interval(one.correct) for one in points}, window, step, events, BLUE, "accuracy", zero=False
    )


def latency(points: Sequence[TrafficPoint], window: Window, step: timedelta, events: Events) -> Layered:
    """Quantiles of the answers' latency, on a log scale."""
    found = {one.at: {name: _estimate(one, share) for name, share in QUANTILES.items()} for one in points}
    rows = [
        {"at": row["at"], "when": row["when"], "quantile": name, "ms": row.get(name)}
        for row in with_gaps(found, window, step)
        for name in QUANTILES
    ]
    chart = (
        alt.Chart(frame(closed(rows, window), ("at", "when", "quantile", "ms")))
        .mark_line(interpolate="step-after")
        .encode(
            x=time_axis(window),
            y=alt.Y(
                "ms:Q", title="latency, ms (log)", scale=alt.Scale(type="log", nice=True), axis=alt.Axis(tickCount=5)
            ),
            color=alt.Color(
                "quantile:N", title=None, sort=list(QUANTILES), legend=alt.Legend(orient="top"),
                scale=alt.Scale(domain=list(QUANTILES), range=[SKY, ORANGE, PURPLE]),
            ),
            tooltip=[TIP_TIME, "quantile:N", alt.Tooltip("ms:Q", title="ms", format=".0f")],
        )
    )  # fmt: skip
    return layered(window, events, chart)


def _banded(
    shares: dict[Any, dict[str, Any]], window: Window, step: timedelta, events: Events, colour: str, title: str,
    *, zero: bool = True,
) -> Layered:  # fmt: skip
    columns = ("at", "when", "share", "lower", "upper", "counts")
    rows = with_gaps(shares, window, step)
    scale = alt.Scale(domainMin=0) if zero else alt.Scale(zero=False)
    base = alt.Chart(frame(closed(rows, window), columns)).encode(x=time_axis(window))
    buckets = alt.Chart(frame(rows, columns)).encode(x=time_axis(window))
    tip = [TIP_TIME, alt.Tooltip("share:Q", title=title, format=".1%"), alt.Tooltip("counts:N", title="of")]
    band = base.mark_area(color=colour, opacity=0.18, interpolate="step-after").encode(
        y=alt.Y("lower:Q", title=f"{title}, 95% interval", axis=alt.Axis(format="%"), scale=scale), y2="upper:Q"
    )
    line = base.mark_line(color=colour, interpolate="step-after").encode(y="share:Q")
    dots = buckets.mark_point(color=colour, filled=True, size=18).encode(y="share:Q", tooltip=tip)
    return layered(window, events, band, line, dots)


def _minutes(at: datetime, window: Window, step: timedelta) -> float:
    """Of the bucket that lie in the window: the first and last one may be cut."""
    return (min(at + step, window.end) - max(at, window.start)) / MINUTE


def _statuses(point: TrafficPoint) -> dict[str, int]:
    return {status: getattr(point.traffic, status) for status in STATUSES}


def _interval(share: Proportion | WeightedShare) -> dict[str, Any]:
    if not share.n:
        return {}
    interval = share.interval
    return {
        "share": share.share, "lower": interval.lower, "upper": interval.upper, "counts": f"{share.count}/{share.n}",
    }  # fmt: skip


def _estimate(point: TrafficPoint, share: float) -> float | None:
    found = quantile(point.traffic.latency, share)
    return None if found is None else found.estimate
