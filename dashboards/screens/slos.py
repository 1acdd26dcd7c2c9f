"""Every objective: how fast it burns, what is left, how much evidence a detection needs, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboards import data, frame, parts
from dashboards.charts import slos as charts
from dashboards.charts.axes import Events
from dashboards.charts.palette import STATES
from dashboards.frame import View
from dashboards.words import NOTHING, count, moment, percent, plain, times
from monitor.slo import duration
from monitor.slo.evaluation import State, TierReading, overspent
from monitor.slo.objective import Objective
from monitor.slo.policy import Tier
from monitor.store.outbox import UNSET
from monitor.store.queries.alerts import Delivery
from monitor.store.queries.slos import SloTick

OVERVIEW = ("objective", "state", "target", "budget left", "bad / events", "burn", "limit", "evaluated (UTC)", "slo")
TIERS = ("tier", "asks for", "state", "burn", "limit", "windows", "bad / events", "to detect", "to clear", "why")
MESSAGES = ("due (UTC)", "slo", "about", "channel", "state", "attempts", "last error")


def page() -> None:
    view = frame.open_page(
        "How fast does each error budget burn, what is left, and who was told?"
    )  # fmt: skip
    objectives = data.alerts.objectives()
    ticks = {one.slo: one for one in data.alerts.latest_ticks(min(view.window.end, data.now()))}
    names = sorted(objectives.keys() | ticks.keys(), key=lambda name: (urgency(ticks.get(name)), name))
    overview(names, objectives, ticks, view)
    alerts(view)
    if names:
        st.divider()
        chosen = st.selectbox("Objective", names, key="slo", bind="query-params")
        objective(chosen, objectives.get(chosen), ticks.get(chosen), view)
    st.divider()
    messages(view)


def urgency(tick: SloTick | None) -> float:
    """The worst first, of one state those whose budget is overspent; never evaluated comes last."""
    return len(State) if tick is None else list(State).index(tick.state) - 0.5 * overspent(tick.budget_remaining)


def overview(
    names: Sequence[str], objectives: Mapping[str, Objective], ticks: Mapping[str, SloTick], view: View
) -> None:
    if not ticks:
        frame.empty(
            "No objective has been evaluated in or before this range.",
            f"{len(objectives)} are described in `alerts.slo_dir`. Start `snellen schedule`, or evaluate past times "
            "with `snellen evaluate --as-of TIME`.",
        )
        return
    rows = [row(name, objectives.get(name), ticks.get(name), view) for name in names]
    parts.table(rows, OVERVIEW, column_config=parts.widths_of({"state": 155, "limit": 120}))
    frame.note(*(f"{plain(one.slo)}: {unheard_of(one)}" for one in ticks.values() if one.unseen))


def unheard_of(tick: SloTick) -> str:
    """Why an SLO has no data, where a name is to blame."""
    return f"no data: {plain(tick.unseen)}. Misspelt in `alerts.slo_dir`, or not deployed yet."


def row(name: str, document: Objective | None, tick: SloTick | None, view: View) -> dict[str, object]:
    worst = tick.worst if tick else None
    return {
        "objective": document.display_name if document else name, "slo": name,
        "state": parts.in_words(parts.slo_look(tick, view)) if tick else "○ never evaluated",
        "target": percent(float(document.target), 2) if document else "no document",
        "budget left": percent(tick.budget_remaining) if tick else NOTHING,
        "bad / events": f"{count(tick.bad)}/{count(tick.total)}" if tick else NOTHING,
        "burn": times(worst.burn_long) if worst else NOTHING,
        "limit": f"{times(worst.factor)} ({worst.name})" if worst else NOTHING,
        "evaluated (UTC)": moment(tick.tick) if tick else NOTHING,
    }  # fmt: skip


def alerts(view: View) -> None:
    st.subheader("Alerts in this range", anchor=False)
    found = data.alerts.incidents_within(view.window)
    if found:
        parts.incident_table(found, view)
        frame.note("Backfilled alerts were found when past times were evaluated; no channel heard of them.")
    else:
        frame.empty("No alert was open in this range.", "Alerts open when a tier of an objective fires.")


def objective(name: str, document: Objective | None, tick: SloTick | None, view: View) -> None:
    """One SLO in full."""
    st.subheader(plain(document.display_name if document else name), anchor=False)
    st.caption(promise(document))
    if tick is None:
        frame.empty("Never evaluated in or before this range.", "`snellen schedule` evaluates it every minute.")
    else:
        standing(tick, document)
        frame.note(unheard_of(tick) if tick.unseen else "")
        tiers = {one.name: one for one in document.tiers} if document else {}
        parts.table([reading(one, tiers.get(one.name)) for one in tick.tiers], TIERS)
    frame.note(
        "Burn and bad / events: long window, then short window. To detect: events that the long window needs for one "
        "look to find twice the limit in 8 cases of 10, with its evidence in the short window, too. To clear: with "
        "fewer, not even a clean record shows that all is well."
    )
    for one in (dropped for alerting in document.alerting for dropped in alerting.dropped) if document else ():
        st.caption(f":material/block: Tier {plain(one.name)} ({one.severity}) is left out: {plain(one.reason)}.")
    if tick is not None:
        courses(tick, view)


def promise(document: Objective | None) -> str:
    if document is None:
        return "No document of this name in `alerts.slo_dir`: it is evaluated no more."
    share, window = percent(float(document.target), 2), duration.words(document.window_minutes)
    return f"{plain(document.description)} At least {share} of {document.noun} over {window}."


def standing(tick: SloTick, document: Objective | None) -> None:
    left, spent, worst, counted = st.columns(4)
    with left:
        parts.figure("Budget left", percent(tick.budget_remaining), f"{count(tick.bad)} bad of {count(tick.total)}")
    with spent:
        allowed = NOTHING if document is None else f"{float(document.budget) * tick.total:,.1f}"
        parts.figure("Bad events", count(tick.bad), f"{allowed} allowed among so many")
    with worst:
        tier = tick.worst
        limit = f"{tier.name} fires above {times(tier.factor)}" if tier else "no events"
        parts.figure("Burn rate", times(tier.burn_long if tier else None), limit)
    with counted:
        covered = tick.detail.get("covered_minutes")
        known = duration.words(covered) if covered else NOTHING
        parts.figure("History", known, f"evaluated {moment(tick.tick)} UTC")


def reading(one: TierReading, tier: Tier | None) -> dict[str, object]:
    bound = "" if one.lower_bound is None else f", at least {percent(one.lower_bound)}"
    detect = tier.events_to_detect if tier else None
    return {
        "tier": one.name, "asks for": str(one.severity), "state": parts.in_words(STATES[one.state]),
        "burn": f"{times(one.burn_long)}, {times(one.burn_short)}",
        "limit": f"{times(one.factor)} ({percent(one.limit)} bad)",
        "windows": f"{duration.words(one.long_minutes)}, {one.short_window}",
        "bad / events": f"{shares(one)}{bound}", "why": one.reason,
        "to detect": NOTHING if detect is None else count(detect),
        "to clear": NOTHING if tier is None else count(tier.events_to_clear),
    }  # fmt: skip


def shares(one: TierReading) -> str:
    windows = ((one.long_bad, one.long_total), (one.short_bad, one.short_total))
    return ", ".join(f"{count(bad)}/{count(total)}" for bad, total in windows)


def courses(tick: SloTick, view: View) -> None:
    """Budget and burn rate of every tier over the range."""
    history = data.alerts.slo_history(tick.slo, view.window, view.step)
    if not history:
        frame.note(f"No evaluation in this range; the last one was at {moment(tick.tick)} UTC.")
        return
    mine = [one for one in data.alerts.incidents_within(view.window) if one.slo == tick.slo]
    events = Events(data.traffic.deployments_within(view.window), mine)
    drawn = [("Error budget left", charts.budget(history, view.window, events))]
    for tier in tick.tiers:
        title = f"{plain(tier.name)} ({tier.severity}), long window {duration.words(tier.long_minutes)}"
        drawn.append((title, charts.burn(history, tier, view.window, events)))
    for first in range(0, len(drawn), 2):
        for column, (title, drawing) in zip(st.columns(2, gap="large"), drawn[first : first + 2], strict=False):
            with column:
                st.caption(f"**{title}**")
                parts.chart(drawing)
    frame.note("Each point is the worst tick of its stretch; dotted lines are deployments, red shades open alerts.")


def messages(view: View) -> None:
    st.subheader("Messages", anchor=False)
    found = data.alerts.deliveries(view.window)
    if not found:
        frame.empty("No message was due in this range.", "The alert policies of the SLO documents choose the channels.")
        return
    sent = sum(one.sent_at is not None for one in found)
    failed = sum(one.failed_at is not None for one in found)
    st.caption(f"{sent} sent, {failed} failed for good, {len(found) - sent - failed} waiting.")
    parts.table([message(one) for one in found], MESSAGES)


def message(one: Delivery) -> dict[str, object]:
    state = UNSET if one.waits_for_channel else "waiting"
    if one.sent_at or one.failed_at:
        state = f"sent {moment(one.sent_at)}" if one.sent_at else f"failed {moment(one.failed_at)}"
    return {
        "due (UTC)": moment(one.due_at), "slo": one.slo, "about": one.kind, "channel": one.channel, "state": state,
        "attempts": one.attempts, "last error": one.last_error or "",
    }  # fmt: skip


page()
