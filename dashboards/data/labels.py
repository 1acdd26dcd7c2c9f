"""What waits for annotators, the desk where they answer, and how far they agree."""

from __future__ import annotations

import streamlit as st

from dashboards.data.connection import SLOW_TO_CHANGE, cached, config, engine, now
from monitor import bootstrap
from monitor.domain.label_tasks import TaskItem, TaskKey, TaskState
from monitor.domain.window import Window
from monitor.services.agree import agreement
from monitor.services.label_tasks import LabelDesk, Said
from monitor.store.label_tasks import Terms
from monitor.store.queries import label_tasks
from monitor.store.queries.backlog import LabelBacklog, label_backlog

_backlog = cached(label_backlog)
_strata = cached(label_tasks.backlog_by_stratum)
_states = cached(label_tasks.states)
disputes = cached(label_tasks.disputes)
set_aside = cached(label_tasks.set_aside)
agreement_of = cached(agreement, SLOW_TO_CHANGE)


def _terms() -> Terms:
    return bootstrap.label_terms(config())


def backlog() -> LabelBacklog:
    """What waits for annotators, now."""
    return _backlog(_terms(), now())


def strata() -> list[label_tasks.StratumBacklog]:
    """The same by stratum."""
    return _strata(_terms(), now())


def states(window: Window) -> dict[TaskState, int]:
    """Tasks of the predictions of a window by what became of them."""
    return _states(window, _terms(), now())


@st.cache_resource(show_spinner=False)
def _made_desk() -> LabelDesk:
    return bootstrap.make_label_desk(config(), engine())


def _label_desk() -> LabelDesk:
    engine()  # raises where the server does not answer: what annotators say is not left in doubt
    return _made_desk()


def take_task(annotator: str, stratum: str | None, *, adjudicate: bool) -> TaskItem | None:
    """The oldest task that this annotator may answer, held for them; None when there is none.

    Raises:
        InvalidEvent: the name is none.
        StoreError: PostgreSQL does not answer.
    """
    return _label_desk().take(annotator, bootstrap.now(), stratum=stratum, adjudicate=adjudicate)


def answer_task(key: TaskKey, annotator: str, said: Said) -> TaskState | None:
    """Append what an annotator says; returns what became of the task.

    Raises:
        InvalidEvent: it says nothing, or too much.
        StoreError: PostgreSQL does not answer.
    """
    return _label_desk().answer(key, annotator, said, bootstrap.now())


def skip_task(key: TaskKey, annotator: str, reason: str) -> bool:
    """Set a task aside that cannot be answered, a dispute for this annotator only; False when that came too late.

    Raises:
        InvalidEvent: the reason is too long.
        StoreError: PostgreSQL does not answer.
    """
    return _label_desk().skip(key, annotator, reason, bootstrap.now())


def release_task(key: TaskKey, annotator: str) -> None:
    """Give a task back unanswered."""
    _label_desk().release(key, annotator)
