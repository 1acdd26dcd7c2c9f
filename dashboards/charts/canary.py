"""How the difference between canary and stable became known."""

from __future__ import annotations

from typing import Final

import altair as alt

from dashboards.charts.axes import Layered, frame, time_axis, when
from dashboards.charts.palette import BLUE, GREY, LIGHT_GREY
from monitor.domain.window import Window
from monitor.services.compare_canary import Judged

_PERCENT: Final = alt.Axis(format="+.1%", tickCount=5)
_LEAST: Final = 0.2
"""Of the axis, either way: in the beginning the interval is all that is possible."""


def difference(one: Judged, window: Window, margin: float) -> Layered:
    """The interval of canary - stable over time, the margin shaded, no difference dashed."""
    widest = max(abs(one.lower[-1]), abs(one.upper[-1]), 3 * margin)
    reach = min(1.0, max(2.0 * widest, 4.0 * margin) if widest < _LEAST else 1.5 * widest)
    points = [
        {"at": at, "when": when(at), "lower": max(low, -reach), "upper": min(high, reach)}
        for at, low, high in zip(one.at, one.lower, one.upper, strict=True)
    ]
    points.append({**points[-1], "at": window.end, "when": when(window.end)})
    scale = alt.Scale(domain=[-reach, reach])
    y = alt.Y("lower:Q", title="canary less stable", scale=scale, axis=_PERCENT)
    band = (
        alt.Chart(frame(points, ("at", "when", "lower", "upper")))
        .mark_area(interpolate="step-after", color=BLUE, opacity=0.35, line={"color": BLUE, "size": 1})
        .encode(
            x=time_axis(window), y=y, y2="upper:Q",
            tooltip=[alt.Tooltip("when:N", title="time (UTC)"), alt.Tooltip("lower:Q", format="+.2%"),
                     alt.Tooltip("upper:Q", format="+.2%")],
        )
    )  # fmt: skip
    ends = [{"at": window.start, "low": -margin, "high": margin}, {"at": window.end, "low": -margin, "high": margin}]
    same = (
        alt.Chart(frame(ends, ("at", "low", "high")))
        .mark_area(color=LIGHT_GREY, opacity=0.6)
        .encode(x=time_axis(window), y=alt.Y("low:Q", scale=scale), y2="high:Q")
    )
    zero = alt.Chart(frame([{"none": 0}], ("none",))).mark_rule(color=GREY, strokeDash=[4, 4]).encode(y="none:Q")
    return alt.layer(same, band, zero).properties(height=170)
