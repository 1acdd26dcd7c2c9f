"""What moved, in words and pictures."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboards import data, frame, parts
from dashboards.charts.causes import effects
from dashboards.panels.requests import side_by_side
from dashboards.words import briefly, count, moment, plain, span
from monitor.domain.slices import ALL_TRAFFIC
from monitor.domain.window import Window
from monitor.explain.words import carried, in_words
from monitor.store.queries.explanations import StoredExplanation

LINES = 3
"""Causes that are told in words; the chart has all."""


def explained(window: Window, model: str | None, about: datetime | None = None) -> None:
    """The newest explanation of drift in this time, or the one nearest to a moment; others can be chosen."""
    st.subheader("What moved", anchor=False)
    found = data.drift.explanations(window, model)
    if not found:
        frame.empty(
            "No drift was explained in this time.",
            "`snellen schedule` explains drift once it persists; `snellen explain` compares any two windows.",
        )
        return
    first = 0 if about is None else min(range(len(found)), key=lambda one: abs(found[one].compared.current.end - about))
    chosen = st.selectbox("Explanation", found, first, format_func=_title, width=620) if len(found) > 1 else found[0]
    _show(chosen)


def _title(one: StoredExplanation) -> str:
    compared = one.compared
    where = "" if compared.part == ALL_TRAFFIC else f" · {compared.part}"
    return f"{briefly(compared.model)}{where} · {moment(compared.current.start)} to {moment(compared.current.end)} UTC"


def _show(one: StoredExplanation) -> None:
    causes = [cause for cause in one.findings.causes if cause.confirmed]
    if not causes:
        frame.empty(
            "No cause was confirmed.",
            f"None of {len(one.findings.causes)} candidates held on the rows that had no part in finding them; more "
            "rows or a richer text bank (`explain.concepts`) may name it.",
        )
    for number, cause in enumerate(causes[:LINES]):
        words = plain(in_words(cause))
        st.markdown(f"**{words}**" if number == 0 else words)
    for carrier in one.findings.carriers:
        st.markdown(f":material/location_on: {plain(carried(carrier))}")
    if causes:
        parts.chart(effects(causes))
    told = " · ".join(
        f"{shift.kind}s: AUC {shift.auc:.2f} ({shift.interval.lower:.2f} to {shift.interval.upper:.2f})"
        for shift in one.findings.shifts
    )
    st.caption(
        plain(
            f"{count(one.n_current)} requests of {span(one.compared.current)} against {count(one.n_reference)} of "
            f"{span(one.compared.reference)}; found on half of them, measured on the other half. {told}"
        )
    )
    if shown := data.drift.explanation_examples(one.id):
        st.caption("Requests that show it most clearly:")
        side_by_side(shown)
