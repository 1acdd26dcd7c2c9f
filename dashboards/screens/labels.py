"""For annotators: the next answer to judge, with one key per verdict; what waits, and how far annotators agree."""

from __future__ import annotations

import streamlit as st

from dashboards import data, frame, parts
from dashboards.frame import View
from dashboards.panels.label_desk import desk
from dashboards.words import NOTHING, count, moment, percent
from monitor.domain.label_tasks import TaskState
from monitor.domain.window import lasting
from monitor.services.agree import LEAST_UNITS, AgreementReport
from monitor.stats.agreement import Agreement


def page() -> None:
    view = frame.open_page("What is there to judge, is it judged in time, and do annotators agree?")
    if frame.nothing_yet():
        return
    desk()  # first: the picture and the keys are to be seen without a scroll
    figures(view)
    left, right = st.columns(2, gap="large")
    with left:
        strata()
        set_aside(view)
    with right:
        agreement(view)


def figures(view: View) -> None:
    waiting, disputed, states = (
        data.labels.backlog(),
        data.labels.disputes(),
        data.labels.states(view.window),
    )
    drawn, contested = sum(states.values()), states.get(TaskState.ADJUDICATING, 0)
    answered = states.get(TaskState.DONE, 0) + contested
    aside = states.get(TaskState.SKIPPED, 0) + states.get(TaskState.EXPIRED, 0)
    first, second, third, fourth = st.columns(4)
    with first:
        oldest = "" if waiting.oldest is None else f"the oldest for {lasting(data.now() - waiting.oldest)}"
        parts.figure("Waiting for an annotator", count(waiting.waiting), oldest or "nothing waits")
    with second:
        oldest = "" if disputed.oldest is None else f"the oldest of {moment(disputed.oldest)}"
        parts.figure("Disputed", count(disputed.waiting), oldest or "nobody contradicts anybody")
    with third:
        counts = f"{count(answered)} of {count(drawn)} drawn" + (f", {count(contested)} disputed" if contested else "")
        parts.figure("Answered", percent(answered / drawn if drawn else None), counts)
    with fourth:
        parts.figure("Set aside or expired", count(aside), f"of {count(drawn)} drawn in this range")


def strata() -> None:
    st.subheader("What waits, by stratum", anchor=False)
    found = data.labels.strata()
    if not found:
        frame.empty("Nothing waits for an annotator.", "What is drawn is said by the settings `labels.*`.")
        return
    rows = [
        {
            "stratum": one.stratum,
            "waiting": one.waiting,
            "claimed": one.claimed,
            "oldest waits for": lasting(data.now() - one.oldest),
        }
        for one in found
    ]
    parts.table(rows, ("stratum", "waiting", "claimed", "oldest waits for"))


def set_aside(view: View) -> None:
    """Why: a picture that nobody can open, or a question that nobody understands, is for somebody to mend."""
    found = data.labels.set_aside(view.window)
    if not found:
        return
    st.subheader("Set aside in this range", anchor=False)
    rows = [{"request": one.request_id, "stratum": one.stratum, "who and why": one.why} for one in found]
    parts.table(rows, ("request", "stratum", "who and why"))


def agreement(view: View) -> None:
    st.subheader("How far annotators agree", anchor=False)
    found = data.labels.agreement_of(view.window, view.selection)
    if not found.pairs and found.ratings is None:
        frame.empty(
            "No answer of this range was judged by more than one.",
            "A random share of the tasks is given to two people: the setting `labels.overlap`.",
        )
        return
    rows = [{"who": f"{one.first}, {one.second}", "answers": one.units, "alike": percent(one.alike / one.units),
             **coefficient("Cohen's kappa", one.kappa)} for one in found.pairs]  # fmt: skip
    parts.table([*everybody(found), *rows], ("who", "answers", "alike", "coefficient", "value", "95%"))
    frame.note(
        f"{count(found.unsure)} judgements were unsure: they count as missing." if found.unsure else "",
        f"A pair's kappa is shown from {LEAST_UNITS} answers on; it is not defined where all judgements are the same.",
        "1 is perfect, 0 what guessing with the same shares would give. Adjudications are left out.",
    )


def everybody(found: AgreementReport) -> list[dict[str, object]]:
    """One row for each coefficient of all annotators together."""
    named = (
        ("Krippendorff's alpha", found.alpha), ("Fleiss' kappa", found.fleiss), ("alpha of ratings", found.ratings),
    )  # fmt: skip
    return [
        {"who": "everybody", "answers": one.units, "alike": NOTHING, **coefficient(name, one)}
        for name, one in named
        if one is not None
    ]


def coefficient(name: str, value: Agreement | None) -> dict[str, object]:
    if value is None:
        return {"coefficient": name, "value": NOTHING, "95%": NOTHING}
    interval = f"{value.interval.lower:.2f} to {value.interval.upper:.2f}"
    return {"coefficient": name, "value": f"{value.coefficient:.2f}", "95%": interval}


page()
