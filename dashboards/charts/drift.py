"""Drift over time: effect and evidence per stream, and a strip of slices."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import Any, Final

import altair as alt

from dashboards.charts.axes import TIP_TIME, Events, Layered, frame, layered, time_axis, when
from dashboards.charts.palette import BLUE, GREY, LIGHT_GREY, VERDICTS, VERMILLION
from dashboards.words import around
from monitor.domain.results import DriftVerdict
from monitor.domain.window import Window, floor
from monitor.store.queries.drift import Finding, step_of

LEAST_P: Final = 1e-12
"""Smaller p-values are drawn here: a chart down to 1e-300 would flatten everything that matters."""
_COLUMNS = ("at", "when", "p", "effect", "lower", "upper", "around", "n", "words", "detector", "exact")


def evidence(findings: Sequence[Finding], window: Window, events: Events) -> Layered:
    """Adjusted p-values on a log scale, small ones on top, with the level of the test; ticks that say nothing below."""
    rows = frame((_row(one) for one in findings), _COLUMNS)
    scale = alt.Scale(type="log", domain=[1, LEAST_P])
    axis = alt.Axis(format=".0e", values=[1, 1e-3, 1e-6, 1e-9, LEAST_P])
    y = alt.Y("p:Q", title="adjusted p (log)", scale=scale, axis=axis)
    base = alt.Chart(rows).encode(x=time_axis(window), y=y)
    levels = sorted({one.alpha for one in findings if one.alpha})
    level = alt.Chart(frame(({"p": one} for one in levels), ("p",)))
    rule = level.mark_rule(color=VERMILLION, strokeDash=[5, 3]).encode(y=y)
    line = base.mark_line(color=LIGHT_GREY)
    points = base.mark_point(filled=True, size=34, opacity=1).encode(**_verdict_marks())
    rug = base.transform_filter("!isValid(datum.p)").mark_point(filled=True, size=18)
    return layered(window, events, rule, line, points, rug.encode(y=alt.value(128), **_verdict_marks()), height=170)


def effect(findings: Sequence[Finding], window: Window, events: Events) -> Layered:
    """Effect size with its 95% interval: 0.5 is no difference."""
    rows = frame((_row(one) for one in findings), _COLUMNS)
    title, scale = "effect (0.5: none)", alt.Scale(domain=[0.5, 1])
    y, lower = (alt.Y(f"{name}:Q", title=title, scale=scale) for name in ("effect", "lower"))
    base = alt.Chart(rows).encode(x=time_axis(window), y=y)
    sure = alt.Chart(rows).mark_rule(color=GREY, opacity=0.6).encode(x=time_axis(window), y=lower, y2="upper:Q")
    points = base.mark_point(filled=True, size=34, opacity=1).encode(**_verdict_marks())
    return layered(window, events, sure, base.mark_line(color=LIGHT_GREY), points, height=170)


def slice_strip(findings: Sequence[Finding], window: Window) -> Layered:
    """One row per slice, one cell per bucket: blue without drift, red with it, the darker the stronger the evidence."""
    step = step_of(window)
    buckets = [floor(one.tick, step) for one in findings]
    rows = [
        {**_row(one), "at": max(at, window.start), "until": at + step, "slice": str(one.slice),
         "evidence": _evidence(one)}
        for one, at in zip(findings, buckets, strict=True)
    ]  # fmt: skip
    drift = VERDICTS[DriftVerdict.DRIFT].words
    names = {row["slice"] for row in rows}
    base = alt.Chart(frame(rows, (*_COLUMNS, "until", "slice", "evidence"))).encode(
        x=time_axis(window),
        x2="until:T",
        y=alt.Y("slice:N", title=None, axis=alt.Axis(labelLimit=260, labelOverlap=False)),
        tooltip=[alt.Tooltip("slice:N"), *_tips()],
    )
    shade = alt.Opacity("evidence:Q", legend=None, scale=alt.Scale(domain=[0, 6], range=[0.12, 1], clamp=True))
    known = base.transform_filter("isValid(datum.evidence)").encode(
        opacity=shade, color=alt.condition(f"datum.words === '{drift}'", alt.value(VERMILLION), alt.value(BLUE))
    )
    unknown = base.transform_filter("!isValid(datum.evidence)").mark_tick(color=GREY, thickness=1)
    return alt.layer(known.mark_rect(clip=True), unknown).properties(height=26 * len(names) + 40)


def _row(finding: Finding) -> dict[str, Any]:
    p, sure = finding.adjusted_p, finding.effect_interval
    return {
        "at": finding.tick, "when": when(finding.tick), "p": None if p is None else max(p, LEAST_P),
        "exact": "–" if p is None else f"{p:.2g}", "effect": finding.effect, "n": finding.n,
        "lower": sure.lower if sure else None, "upper": sure.upper if sure else None,
        "around": around(finding.effect, sure),
        "words": VERDICTS[finding.verdict].words, "detector": finding.detector or "–",
    }  # fmt: skip


def _evidence(finding: Finding) -> float | None:
    return None if finding.adjusted_p is None else -log10(max(finding.adjusted_p, LEAST_P))


def _verdict_marks() -> dict[str, Any]:
    looks = VERDICTS.values()
    words = [look.words for look in looks]
    return {
        "color": alt.Color(
            "words:N", title=None, legend=None, scale=alt.Scale(domain=words, range=[look.colour for look in looks])
        ),
        "shape": alt.Shape(
            "words:N", title=None, legend=None,
            scale=alt.Scale(domain=words, range=["triangle-up", "circle", "diamond", "square"]),
        ),
        "tooltip": _tips(),
    }  # fmt: skip


def _tips() -> list[alt.Tooltip]:
    return [
        TIP_TIME, alt.Tooltip("words:N", title="verdict"), alt.Tooltip("exact:N", title="adjusted p"),
        alt.Tooltip("around:N", title="effect"), alt.Tooltip("n:Q", format=","), alt.Tooltip("detector:N"),
    ]  # fmt: skip
