"""Pieces that several pages show: states, figures, tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from dashboards import data
from dashboards.charts.axes import Events, Layered
from dashboards.charts.palette import INK, INK_ON_DARK, STANDINGS, Look
from dashboards.frame import View
from dashboards.words import many, moment, percent, plain
from monitor.services.review import Labels
from monitor.slo.evaluation import Standing
from monitor.slo.incident import Reason
from monitor.stats.maturity import Maturity
from monitor.store.queries.alerts import Incident
from monitor.store.queries.buckets import MOST_POINTS
from monitor.store.queries.deployments import Deployed
from monitor.store.queries.slos import SloTick

MOST_ROWS = 20
"""Of a table that is shown whole; a longer one scrolls."""
TWO_LINES, FOUR_LINES = 62, 90
"""Pixels of a row whose long texts wrap; Streamlit wraps none in rows below 4 rem."""
WHY, LAST = 148, 107
"""Characters of four lines in the columns of `incident_table`."""

_UNSEEN_ENDS: Final[dict[str, str]] = {Reason.EXPIRED: "closed: no data", Reason.WITHDRAWN: "closed: judged no more"}
"""Ends of incidents of which nothing shows that they are over, by the last transition's reason."""
INCIDENT_COLUMNS = (
    "open", "severity", "SLO", "state", "opened (UTC)", "closed (UTC)", "why it opened", "last word",
)  # fmt: skip


def badge(look: Look) -> None:
    """A state in word, symbol and colour."""
    st.badge(look.words, icon=look.icon, color=look.hue)


def in_words(look: Look) -> str:
    """The same for a table cell."""
    return f"{look.symbol} {look.words}"


def points_for(events: int, each: int) -> int:
    """Points of a chart that leave each of them about so many events: shares of a handful are noise."""
    return max(MOST_POINTS // 25, min(MOST_POINTS, events // each))


def figure(label: str, value: str, certainty: str, explain: str | None = None) -> None:
    """One number with its interval, n or range below it. `label` is Markdown: escape what is foreign."""
    with st.container(border=True, height="stretch", gap="xxsmall"):
        st.metric(label, value, help=explain)
        st.caption(plain(certainty))


def chart(drawing: Layered, caption: str = "") -> None:
    """A chart over the width of its column. Streamlit's own labels are too pale to read (WCAG 2.2, 1.4.3)."""
    ink = INK_ON_DARK if st.context.theme.type == "dark" else INK
    legible = drawing.configure_axis(labelColor=ink, titleColor=ink).configure_legend(labelColor=ink)
    described = legible.configure_text(color=ink).properties(
        description=f"Chart: {subject(drawing)}. {caption}".strip()
    )
    st.altair_chart(described, width="stretch")
    if caption:
        st.caption(caption)


def subject(drawing: Layered) -> str:
    """What a chart shows, for who does not see it: the titles of its axes.

    >>> import altair as alt
    >>> point = alt.Chart(pd.DataFrame({"at": ["2026-01-01"], "n": [1]})).mark_point()
    >>> subject(alt.layer(point.encode(x=alt.X("at:T", title=None), y=alt.Y("n:Q", title="requests / min"))))
    'requests / min over time'
    """
    axes = [one[name] for one in _encodings(drawing.to_dict()) for name in ("y", "x") if name in one]
    named = [" ".join(title) if isinstance(title, list) else title for one in axes if (title := one.get("title"))]
    over_time = " over time" * any(one.get("field") == "at" for one in axes)
    return (", ".join(dict.fromkeys(named)) + over_time).strip()


def _encodings(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Of all layers of a chart."""
    yield from [spec["encoding"]] if "encoding" in spec else []
    for nested in (*spec.get("layer", ()), *spec.get("vconcat", ()), *spec.get("hconcat", ())):
        yield from _encodings(nested)


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], **options: Any) -> None:
    """A sortable table; its cells are plain text, never Markdown or HTML."""
    known = pd.DataFrame(list(rows), columns=list(columns))
    if len(known) <= MOST_ROWS:
        options = {"height": "content", **options}
    st.dataframe(known, hide_index=True, width="stretch", **options)


def slo_look(tick: SloTick, view: View) -> Look:
    """How an SLO stood at the end of the view."""
    return STANDINGS[standing(tick, view)]


def standing(tick: SloTick, view: View) -> Standing:
    """The same in a word."""
    return tick.standing(min(view.window.end, data.now()))


def incident_state(one: Incident) -> str:
    if one.resolved_at is not None:
        state = _UNSEEN_ENDS.get(one.latest_reason, "resolved")
    else:
        state = f"acknowledged by {one.acknowledged_by}" if one.acknowledged_at else "open"
    return f"{state}, backfilled" if one.backfilled else state


def incident_table(found: Sequence[Incident], view: View) -> None:
    """Incidents as they stood at the end of the view, with a link to each one's On-call page."""
    shown = found if view.live else [data.alerts.as_of(one, view.window.end) for one in found]
    rows = [
        {
            "open": f"/on_call?alert={one.id}", "severity": one.severity, "SLO": one.slo, "state": incident_state(one),
            "opened (UTC)": moment(one.opened_at), "closed (UTC)": moment(one.resolved_at),
            "why it opened": shortened(one.opening, WHY), "last word": shortened(one.latest, LAST),
        }
        for one in shown
    ]  # fmt: skip
    link = st.column_config.LinkColumn("", display_text="On-call", width=60)
    widths = {
        "severity": 60, "SLO": 186, "state": 82, "opened (UTC)": 88, "closed (UTC)": 88, "why it opened": 236,
        "last word": 180,
    }  # fmt: skip
    table(rows, INCIDENT_COLUMNS, column_config={"open": link, **widths_of(widths)}, row_height=FOUR_LINES)


def shortened(words: str, most: int) -> str:
    """What fits a cell of four lines; the alert's own page has it whole.

    >>> shortened("burns its error budget", 12), shortened("burns", 12)
    ('burns its …', 'burns')
    """
    return words if len(words) <= most else f"{words[: most - 1].rsplit(' ', 1)[0]} …"


def widths_of(pixels: Mapping[str, int]) -> dict[str, Any]:
    """What a table is told of its columns' widths."""
    return {name: {"width": width} for name, width in pixels.items()}


def helps(words: Mapping[str, str]) -> dict[str, Any]:
    """What a table tells of its columns when one points at their names."""
    return {name: st.column_config.Column(help=told) for name, told in words.items()}


def deployment_table(found: Sequence[Deployed]) -> None:
    """What was changed; the model only where there are several."""
    rows = [
        {
            "time (UTC)": moment(one.ts),
            "action": one.action + ("" if one.traffic_share is None else f", {percent(one.traffic_share, 0)}"),
            "version": one.version if one.variant == "stable" else f"{one.version} ({one.variant})",
            "note": one.note or "", "model": one.model,
        }
        for one in found
    ]  # fmt: skip
    columns = ("time (UTC)", "action", "version", "note", "model")
    shown = columns[:-1] if len({one.model for one in found}) == 1 else columns
    widths = {"time (UTC)": 95, "action": 90, "version": 75, "note": 260}
    table(rows, shown, column_config=widths_of(widths), row_height=TWO_LINES)


def maturity_note(maturity: Maturity) -> str:
    """Labels that are still to come; empty where hardly any are."""
    if maturity.mature:
        return ""
    to_come = round(maturity.to_come)
    awaited = f"about {many(to_come, 'more label')} of this range {'is' if to_come == 1 else 'are'} to come"
    return f"**Not yet mature**: {awaited}, with which figures may move."


def label_notes(labels: Labels) -> list[str]:
    """What an accuracy leaves out, in words."""
    labelled, notes = labels.labelled, [maturity_note(labels.maturity)]
    if labelled.undecided:
        nothing = f"decide{'s' * (labelled.undecided == 1)} nothing (unsure, tied, or no scorer for the task)."
        notes.append(f"{many(labelled.undecided, 'label')} {nothing}")
    if labelled.volunteered:
        were = "was" if labelled.volunteered == 1 else "were"
        notes.append(
            f"{many(labelled.volunteered, 'labelled prediction')} {were} not drawn by the sampler (complaints, for "
            "one): left out of accuracy."
        )
    if labelled.least_probability != labelled.most_probability:
        notes.append(
            f"Labels were drawn with different probabilities ({percent(labelled.least_probability)} to "
            f"{percent(labelled.most_probability)}): each counts for as many answers as it stands for."
        )
    return notes


def events_of(view: View) -> Events:
    """Deployments and incidents to mark in the view's charts."""
    return Events(data.traffic.deployments_within(view.window), data.alerts.incidents_within(view.window))
