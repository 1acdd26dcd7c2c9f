"""What annotators said of one answer: whose word decides, what it makes of the answer, and which texts count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

from monitor.domain.results import Answer, Candidate, Label, Verdict
from monitor.privacy import holds_marker
from monitor.tasks import TASKS, Task
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


def score_words(row: Answered, words: Sequence[Word]) -> list[Verdict]:
    """What annotators' words make of the answer: one verdict of all of them, or a vote of each.

    Where several answers may be right and all but name or rate, these are many opinions of one question, and the scorer
    weighs them as one label. Who is unsure has no part in it.
    """
    task, sure = TASKS.get(row.task), [word for word in words if word.verdict != "unsure"]
    if task is None or not sure or not _weighed(row, sure):
        return [score_word(row, word) for word in words]
    answer = answer_of(row)
    label = said_together(answer, sure, sure)
    named = [texts for word in sure if (texts := comparable(answer, word.answers))]
    if not task.set_valued and len(named) > 1:
        label = replace(label, answers=tuple(_vote(task, answer, texts) for texts in named))
    return [task.score(answer, label)]


def said_together(answer: Answer, naming: Iterable[Word], rating: Iterable[Word]) -> Label:
    """All answers that `naming` accept, and the mean rating of `rating`."""
    ratings = [one.rating for one in rating if one.rating is not None]
    return Label(
        answers=tuple(text for one in naming for text in comparable(answer, one.answers)),
        rating=sum(ratings) / len(ratings) if ratings else None,
    )


def not_outvoted(row: Answered, words: Sequence[W], correct: bool | None) -> list[W]:
    """Those whose texts are acceptable answers; `correct` is the outcome.

    Not those of who lost the vote, and in a tie those of neither side; of who is unsure none. Where opinions are
    weighed together nobody loses, and what a label lists (items, references) stays right whoever lost.
    """
    sure = [word for word in words if word.verdict != "unsure"]
    if _weighed(row, sure) or (row.task in TASKS and TASKS[row.task].set_valued):
        return sure
    return [word for word in sure if score_word(row, word).correct in (correct, None)]


def speaking(words: Iterable[W]) -> list[W]:
    """Those that say anything of whether the answer is right: a comment, or whether it is safe, takes back nothing."""
    return [
        one for one in words if one.verdict is not None or one.rating is not None or any(map(str.strip, one.answers))
    ]


def deciding(row: Answered, words: Sequence[W]) -> list[W]:
    """The last word of each adjudicator where it decides anything, else of each annotator.

    `words` are by age, without users'; those that do not speak of it do not count.
    """
    words = speaking(words)
    settling = last_words([one for one in words if one.adjudicates])
    return [one for one in settling if score_word(row, one).correct is not None] or last_words(words)


def last_words(words: Sequence[S]) -> list[S]:
    """Of each annotator; `words` by age."""
    return list({one.annotator_id: one for one in words}.values())


def comparable(answer: Answer, accepted: Sequence[str]) -> tuple[str, ...]:
    """The accepted answers that are not blank; none where something was removed from one of the texts.

    Comparing what is left would call different numbers the same.
    """
    texts = (answer.answer or "", *(one.answer for one in answer.candidates), *accepted)
    return () if any(map(holds_marker, texts)) else tuple(filter(str.strip, accepted))


def _weighed(row: Answered, words: Sequence[Word]) -> bool:
    """Are these opinions of a question to which several answers may be right, and no verdicts?"""
    task = TASKS.get(row.task)
    return task is not None and (task.open_ended or task.set_valued) and all(word.verdict is None for word in words)


def _vote(task: Task, answer: Answer, accepted: Sequence[str]) -> str:
    """What stands for an annotator who accepts these: what the model said, if that is among them."""
    return next((one for one in accepted if task.score(answer, Label(answers=(one,))).correct), accepted[0])
