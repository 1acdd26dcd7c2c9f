"""Multiple choice: the letter of the chosen option, or its text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from monitor.domain.results import Answer, Judged, Label, Verdict
from monitor.tasks.metric import Metric, Score, Unknown, accuracy, share
from monitor.tasks.task import Task, folded, said, spoken_verdict, unscored

_READ: Final = 2000
"""Characters of an answer that are read: the choice stands at its beginning."""

_LEAD: Final = r"(?:(?:the\s)?(?:correct\s)?(?:answer|option|choice)(?:s\b)?+(?:\s(?:is|are))?\s?:?\s?)?"
"""The s of a plural is never given back as a letter: "options" names none."""
_ALONE: Final = re.compile(rf"{_LEAD}[(\[{{*]*([a-z])[)\]}}*.:,;]*", re.IGNORECASE)
"""One letter, alone but for brackets and closing marks, or after "the answer is"."""
_MARKED: Final = re.compile(rf"{_LEAD}(?:[(\[]([a-z])[)\]][.:]?\s?|([a-z])(?:[):]\s?|\.\s))(.+)", re.IGNORECASE)
"""A letter that is marked as one by brackets, a period or a colon, and then text. After a period there must be a space:
"a.m." names none. Other letters are not guessed at."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What an answer names: the upper-case letter of an option, the option's folded text, or both."""

    letter: str | None
    text: str

    def same_as(self, other: Choice) -> bool:
        """Letters decide where both have one."""
        if self.letter is not None and other.letter is not None:
            return self.letter == other.letter
        return bool(self.text) and self.text == other.text


class MultipleChoice(Task):
    """Compares letters: " (b) ", "B.", "b" and "B. the left one" are the same choice; without letters, texts."""

    scorer: Final = "choice_letter"

    def score(self, prediction: Answer, label: Label) -> Verdict:
        if (spoken := spoken_verdict(label)) is not None:
            return spoken
        if not label.answers:
            return unscored(self.scorer)
        given = choice(said(prediction) or "")
        correct = any(given.same_as(choice(accepted)) for accepted in label.answers)
        return Verdict(correct=correct, score=float(correct), scorer=self.scorer)

    def metrics(self, rows: Sequence[Judged]) -> tuple[Metric, ...]:
        return accuracy(rows), share("unreadable_rate", rows, _unreadable)


def choice(text: str) -> Choice:
    """The choice that a text names.

    >>> choice(" (b) "), choice("the answer is B."), choice("B: The  left one").text, choice("A cat").letter
    (Choice(letter='B', text=''), Choice(letter='B', text=''), 'the left one', None)
    """
    plain = " ".join(text[:_READ].split())
    if found := _ALONE.fullmatch(plain):
        return Choice(found[1].upper(), "")
    if found := _MARKED.fullmatch(plain):
        return Choice((found[1] or found[2]).upper(), folded(found[3]))
    return Choice(None, folded(plain))


def _unreadable(row: Judged) -> Score:
    """Does the answer name no letter where the label does? Such answers are wrong by their form, not by their sense.

    Where a verdict is all that was said, the right answer has a letter if this one has; if not, nobody knows.
    """
    unread = choice(said(row.answer) or "").letter is None
    if not row.label.answers and row.correct is not None:
        return Unknown.UNNAMED if unread else False
    wanted = [choice(accepted).letter for accepted in row.label.answers]
    return None if None in wanted or not wanted else unread
