"""What to do about an alert, in the order in which it pays; docs/runbook.md says more of each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from dashboards.words import plain
from monitor.domain.window import DAY, lasting
from monitor.slo.objective import Objective
from monitor.store.queries.alerts import Incident
from monitor.store.queries.deployments import Deployed

SUSPECT: Final = DAY / 4
"""Before the opening: a change within it may be the cause."""
STEPS: Final[dict[str, tuple[str, ...]]] = {
    "availability": (
        "Error codes of the examples below: one code or many, one slice or all of them?",
        "The service's own log, by the examples' request ids.",
    ),
    "latency": (
        "Which slices carry it: long prompts and large pictures are slow by themselves, a version is not.",
        "Requests a minute on Overview: more traffic than before, or the same and slower?",
    ),
    "label_accuracy": (
        "*What moved* and *Which side moved*: pictures are the cameras' or the upload's, agreement alone is a wrong "
        "pairing of pictures and questions, prompts alone are what people ask.",
        "Which slices carry it: one device or version can be taken out or rolled back by itself.",
        "Look at the wrong answers. If they are right, the labels are wrong: see who agrees with whom on Labels.",
    ),
    "coverage": (
        "*Calls in two records* on Ingest health: of which model does one side not come?",
        "The logger beside the service: a queue that overflows drops records while the service itself is well.",
    ),
    "label_backlog": (
        "What waits, by stratum, on Labels: are annotators away, or is more drawn than they can judge?",
        "Draw less (`labels.sample_rate`, `labels.daily_budget`) only if nobody can label more: intervals widen.",
    ),
    "drift": (
        "*What moved* names the cause; the examples below it show it.",
        "If labels say that answers are as good as before, bless the new traffic on Drift: it becomes the reference.",
    ),
}
"""SLI -> what to look at, after the last change. Markdown of ours."""


def steps(incident: Incident, objective: Objective | None, changes: Sequence[Deployed]) -> None:
    """Recent changes first: most incidents are one."""
    model = objective.measure.selector.model if objective else None
    since = incident.opened_at - SUSPECT
    recent = [one for one in changes if one.ts >= since and model in (None, one.model)]
    told = [suspects(incident, recent)] if recent else []
    told += STEPS[objective.measure.sli] if objective else ()
    if not told:
        return
    st.subheader("What to do", anchor=False)
    st.markdown("\n".join(f"{number}. {words}" for number, words in enumerate(told, start=1)))


def suspects(incident: Incident, recent: Sequence[Deployed]) -> str:
    """What was changed in the hours before. An alert opens some time after its cause, so the newest may be the cure."""
    named = "; ".join(f"{_named(one)}, {lasting(incident.opened_at - one.ts)} before it" for one in recent)
    return (
        f"What was changed: {named}. If the burn rate rose right after one of them, undo that first; a later one may "
        "be the cure, and old events still count."
    )


def _named(one: Deployed) -> str:
    version = one.version if one.variant == "stable" else f"{one.version} ({one.variant})"
    note = f" ({plain(one.note)})" if one.note else ""
    return f"**{plain(one.action)} of {plain(version)}**{note}"
