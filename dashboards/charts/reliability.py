"""Reliability diagram: does a confidence of 80% mean that 80% are right?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import altair as alt
import pandas as pd

from dashboards.charts.axes import Layered, frame
from dashboards.charts.palette import BLUE, GREY, ORANGE
from monitor.stats.calibration import Calibration

_COLOURS: Final = (BLUE, ORANGE)
_SHAPES: Final = ("circle", "diamond")
_SHARE: Final = alt.Scale(domain=[0, 1])
_PERCENT: Final = alt.Axis(format="%", tickCount=5)
_LEGEND: Final = alt.Legend(orient="top")
_TIPS: Final = [
    alt.Tooltip("series:N"), alt.Tooltip("range:N", title="confidence"),
    alt.Tooltip("confidence:Q", title="mean", format=".1%"), alt.Tooltip("accuracy:Q", format=".1%"),
    alt.Tooltip("lower:Q", format=".1%"), alt.Tooltip("upper:Q", format=".1%"), alt.Tooltip("n:Q", format=","),
]  # fmt: skip
_COLUMNS = ("series", "lower_edge", "upper_edge", "confidence", "accuracy", "lower", "upper", "n", "zero", "range")


def reliability(series: Mapping[str, Calibration]) -> Layered:
    """Accuracy against mean confidence per bin, with 95% Wilson intervals."""
    base = alt.Chart(_frame(series)).encode(
        x=alt.X("confidence:Q", scale=_SHARE, axis=_PERCENT, title="confidence"), color=_colour(series)
    )
    y = alt.Y("lower:Q", title="accuracy", scale=_SHARE, axis=_PERCENT)
    bars = base.mark_rule(size=1.5).encode(y=y, y2="upper:Q")
    shape = alt.Shape("series:N", scale=alt.Scale(domain=list(series), range=list(_SHAPES[: len(series)])))
    dots = base.mark_point(filled=True, opacity=1, size=55).encode(y="accuracy:Q", shape=shape, tooltip=_TIPS)
    ends = frame([{"x": 0, "y": 0}, {"x": 1, "y": 1}], ("x", "y"))
    diagonal = alt.Chart(ends).mark_line(color=GREY, strokeDash=[4, 4], size=1).encode(x="x:Q", y="y:Q")
    return alt.layer(diagonal, bars, dots).properties(height=360)


def answers_per_bin(series: Mapping[str, Calibration]) -> Layered:
    """How many answers each bin of the diagram holds."""
    return alt.layer(
        alt.Chart(_frame(series))
        .mark_rect(opacity=0.5)
        .encode(
            x=alt.X("lower_edge:Q", scale=_SHARE, axis=_PERCENT, title="confidence"),
            x2="upper_edge:Q",
            y=alt.Y("zero:Q", title="answers", axis=alt.Axis(tickCount=3)),
            y2="n:Q",
            color=_colour(series, legend=None),
            tooltip=_TIPS,
        )
    ).properties(height=130)


def _frame(series: Mapping[str, Calibration]) -> pd.DataFrame:
    return frame([row for name, found in series.items() for row in _rows(name, found)], _COLUMNS)


def _colour(series: Mapping[str, Calibration], legend: alt.Legend | None = _LEGEND) -> alt.Color:
    scale = alt.Scale(domain=list(series), range=list(_COLOURS[: len(series)]))
    return alt.Color("series:N", title=None, sort=None, legend=legend, scale=scale)


def _rows(name: str, found: Calibration) -> list[dict[str, Any]]:
    return [
        {
            "series": name, "lower_edge": one.lower, "upper_edge": one.upper, "confidence": one.confidence,
            "accuracy": one.accuracy, "lower": one.interval.lower, "upper": one.interval.upper, "n": one.n, "zero": 0,
            "range": f"{one.lower:.0%} to {one.upper:.0%}",
        }
        for one in found.bins
        if one.interval is not None
    ]  # fmt: skip
