"""Accuracy per slice value, and what an incident did to slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import altair as alt

from dashboards.charts.axes import Layered, frame
from dashboards.charts.palette import BLUE, GREY, LIGHT_GREY, SKY, VERMILLION
from monitor.services.review import Values
from monitor.stats.slice_review import JudgedSlice
from monitor.store.queries.incidents import SliceShift

_NAMES: Final = alt.Axis(labelLimit=220, labelOverlap=False)
STATE_WORDS: Final = {
    "ok": "ok", "not_enough_labels": "not enough labels", "not_enough_labels_before": "not enough labels before",
    "not_yet_mature": "not yet mature",
}  # fmt: skip
WORSE: Final = "worse than the rest"
BETTER: Final = "better than the rest"
LIKE_THE_REST: Final = "not told from the rest"
LOOKS: Final = {
    LIKE_THE_REST: BLUE, WORSE: VERMILLION, BETTER: SKY, STATE_WORDS["not_enough_labels"]: LIGHT_GREY,
    STATE_WORDS["not_yet_mature"]: GREY,
}  # fmt: skip


SHAPES: Final = {
    LIKE_THE_REST: "circle", WORSE: "triangle-down", BETTER: "triangle-up", STATE_WORDS["not_enough_labels"]: "cross",
    STATE_WORDS["not_yet_mature"]: "diamond",
}  # fmt: skip


def accuracy_dots(rows: Sequence[JudgedSlice[Values]], overall: float | None) -> Layered:
    """A dot and its 95% interval per slice, in the order given; grey where labels are too few or still to come."""
    states = [STATE_WORDS[row.accuracy.state] if row.accuracy.state != "ok" else _looks(row) for row in rows]
    looks = [one for one in LOOKS if one in states]
    data = frame(
        (
            {
                "value": " & ".join(row.key), "accuracy": row.accuracy.accuracy, "lower": row.accuracy.interval.lower,
                "upper": row.accuracy.interval.upper, "labels": row.accuracy.n,
                "state": state,
            }
            for row, state in zip(rows, states, strict=True)
        ),
        ("value", "accuracy", "lower", "upper", "labels", "state"),
    )  # fmt: skip
    shape = alt.Shape("state:N", scale=alt.Scale(domain=looks, range=[SHAPES[one] for one in looks]))
    colour = alt.Color(
        "state:N", title=None, legend=alt.Legend(orient="top", labelLimit=300),
        scale=alt.Scale(
            domain=looks, range=[LOOKS[one] for one in looks],
        ),
    )  # fmt: skip
    tips = [alt.Tooltip("value:N"), alt.Tooltip("accuracy:Q", format=".1%"), alt.Tooltip("lower:Q", format=".1%"),
            alt.Tooltip("upper:Q", format=".1%"), alt.Tooltip("labels:Q"), alt.Tooltip("state:N")]  # fmt: skip
    base = alt.Chart(data).encode(y=alt.Y("value:N", sort=None, title=None, axis=_NAMES), color=colour, tooltip=tips)
    x = alt.X(
        "lower:Q", title="labelled accuracy, 95% interval", axis=alt.Axis(format="%"), scale=alt.Scale(zero=False)
    )
    layers: list[alt.Chart] = [base.mark_rule(size=2).encode(x=x, x2="upper:Q")]
    layers.append(base.mark_point(filled=True, opacity=1, size=70).encode(x="accuracy:Q", shape=shape))
    if overall is not None:
        line = alt.Chart(frame([{"overall": overall}], ("overall",))).mark_rule(color=GREY, strokeDash=[4, 4])
        layers.insert(
            0, line.encode(x="overall:Q", tooltip=[alt.Tooltip("overall:Q", format=".1%", title="all values")])
        )
    return alt.layer(*layers).properties(height=26 * len(rows) + 130)


def _looks(row: JudgedSlice[Values]) -> str:
    if not row.stands_out:
        return LIKE_THE_REST
    return WORSE if (row.rest.difference or 0.0) < 0.0 else BETTER


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
    shape = alt.Shape("window:N", scale=alt.Scale(domain=["before", "incident"], range=["circle", "diamond"]))
    dots = base.mark_point(filled=True, opacity=1, size=55).encode(x="share:Q", shape=shape)
    return alt.layer(bars, dots).properties(height=36 * len(rows) + 130)


def _sides(row: SliceShift) -> list[dict[str, Any]]:
    name = "all traffic" if row.dimension is None else f"{row.dimension.name} = {row.value}"
    return [
        {"slice": name, "window": window, "share": side.share, "lower": side.interval.lower,
         "upper": side.interval.upper, "counts": f"{side.count}/{side.n}"}
        for window, side in (("before", row.bad.before), ("incident", row.bad.now))
        if side.n
    ]  # fmt: skip
