"""What annotators said of one answer: whose word decides, what it makes of the answer, and which texts count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeVar

from monitor.domain.results import Answer, Candidate, Label, Verdict
from monitor.privacy import holds_marker
from monitor.tasks import TASKS
from monitor.tasks.task import spoken_verdict, unscored

NO_TASK: Final = "none"
"""Scorer of a task that we have no scorer for: only verdicts in so many words count."""


class Spoken(Protocol):
    """That an annotator said something."""

    @property
    def annotator_id(self) -> str: ...
    @property
    def adjudicates(self) -> bool: ...


class Word(Spoken, Protocol):
    """What one annotator said, as it is stored."""

    @property
    def verdict(self) -> str | None: ...
    @property
    def answers(self) -> list[str]: ...
    @property
    def rating(self) -> float | None: ...


class Answered(Protocol):
    """What the model said, as it is stored."""

    @property
    def task(self) -> str: ...
    @property
    def answer(self) -> str | None: ...
    @property
    def candidates(self) -> list[dict[str, Any]] | None: ...


S = TypeVar("S", bound=Spoken)
W = TypeVar("W", bound=Word)


def answer_of(row: Answered) -> Answer:
    return Answer(row.answer, tuple(Candidate(one["answer"], one["score"]) for one in row.candidates or ()))


def score_word(row: Answered, word: Word) -> Verdict:
    """What one annotator's word makes of the answer, by the scorer of its task."""
    answer = answer_of(row)
    label = Label(verdict=word.verdict, answers=comparable(answer, word.answers), rating=word.rating)  # type: ignore[arg-type]
    task = TASKS.get(row.task)
    if task is None:
        return spoken_verdict(label) or unscored(NO_TASK)
    return task.score(answer, label)


def not_outvoted(row: Answered, words: Sequence[W], correct: bool | None) -> list[W]:
    """Those whose texts are acceptable answers.

    Where a verdict was given in so many words, not those of who lost the vote, and in a tie those of neither side.
    Where all only name answers, these are many opinions of one question, and a scorer weighs them all; and what a label
    lists (items, references) stays right whoever lost.
    """
    spoken = any(word.verdict not in (None, "unsure") for word in words)
    if not spoken or (row.task in TASKS and TASKS[row.task].set_valued):
        return list(words)
    return [word for word in words if score_word(row, word).correct in (correct, None)]


def deciding(words: Sequence[S]) -> list[S]:
    """The last word of each adjudicator where there is one, else of each annotator; `words` by age, without users'."""
    return last_words([one for one in words if one.adjudicates] or words)


def last_words(words: Sequence[S]) -> list[S]:
    """Of each annotator; `words` by age."""
    return list({one.annotator_id: one for one in words}.values())


def comparable(answer: Answer, accepted: Sequence[str]) -> tuple[str, ...]:
    """The accepted answers; none where something was removed from one of the texts.

    Comparing what is left would call different numbers the same.
    """
    texts = (answer.answer or "", *(one.answer for one in answer.candidates), *accepted)
    return () if any(map(holds_marker, texts)) else tuple(accepted)
