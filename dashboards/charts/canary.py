"""How the difference between canary and stable became known."""

from __future__ import annotations

from typing import Final

import altair as alt

from dashboards.charts.axes import TIP_TIME, Layered, frame, time_axis, when
from dashboards.charts.palette import BLUE, GREY, LIGHT_GREY
from monitor.domain.window import Window
from monitor.services.compare_canary import Judged

_POINTS: Final = alt.Axis(format="+.1f", tickCount=5)
_LEAST: Final = 0.2
"""Of the axis, either way: in the beginning and after a change the interval is all that is possible."""


def difference(one: Judged, window: Window, margin: float) -> Layered:
    """The interval of canary - stable over time in percentage points, the margin shaded, no difference dashed."""
    narrowest = min(max(abs(low), abs(high)) for low, high in zip(one.lower, one.upper, strict=True))
    widest = max(narrowest, 3 * margin)
    reach = min(1.0, max(2.0 * widest, 4.0 * margin) if widest < _LEAST else 1.5 * widest)
    points = [
        {"at": at, "when": when(at), "lower": 100 * max(low, -reach), "upper": 100 * min(high, reach)}
        for at, low, high in zip(one.at, one.lower, one.upper, strict=True)
    ]
    points.append({**points[-1], "at": window.end, "when": when(window.end)})
    scale = alt.Scale(domain=[-100 * reach, 100 * reach])
    y = alt.Y("lower:Q", title="canary less stable, pt", scale=scale, axis=_POINTS)
    band = (
        alt.Chart(frame(points, ("at", "when", "lower", "upper")))
        .mark_area(interpolate="step-after", color=BLUE, opacity=0.35, line={"color": BLUE, "size": 1})
        .encode(
            x=time_axis(window), y=y, y2="upper:Q",
            tooltip=[TIP_TIME,
                     alt.Tooltip("lower:Q", title="lower, pt", format="+.2f"),
                     alt.Tooltip("upper:Q", title="upper, pt", format="+.2f")],
        )
    )  # fmt: skip
    ends = [{"at": at, "low": -100 * margin, "high": 100 * margin} for at in (window.start, window.end)]
    same = (
        alt.Chart(frame(ends, ("at", "low", "high")))
        .mark_area(color=LIGHT_GREY, opacity=0.6)
        .encode(x=time_axis(window), y=alt.Y("low:Q", scale=scale), y2="high:Q")
    )
    zero = alt.Chart(frame([{"none": 0}], ("none",))).mark_rule(color=GREY, strokeDash=[4, 4]).encode(y="none:Q")
    return alt.layer(same, band, zero).properties(height=170)
