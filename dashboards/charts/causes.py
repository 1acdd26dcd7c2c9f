"""What moved: causes of all kinds on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import altair as alt

from dashboards.charts.axes import Layered, frame
from dashboards.charts.palette import BLUE, LIGHT_GREY, VERMILLION
from monitor.explain import Cause
from monitor.explain.words import name

_COLUMNS: Final = ("cause", "effect", "lower", "upper", "direction", "p")


def effects(causes: Sequence[Cause]) -> Layered:
    """One row per cause, in the order given: how far it moved, up (red) or down (blue), with its interval."""
    data = frame((_row(one) for one in causes), _COLUMNS)
    colour = alt.Color(
        "direction:N", title=None, legend=alt.Legend(orient="top"),
        scale=alt.Scale(domain=["more of it now", "less of it now"], range=[VERMILLION, BLUE]),
    )  # fmt: skip
    tips = [alt.Tooltip("cause:N"), alt.Tooltip("effect:Q", format="+.2f"), alt.Tooltip("lower:Q", format="+.2f"),
            alt.Tooltip("upper:Q", format="+.2f"), alt.Tooltip("p:N", title="adjusted p")]  # fmt: skip
    base = alt.Chart(data).encode(
        y=alt.Y("cause:N", sort=None, title=None, axis=alt.Axis(labelLimit=300, labelOverlap=False)),
        color=colour,
        tooltip=tips,
    )
    title = ["effect: P(higher than in the", "reference) − P(lower), 95% interval"]  # one line is cut on a phone
    x = alt.X("lower:Q", title=title)
    zero = alt.Chart(frame([{"zero": 0.0}], ("zero",))).mark_rule(color=LIGHT_GREY).encode(x="zero:Q")
    rules = base.mark_rule(size=2).encode(x=x, x2="upper:Q")
    dots = base.mark_point(filled=True, opacity=1, size=60).encode(x="effect:Q")
    return alt.layer(zero, rules, dots).properties(height=28 * len(causes) + 130)


def _row(cause: Cause) -> dict[str, Any]:
    moved, around = cause.dominance.delta, cause.dominance.interval
    return {
        "cause": name(cause), "effect": cause.part * moved, "lower": cause.part * around.lower,
        "upper": cause.part * around.upper, "direction": "more of it now" if moved > 0 else "less of it now",
        "p": f"{cause.adjusted_p:.1g}",
    }  # fmt: skip
