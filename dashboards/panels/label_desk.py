"""One task at a time: the picture, the question, the answer, and a key for each verdict."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import streamlit as st

from dashboards import data, frame
from dashboards.panels import who
from dashboards.words import moment, plain
from monitor.domain.label_tasks import TaskItem, TaskKey, TaskState
from monitor.domain.results import Judgement
from monitor.errors import InvalidEvent, SnellenError
from monitor.labelling.rows import MAX_TEXT
from monitor.services.label_tasks import Said

SIDE: Final = 720
"""Pixels of the picture's longer side."""
SHOWN: Final = 4000
"""Characters of a prompt, context or answer."""
EVERY_STRATUM: Final = "all strata"
JUDGE, SETTLE = "Judge", "Settle disputes"
VERDICTS: Final[tuple[tuple[Judgement, str, str], ...]] = (
    ("correct", "1", ":material/check:"),
    ("incorrect", "2", ":material/close:"),
    ("unsure", "3", ":material/question_mark:"),
)
RATED: Final = ("captioning",)
"""Tasks whose answers are rated from 0 to 100 as well."""
HELD: Final = "label_task"
LAST: Final = "label_last"
Choice = tuple[str, str | None, bool]


def desk() -> None:
    st.subheader("Judge", anchor=False)
    choice = _choose()
    if choice is None:
        frame.note("Say who you are: agreement is between people, and nobody settles their own dispute.")
        return
    try:
        task = _current(choice)
        if task is None:
            _nothing(choice)
        else:
            _judge(task, choice)
    except InvalidEvent as refused:
        st.warning(plain(str(refused)))


def _choose() -> Choice | None:
    """Buttons alone: a list to choose from keeps the focus, and takes the keys of the verdicts for a search."""
    name = _who()
    what = st.segmented_control(
        "What", [JUDGE, SETTLE], default=JUDGE, required=True, key="label_what", label_visibility="collapsed"
    )
    waiting = [one.stratum for one in data.labels.strata()]
    before = st.session_state.get("label_stratum", EVERY_STRATUM)  # stays also when the last of it is judged
    with st.expander(f"Of: {plain(before)}"):
        stratum = st.pills(
            "Stratum", list(dict.fromkeys([EVERY_STRATUM, *waiting, before])), default=EVERY_STRATUM, required=True,
            format_func=plain, key="label_stratum",
        )  # fmt: skip
    chosen = None if stratum == EVERY_STRATUM else stratum
    return (name, chosen, what == SETTLE) if name else None


def _who() -> str:
    """Once the name is given its field is gone: as long as it has the focus, the keys of the verdicts write."""
    name = who.known()
    if not name:
        return who.ask()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"You are **{plain(name)}**", width="content")
        st.button("Somebody else", type="tertiary", on_click=_leave)
    return name


def _leave() -> None:
    """Who comes next does not judge again what this one said."""
    who.forget()
    st.session_state.pop(LAST, None)


def _current(choice: Choice) -> TaskItem | None:
    """The task that this person holds, or the next one. Who chooses otherwise gives theirs back."""
    held: tuple[Choice, TaskItem] | None = st.session_state.get(HELD)
    if held is not None and held[0] == choice:
        return held[1]
    if held is not None:
        data.labels.release_task(held[1].key, held[0][0])
    name, stratum, adjudicate = choice
    task = data.labels.take_task(name, stratum, adjudicate=adjudicate)
    st.session_state[HELD] = None if task is None else (choice, task)
    return task


def _nothing(choice: Choice) -> None:
    if choice[2]:
        frame.empty(
            "No dispute waits for you.",
            "Who has judged an answer does not settle the dispute about it. What you have set aside is left to others.",
        )
    else:
        frame.empty("Nothing waits for you.", "What you have judged is not offered to you again. Try all strata.")
    _back(choice)


def _judge(task: TaskItem, choice: Choice) -> None:
    with st.container(border=True):
        picture, words = st.columns([3, 4], gap="large")
        with picture:
            _picture(task)
        with words:
            _words(task)
            _verdict(task, choice[0])
            _back(choice)


def _picture(task: TaskItem) -> None:
    found = (
        data.pictures.thumbnail(task.image_ref, task.image_sha256, SIDE) if task.image_ref else "no picture was logged"
    )
    if isinstance(found, bytes):
        st.image(found, width="stretch", alt="The picture that the question is about")
        return
    st.caption(f":material/hide_image: no picture: {plain(found[:300])}")
    if task.image_ref:
        st.code(task.image_ref[:SHOWN], language=None, wrap_lines=True)


def _words(task: TaskItem) -> None:
    """Prompt and answer come from anybody: shown as plain text only. What tells how sure the model was is left out."""
    slices = ", ".join(f"{key} = {value}" for key, value in sorted(task.slices.items()))
    question = task.prompt or "No question was logged." + (f" Of the request: {slices}" if slices else "")
    for title, words in (("Question", question), ("Context", task.context), ("The model's answer", task.answer)):
        if words:
            st.caption(title)
            st.text(words[:SHOWN])
    if task.words:
        st.caption("What was said of it")
        for one in task.words:
            st.text(f"{one.annotator}: {one.said}"[:SHOWN])
    st.caption(
        plain(
            f"{task.task} · {task.model} {task.version or '(no version)'} · {moment(task.key.ts)} UTC · "
            f"{slices[:200] or 'no slices'} · answered by {task.answers} of {task.annotators}"
        )
    )


def _verdict(task: TaskItem, name: str) -> None:
    """All keys hold the task's, so that the next one begins with empty inputs; what was typed outlives a page that
    cannot be drawn. What is pressed is stored before the page is drawn: without PostgreSQL it would get lost."""
    right, comment, rating = _inputs(task)
    st.text_input("What would be right, if it is not", max_chars=MAX_TEXT, key=right, persist_state="session")
    st.text_input("Comment", max_chars=MAX_TEXT, key=comment, persist_state="session")
    if task.task in RATED:
        st.number_input(
            "Rating, 0 to 100", 0.0, 100.0, None, step=5.0, key=rating, width=200, persist_state="session"
        )  # fmt: skip
    with st.container(horizontal=True, gap="small"):
        for verdict, key, icon in VERDICTS:
            st.button(
                verdict.capitalize(), f"{verdict}-{_own(task)}", icon=icon, shortcut=key, on_click=_say,
                args=(task, name, verdict),
            )  # fmt: skip
        st.button(
            "Set aside", f"skip-{_own(task)}", icon=":material/block:", shortcut="9", on_click=_set_aside,
            args=(task, name),
        )  # fmt: skip


def _own(task: TaskItem) -> str:
    return f"{task.key.ts.timestamp()}-{task.key.request_id}"


def _inputs(task: TaskItem) -> tuple[str, str, str]:
    """Keys of what would be right, the comment and the rating."""
    return f"right-{_own(task)}", f"comment-{_own(task)}", f"rating-{_own(task)}"


def _say(task: TaskItem, name: str, verdict: Judgement) -> None:
    right, comment, rating = (st.session_state.get(one) for one in _inputs(task))
    with _lost_aloud("verdict"):
        said = Said(verdict, (right,) if right else (), rating, comment or "")
        state = data.labels.answer_task(task.key, name, said)
        _next(task, f"{verdict}; the task is {state or 'gone'}")


def _set_aside(task: TaskItem, name: str) -> None:
    _, comment, _ = (st.session_state.get(one) for one in _inputs(task))
    with _lost_aloud("word"):
        done = data.labels.skip_task(task.key, name, comment or "cannot be judged")
        aside = "left to others" if task.state is TaskState.ADJUDICATING else "set aside"
        _next(task, aside if done else "not set aside: it is answered or gone")


@contextmanager
def _lost_aloud(what: str) -> Iterator[None]:
    """Nobody believes to have judged what was not stored. A toast is seen wherever the page is scrolled to."""
    try:
        yield
    except SnellenError as fault:
        words = f"**Your {what} was not stored, press again.** {plain(str(fault))}"
        st.toast(words, icon=":material/error:", duration="infinite")


def _next(task: TaskItem, outcome: str) -> None:
    st.session_state[LAST] = (task, outcome)
    st.session_state[HELD] = None


def _back(choice: Choice) -> None:
    """The answer before, to be judged again: the last word counts."""
    last: tuple[TaskItem, str] | None = st.session_state.get(LAST)
    if last is None:
        return
    task, outcome = last
    held: tuple[Choice, TaskItem] | None = st.session_state.get(HELD)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"Before: {plain(_named(task.key))} → {plain(outcome)}", width="content")
        if held is not None and held[1].key == task.key:
            return
        if st.button("Judge it again", type="tertiary", shortcut="0"):
            if held is not None:
                data.labels.release_task(held[1].key, choice[0])
            st.session_state[HELD] = (choice, task)
            st.rerun()


def _named(key: TaskKey) -> str:
    return key.request_id if len(key.request_id) <= 40 else f"{key.request_id[:39]}…"
