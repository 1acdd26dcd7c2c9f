"""What an annotator does with label tasks: take one, answer it, set it aside, settle a dispute."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from monitor.domain.events import MAX_NAME, Annotator, Label, Rejection, content_hash
from monitor.domain.label_tasks import TaskItem, TaskKey, TaskState
from monitor.domain.results import Judgement
from monitor.errors import InvalidEvent
from monitor.labelling.rows import MAX_TEXT
from monitor.services.protect import Privacy
from monitor.services.score_labels import score, scoring
from monitor.store import label_tasks
from monitor.store.engine import transaction
from monitor.store.label_tasks import Terms
from monitor.store.labels import LabelArrival, insert_labels
from monitor.store.queries.label_tasks import item


@dataclass(frozen=True, slots=True)
class Said:
    """An annotator's answer to a task; at least one of its fields."""

    verdict: Judgement | None = None
    answers: tuple[str, ...] = ()
    """What would have been right."""
    rating: float | None = None
    """0 to 100, for captions."""
    comment: str = ""


class LabelDesk:
    """Where annotators sit. Their labels go the way of all labels: redacted, appended, scored at once."""

    def __init__(self, engine: Engine, privacy: Privacy, terms: Terms) -> None:
        self._engine = engine
        self._privacy = privacy
        self._terms = terms

    def take(
        self, annotator: str, now: datetime, *, stratum: str | None = None, adjudicate: bool = False
    ) -> TaskItem | None:
        """Claim the oldest task that this annotator may answer, for the time of the lease; None when there is none.

        Raises:
            InvalidEvent: the name is none.
            StoreError: PostgreSQL does not answer.
        """
        name = _name(annotator)
        with transaction(self._engine) as connection:
            key = label_tasks.take(connection, name, self._terms, now, stratum=stratum, adjudicate=adjudicate)
            return item(connection, key, self._terms, now, words=adjudicate) if key else None

    def answer(self, key: TaskKey, annotator: str, said: Said, now: datetime) -> TaskState | None:
        """Append a label and score it; returns what became of the task, None where there is none.

        Answering again corrects what one said before. Answering a dispute between others adjudicates it: of several who
        do so at once the first, and what the others say is an opinion more.

        Raises:
            InvalidEvent: nothing is said, a text is too long, or the rating is none.
            StoreError: PostgreSQL does not answer; nothing was stored.
        """
        name = _name(annotator)
        _check(said)
        with scoring(self._engine) as connection:
            state = label_tasks.state_of(connection, key, self._terms, now)
            settles = state is TaskState.ADJUDICATING and not label_tasks.has_answered(connection, key.request_id, name)
            event = Label(
                request_id=key.request_id, ts=now, annotator=Annotator(id=name, kind="human"), verdict=said.verdict,
                answers=tuple(one.strip() for one in said.answers if one.strip()), rating=said.rating,
                adjudicates=settles, comment=said.comment.strip() or None,
            )  # fmt: skip
            insert_labels(connection, [self._privacy.label(LabelArrival(event, content_hash(event), None))])
            score(connection, [key.request_id])
            label_tasks.release(connection, key, name)
            return label_tasks.state_of(connection, key, self._terms, now)

    def skip(self, key: TaskKey, annotator: str, reason: str, now: datetime) -> bool:
        """Set a task aside that cannot be answered; False when it is answered or gone meanwhile.

        A dispute stays open: others are offered it, this annotator no more.

        Raises:
            InvalidEvent: the reason is too long.
            StoreError: PostgreSQL does not answer.
        """
        name = _name(annotator)
        words = f"{name}: {self._privacy.redactor.comment(_short(reason.strip(), 'the reason'))}"
        with transaction(self._engine) as connection:
            label_tasks.release(connection, key, name)
            return label_tasks.skip(connection, key, words, now) or label_tasks.pass_on(connection, key, name, words)

    def release(self, key: TaskKey, annotator: str) -> None:
        """Give a task back unanswered, to be offered to others at once."""
        with transaction(self._engine) as connection:
            label_tasks.release(connection, key, _name(annotator))


def _name(annotator: str) -> str:
    name = annotator.strip()
    if not 1 <= len(name) <= MAX_NAME:
        raise InvalidEvent(Rejection.INVALID, f"an annotator's name has 1 to {MAX_NAME} characters, not {len(name)}")
    return name


def _check(said: Said) -> None:
    if said.verdict is None and said.rating is None and not any(one.strip() for one in said.answers):
        raise InvalidEvent(Rejection.INVALID, "say something: a verdict, what would be right, or a rating")
    if said.rating is not None and not 0 <= said.rating <= 100:
        raise InvalidEvent(Rejection.INVALID, f"a rating is a number from 0 to 100, not {said.rating!r}")
    for one in said.answers:
        _short(one, "an answer")
    _short(said.comment, "the comment")


def _short(words: str, what: str) -> str:
    if len(words) > MAX_TEXT:
        raise InvalidEvent(Rejection.INVALID, f"{what} has {len(words)} characters; at most {MAX_TEXT} are kept")
    return words
