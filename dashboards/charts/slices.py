"""Accuracy per slice value, and what an incident did to slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import altair as alt

from dashboards.charts.axes import Layered, frame
from dashboards.charts.palette import BLUE, GREY, LIGHT_GREY, VERMILLION
from monitor.store.queries.incidents import SliceShift
from monitor.store.queries.slices import SliceRow

_NAMES: Final = alt.Axis(labelLimit=220, labelOverlap=False)


def accuracy_dots(rows: Sequence[SliceRow], overall: float | None) -> Layered:
    """A dot and its 95% Wilson interval per value, in the order given; hollow grey where labels are too few."""
    data = frame(
        (
            {
                "value": row.value, "accuracy": row.accuracy.accuracy, "lower": row.accuracy.lower,
                "upper": row.accuracy.upper, "counts": f"{row.accuracy.correct}/{row.accuracy.n}",
                "state": "enough labels" if row.accuracy.state == "ok" else "not enough labels",
            }
            for row in rows
        ),
        ("value", "accuracy", "lower", "upper", "counts", "state"),
    )  # fmt: skip
    colour = alt.Color(
        "state:N", title=None, legend=alt.Legend(orient="top"),
        scale=alt.Scale(domain=["enough labels", "not enough labels"], range=[BLUE, LIGHT_GREY]),
    )  # fmt: skip
    tips = [alt.Tooltip("value:N"), alt.Tooltip("accuracy:Q", format=".1%"), alt.Tooltip("lower:Q", format=".1%"),
            alt.Tooltip("upper:Q", format=".1%"), alt.Tooltip("counts:N", title="correct / labels"),
            alt.Tooltip("state:N")]  # fmt: skip
    base = alt.Chart(data).encode(y=alt.Y("value:N", sort=None, title=None, axis=_NAMES), color=colour, tooltip=tips)
    x = alt.X(
        "lower:Q", title="labelled accuracy, 95% interval", axis=alt.Axis(format="%"), scale=alt.Scale(zero=False)
    )
    layers: list[alt.Chart] = [base.mark_rule(size=2).encode(x=x, x2="upper:Q")]
    layers.append(base.mark_point(filled=True, opacity=1, size=60).encode(x="accuracy:Q"))
    if overall is not None:
        line = alt.Chart(frame([{"overall": overall}], ("overall",))).mark_rule(color=GREY, strokeDash=[4, 4])
        layers.insert(
            0, line.encode(x="overall:Q", tooltip=[alt.Tooltip("overall:Q", format=".1%", title="all values")])
        )
    return alt.layer(*layers).properties(height=26 * len(rows) + 130)


def shifts(rows: Sequence[SliceShift], noun: str) -> Layered:
    """Bad share per slice before (grey) and during the incident (red), each with its interval."""
    data = frame(
        [one for row in rows for one in _sides(row)],
        ("slice", "window", "share", "lower", "upper", "counts"),
    )
    looks = alt.Scale(domain=["before", "incident"], range=[GREY, VERMILLION])
    base = alt.Chart(data).encode(
        y=alt.Y("slice:N", sort=None, title=None, axis=_NAMES),
        yOffset=alt.YOffset("window:N", sort=["before", "incident"]),
        color=alt.Color("window:N", title=None, scale=looks, legend=alt.Legend(orient="top")),
        tooltip=["slice:N", "window:N", alt.Tooltip("share:Q", format=".1%"), alt.Tooltip("lower:Q", format=".1%"),
                 alt.Tooltip("upper:Q", format=".1%"), alt.Tooltip("counts:N", title=f"bad / {noun}")],
    )  # fmt: skip
    bars = base.mark_rule(size=2).encode(
        x=alt.X("lower:Q", title=f"bad {noun}, 95% interval", axis=alt.Axis(format="%"), scale=alt.Scale(domainMin=0)),
        x2="upper:Q",
    )
    dots = base.mark_point(filled=True, opacity=1, size=45).encode(x="share:Q")
    return alt.layer(bars, dots).properties(height=36 * len(rows) + 130)


def _sides(row: SliceShift) -> list[dict[str, Any]]:
    name = "all traffic" if row.dimension is None else f"{row.dimension.name} = {row.value}"
    return [
        {"slice": name, "window": window, "share": side.share, "lower": side.interval.lower,
         "upper": side.interval.upper, "counts": f"{side.count}/{side.n}"}
        for window, side in (("before", row.bad.before), ("incident", row.bad.now))
        if side.n
    ]  # fmt: skip
