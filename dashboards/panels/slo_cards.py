"""The objectives at a glance: state, budget left, burn rate."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboards import data, frame, parts
from dashboards.frame import View
from dashboards.words import count, moment, percent, plain, times
from monitor.slo import duration
from monitor.slo.objective import Objective
from monitor.store.queries.slos import SloTick

IN_A_ROW = 4


def slo_cards(ticks: Sequence[SloTick], view: View) -> None:
    st.subheader("Objectives", anchor=False)
    if not ticks:
        frame.empty(
            "No objective has been evaluated in or before this range.",
            "Start the scheduler with `snellen schedule`, or look at past times with `snellen evaluate --as-of TIME`. "
            "The documents lie in the folder of the setting `alerts.slo_dir`.",
        )
        return
    oldest, newest = min(one.tick for one in ticks), max(one.tick for one in ticks)
    st.caption(
        f"Evaluated at {moment(newest)} UTC" + ("." if oldest == newest else f"; the oldest at {moment(oldest)}.")
    )
    for first in range(0, len(ticks), IN_A_ROW):
        for column, tick in zip(st.columns(IN_A_ROW), ticks[first : first + IN_A_ROW], strict=False):
            with column, st.container(border=True, height="stretch", gap="xxsmall"):
                _card(tick, data.alerts.objectives().get(tick.slo), view)


def _card(tick: SloTick, objective: Objective | None, view: View) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        name = objective.display_name if objective else tick.slo
        frame.link("slos", f"**{plain(name)}**", slo=tick.slo)
        parts.badge(parts.slo_look(tick, view))
    left, right = st.columns(2)
    left.metric("Budget left", percent(tick.budget_remaining, 0), help=_promise(tick, objective))
    worst = tick.worst
    right.metric("Burn rate", times(worst.burn_long if worst else None), help=_limit(tick))
    st.caption(_seen(tick, objective))


def _seen(tick: SloTick, objective: Objective | None) -> str:
    """The counts behind the burn rate, or behind the budget where no tier has seen an event; or why none ever will."""
    worst = tick.worst
    if tick.unseen:
        return plain(tick.unseen)
    if worst:
        return f"{count(worst.long_bad)} bad of {count(worst.long_total)} in {duration.words(worst.long_minutes)}"
    window = f" in {duration.words(objective.window_minutes)}" if objective else ""
    return f"{count(tick.bad)} bad of {count(tick.total)}{window}, none of them lately" if tick.total else "n = 0"


def _promise(tick: SloTick, objective: Objective | None) -> str:
    counts = f"{count(tick.bad)} bad of {count(tick.total)} events"
    if objective is None:
        return f"{plain(tick.slo)}: no document of this name in `alerts.slo_dir`; {counts}."
    share = percent(float(objective.target), 2)
    window = duration.words(objective.window_minutes)
    return f"{plain(tick.slo)}: at least {share} of {objective.noun} good over {window}; {counts}."


def _limit(tick: SloTick) -> str:
    if tick.worst is None:
        return "No tier has seen an event."
    tier = tick.worst
    return (
        f"Of the tier nearest to its limit, {plain(tier.name)}: it fires above {times(tier.factor)} over "
        f"{duration.words(tier.long_minutes)} and {plain(tier.short_window)}. It says: {plain(tier.reason)}."
    )
