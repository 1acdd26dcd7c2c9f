"""A page came: what burns, how sure is that, which side moved, which slices carry it, what do requests look like."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from dashboards import data, frame, parts
from dashboards.frame import View
from dashboards.panels.arriving import arriving
from dashboards.panels.burning import burning, tier_of
from dashboards.panels.care import care
from dashboards.panels.carried import carried
from dashboards.panels.examples import examples
from dashboards.panels.explained import explained
from dashboards.panels.moved import moved
from dashboards.panels.steps import steps
from dashboards.words import moment, plain, span
from monitor.domain.window import DAY, HOUR, MINUTE, Window, lasting
from monitor.slo import duration
from monitor.slo.objective import Objective
from monitor.store.queries.alerts import Incident, Transition
from monitor.store.queries.deployments import Deployed
from monitor.store.queries.incidents import windows_of

SILENT = ":material/notifications_paused:"


def page() -> None:
    view = frame.open_page(
        "One alert: what burns, how sure that is, which side moved, which slices carry it, what to do."
    )
    if frame.nothing_yet():
        return
    arriving(view)
    silent(view)
    incident = choose(view)
    if incident is None:
        return
    objective = data.alerts.objectives().get(incident.slo)
    opening = data.alerts.slo_tick(incident.slo, incident.opened_at)
    until = incident.resolved_at or data.now()
    tier = tier_of(incident, opening)
    during, before = windows_of(incident.opened_at, tier.long_minutes if tier else duration.HOUR, until)
    head(incident, objective)
    together(incident, until)
    changes = data.traffic.last_deployments(incident.opened_at + MINUTE)
    steps(incident, objective, changes)
    left, right = st.columns(2, gap="large")
    with left:
        burning(incident, tier, during)
    with right:
        if objective:
            carried(objective, during, before)
    deployments(incident.opened_at, changes)
    explained(during, objective.measure.selector.model if objective else None, incident.opened_at)
    moved(objective, during)
    if objective:
        examples(objective, during)
    history(incident)


def silent(view: View) -> None:
    """Planned work, now or soon: of what nobody is told meanwhile."""
    now = data.now()
    for one in data.alerts.silences_within(Window(now, now + DAY)) if view.live else []:
        when = f"until {moment(one.window.end)} UTC" if one.window.start <= now else span(one.window)
        words = f"**Silence {one.id}**, {when}: {plain(one.slos)} · {plain(one.by)}: {plain(one.reason)}"
        st.info(
            f"{words}  \nAlerts are stored; nobody is told. `snellen silence end {one.id}` ends it.",
            icon=SILENT,
        )


def choose(view: View) -> Incident | None:
    """The alert that the address names, else the first of the range; none where it names one that there is not."""
    within = sorted(data.alerts.incidents_within(view.window), key=_urgency)
    found = {one.id: one for one in within}
    asked = st.query_params.get("alert", "")
    linked = data.alerts.incident(int(asked)) if asked.isdecimal() and len(asked) < 19 else None
    if linked is not None:
        found.setdefault(linked.id, linked)
    elif asked:
        st.warning(f"There is no alert {plain(asked[:40])}; the link is wrong, or its history was deleted.")
    if not found:
        frame.empty(
            "No alert was open in this range.",
            "Nothing to do here. Older alerts need a longer range; objectives stand on the Overview.",
        )
        return None
    if view.live and all(one.resolved_at for one in within):
        frame.note("Nothing is open now.")
    ids = list(found)
    first = ids.index(linked.id) if linked else None if asked else 0
    chosen = st.selectbox("Alert", ids, first, lambda one: title(found[one]), placeholder="Choose another")
    if chosen is None:  # what the address names stays in it
        return None
    st.query_params["alert"] = str(chosen)
    return found[chosen]


def _urgency(one: Incident) -> tuple[bool, str]:
    """What is open comes first, and of that pages; what is over stays as the query orders it, the newest first."""
    over = one.resolved_at is not None
    return over, "" if over else one.severity


def title(one: Incident) -> str:
    """What tells alerts apart comes first: a narrow window cuts the rest."""
    return f"#{one.id} · {moment(one.opened_at)} UTC · {one.severity} · {one.slo} · {parts.incident_state(one)}"


def head(incident: Incident, objective: Objective | None) -> None:
    name = objective.display_name if objective else incident.slo
    over = incident.resolved_at is not None
    until = incident.resolved_at or data.now()
    words = f"**{plain(incident.severity.upper())}**: {plain(incident.opening or name)}"
    lasted = f"open since {moment(incident.opened_at)} UTC, {lasting(until - incident.opened_at)}"
    if over:
        lasted = f"opened {moment(incident.opened_at)}, closed {moment(until)} UTC"
    show = st.info if over else st.error
    news = f": {plain(incident.latest)}" if incident.latest != incident.opening else ""
    show(f"{words}  \n{lasted}{news}", icon=":material/notifications_active:")
    if not over:
        care(incident)
    frame.note(
        "Backfilled: found when past times were evaluated; nobody was told." if incident.backfilled else "",
        f"{plain(objective.description)}" if objective and objective.description else "",
        ""
        if objective
        else f"No document in `alerts.slo_dir` describes {plain(incident.slo)}: slices and examples need it.",
    )


def together(incident: Incident, until: datetime) -> None:
    """Others that were open meanwhile: one cause burns several objectives, and each tells of itself."""
    others = [
        one
        for one in data.alerts.incidents_within(Window(incident.opened_at - HOUR, until))
        if one.id != incident.id
    ]  # fmt: skip
    if not others:
        return
    st.caption(f"Open at the same time, often of one cause ({len(others)}):")
    known = data.alerts.objectives()
    with st.container(horizontal=True, gap="small"):
        for one in sorted(others, key=lambda one: (one.severity, one.opened_at)):
            name = known[one.slo].display_name if one.slo in known else one.slo
            same_day = one.opened_at.date() == incident.opened_at.date()
            opened = f"{one.opened_at:%H:%M}" if same_day else moment(one.opened_at)
            words = f"{one.severity}: {plain(name)}, {opened}"
            st.button(words, type="tertiary", key=f"to alert {one.id}", on_click=_turn_to, args=(one.id,))


def _turn_to(alert_id: int) -> None:
    st.query_params["alert"] = str(alert_id)


def deployments(opened_at: datetime, found: Sequence[Deployed]) -> None:
    st.subheader("Last deployments before it", anchor=False)
    if any(one.variant == "canary" for one in found):
        frame.link("canary", "Canary beside stable", ":material/compare_arrows:")
    if found:
        st.caption(f"The last one came {lasting(opened_at - found[0].ts)} before the alert opened.")
        parts.deployment_table(found)
    else:
        frame.empty(
            "No deployment was reported.", "Send `deployment/v1` events to `snellen.deployments` to see them here."
        )


def history(incident: Incident) -> None:
    st.subheader("What happened to this alert", anchor=False)
    for one in data.alerts.transitions(incident.id):
        st.markdown(
            f"**{moment(one.tick)}** · {plain(one.kind)} ({plain(one.reason.replace('_', ' '))}, {told(one)}): "
            f"{plain(one.explanation)}"
        )


def told(one: Transition) -> str:
    """Whether people were told, by the decision that was stored."""
    if one.backfilled:
        return "backfilled: nobody told"
    if one.evidence.get("notify"):
        return "told"
    return f"not told: {plain(str(one.evidence.get('muted_by') or 'not asked for'))}"


page()
