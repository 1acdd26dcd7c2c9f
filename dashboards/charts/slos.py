"""Burn rates against the thresholds of their tiers, and what is left of the budget."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from dashboards.charts.axes import TIP_TIME, Events, Layered, frame, layered, time_axis, when
from dashboards.charts.palette import BLUE, GREY, PURPLE, STATES, VERMILLION
from monitor.domain.window import Window
from monitor.slo.evaluation import TierReading
from monitor.store.queries.slos import SloTick


def burn(history: Sequence[SloTick], tier: TierReading, window: Window, events: Events) -> Layered:
    """Burn rate of one tier's long and short window; above the dashed line both of them make it fire."""
    rows = [
        {"at": tick.tick, "when": when(tick.tick), "window": name, "burn": burned, "state": STATES[one.state].words}
        for tick in history
        for one in tick.tiers
        if one.name == tier.name
        for name, burned in (("long window", one.burn_long), ("short window", one.burn_short))
    ]
    scale = alt.Scale(type="symlog", constant=1, domainMin=0)
    y = alt.Y("burn:Q", title="burn rate, x budget", scale=scale, axis=alt.Axis(values=[0, 1, 2, 5, 10, 20, 50, 100]))
    lines = (
        alt.Chart(frame(rows, ("at", "when", "window", "burn", "state")))
        .mark_line(interpolate="step-after")
        .encode(
            x=time_axis(window),
            y=y,
            color=alt.Color(
                "window:N", title=None, legend=alt.Legend(orient="top"),
                scale=alt.Scale(domain=["long window", "short window"], range=[BLUE, PURPLE]),
            ),
            strokeWidth=alt.condition("datum.window === 'long window'", alt.value(2), alt.value(1)),
            tooltip=[TIP_TIME, "window:N", alt.Tooltip("burn:Q", title="x budget", format=".2f"), "state:N"],
        )
    )  # fmt: skip
    limit = frame([{"burn": tier.factor, "label": f"fires above {tier.factor:.3g}x"}], ("burn", "label"))
    rule = alt.Chart(limit).mark_rule(color=VERMILLION, strokeDash=[5, 3]).encode(y=y)
    word = alt.Chart(limit).mark_text(align="left", dx=4, dy=-6).encode(
        y=y, x=alt.value(0), text="label:N"
    )  # fmt: skip
    return layered(window, events, lines, rule, word, height=180)


def budget(history: Sequence[SloTick], window: Window, events: Events) -> Layered:
    """Budget left over time; below zero it is overspent."""
    rows = [
        {"at": one.tick, "when": when(one.tick), "left": one.budget_remaining, "counts": f"{one.bad}/{one.total}"}
        for one in history
    ]
    base = alt.Chart(frame(rows, ("at", "when", "left", "counts"))).encode(x=time_axis(window))
    y = alt.Y("left:Q", title="error budget left", axis=alt.Axis(format="%"))
    zero = alt.Chart(frame([{"left": 0.0}], ("left",))).mark_rule(color=GREY).encode(y=y)
    tips = [TIP_TIME, alt.Tooltip("left:Q", title="left", format=".1%"), alt.Tooltip("counts:N", title="bad / events")]
    line = base.mark_line(color=BLUE, interpolate="step-after").encode(y=y, tooltip=tips)
    return layered(window, events, zero, line, height=180)
