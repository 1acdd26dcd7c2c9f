"""What burns, how fast, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from dashboards import data, frame, parts
from dashboards.charts import slos as charts
from dashboards.charts.axes import Events
from dashboards.words import NOTHING, count, moment, percent, plain, times
from monitor.domain.window import HOUR, MINUTE, Window
from monitor.slo import duration
from monitor.slo.burn_rate import EXHAUSTION_WINDOWS
from monitor.slo.evaluation import State, TierReading
from monitor.store.queries.alerts import Incident
from monitor.store.queries.buckets import step_for
from monitor.store.queries.slos import SloTick


def tier_of(incident: Incident, opening: SloTick | None) -> TierReading | None:
    """The tier that opened the alert: of its severity, firing, the quickest."""
    tiers = [one for one in opening.tiers if one.severity == incident.severity] if opening else []
    return max(tiers, key=lambda one: (one.state == State.FIRING, one.factor), default=None)


def burning(incident: Incident, tier: TierReading | None, during: Window) -> None:
    st.subheader("What burns, and how fast", anchor=False)
    if tier is None:
        frame.empty(
            "The evaluation that opened this alert is not stored.",
            "It may have been deleted by retention; the transitions below tell what was seen.",
        )
        return
    first, second, third = st.columns(3)
    with first:
        parts.figure(
            "Burn rate at opening",
            times(tier.burn_long),
            f"limit {times(tier.factor)} over {duration.words(tier.long_minutes)}",
            "How many times faster than allowed the error budget burns.",
        )
    with second:
        share = tier.long_bad / tier.long_total if tier.long_total else None
        parts.figure(
            "Bad share",
            percent(share),
            f"{count(tier.long_bad)}/{count(tier.long_total)} in {duration.words(tier.long_minutes)}",
        )
    with third:
        bound = NOTHING if tier.lower_bound is None else f"≥ {percent(tier.lower_bound)}"
        parts.figure(
            "How sure",
            bound,
            f"limit {percent(tier.limit)}",
            "Exact one-sided lower bound of the bad share: this tier fires only when it exceeds the limit.",
        )
    latest = next((one for one in data.alerts.latest_ticks(during.end) if one.slo == incident.slo), None)
    if latest is not None:
        now = next((one for one in latest.tiers if one.name == tier.name), None)
        st.caption(
            f"At {moment(latest.tick)} UTC: burn rate {times(now.burn_long if now else None)}, budget left "
            f"{percent(latest.budget_remaining, 0)}, {forecast(latest)}."
        )
    context = Window(during.start - max(during.length, 3 * HOUR), during.end + 5 * MINUTE)
    ticks = data.alerts.slo_history(incident.slo, context, step_for(context))
    if since := above_since(ticks, tier, incident.opened_at):
        st.caption(f"Above its limit in both windows since {moment(since)} UTC; it opened once the evidence sufficed.")
    parts.chart(
        charts.burn(ticks, tier, context, Events(data.traffic.deployments_within(context), [incident])),
        f"Tier {plain(tier.name)} fires when both lines are above the dashed one and the evidence suffices.",
    )


def above_since(ticks: Sequence[SloTick], tier: TierReading, opened_at: datetime) -> datetime | None:
    """The beginning of the unbroken stretch above the limit that led to the opening; None: it opened at once."""
    since = None
    for one in reversed([tick for tick in ticks if tick.tick < opened_at]):
        if not any(reading.name == tier.name and reading.burning for reading in one.tiers):
            return since
        since = one.tick
    return since


def forecast(tick: SloTick) -> str:
    """When the budget ends, by the shorter of the stored forecasts."""
    known = tick.detail.get("exhaustion") or []
    if tick.budget_remaining is not None and tick.budget_remaining <= 0:
        return "overspent"
    if not known:
        return "and no event of late to tell when it ends"
    one = known[0]
    pace = f"if it goes on as in the last {duration.words(one['window_minutes'])}"
    if one["window_minutes"] > EXHAUSTION_WINDOWS[0]:
        pace += f", of whose last {duration.words(EXHAUSTION_WINDOWS[0])} nothing is known"
    minutes, earliest, latest = (
        "never" if one.get(key) is None else duration.words(one[key]) for key in ("minutes", "earliest", "latest")
    )
    if earliest == "never":
        return f"which does not end {pace}"
    if minutes == "never":
        return f"which does not end before {earliest} {pace} (95%)"
    return f"which ends in {minutes} {pace} (95%: {earliest} to {latest})"
