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
"""Characters that are read of either end of an answer: the choice stands at its beginning, or is named at last."""

_SAID: Final = (
    r"(?:(?:so|thus|hence|therefore),?\s)?(?:(?:the|my)\s)?"
    r"(?:(?:(?:correct|final|best|right)\s)?answer|(?:correct|best|right)\s(?:option|choice))"
)
_LEAD: Final = (
    rf"(?:(?:{_SAID}|(?:the\s)?(?:option|choice))(?:s\b)?+(?:\s(?:is|are))?\s?:?\s?"
    r"(?:(?<=[\s:])(?:option|choice)\s)?)?"
)
"""The s of a plural is never given back as a letter: "options" names none."""
_NAMED: Final = re.compile(rf"{_SAID}s?(?:\s(?:is|are)\b|\s?:)", re.IGNORECASE)
"""A line that says which is the answer, unlike "Answer A: too small"."""
_NO_OTHER: Final = r"(?!(?:and|or|,|/|&|\+)\s?[(\[<]*[a-z]\b)"
"""After a letter: not a second one."""
_ALONE: Final = re.compile(rf"{_LEAD}[(\[{{<*]*([a-z])[)\]}}>*]*[.:,;]*", re.IGNORECASE)
"""One letter, alone but for brackets and closing marks, or after "the answer is"."""
_MARKED: Final = re.compile(
    rf"{_LEAD}(?:[(\[<]([a-z])[)\]>][.:]?+\s?+|([a-z])(?:[):]\s?+|\.\s)){_NO_OTHER}(.+)", re.IGNORECASE
)
"""A letter that is marked as one by brackets, a period or a colon, and then text. After a period there must be a space:
"a.m." names none. Other letters are not guessed at."""
_SET_OFF: Final = re.compile(
    rf"{_LEAD}(?-i:([A-Z])(?:\s[-–—]|(?<!I),)\s)(?!(?:[a-z]|and|or|maybe|perhaps|possibly)\b)(.+)", re.IGNORECASE
)
"""A capital set off from the text by a dash or a comma, but "A - B" and "B, or C" name two, and "I, too" none."""
_REASONED: Final = re.compile(
    rf"{_LEAD}(?-i:([A-Z]))\s(?:because|is\s(?:the\s)?(?:correct|right|best))\b[^?]*", re.IGNORECASE
)
_DRESS: Final = re.compile(
    r"\*\*|__|`+|\$+|\\(?:boxed|text|textbf|mathbf|mathrm)\b|\\[()\[\]]|</?[a-z]{2,}>", re.IGNORECASE
)
"""What Markdown, LaTeX and tags put around a letter."""
_GOES_ON: Final = re.compile(rf"(?<=:)\n(?!{_SAID}\b)", re.IGNORECASE)
_SENTENCE: Final = re.compile(rf"(?<=[.!?])\s(?={_SAID}\b)", re.IGNORECASE)


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
    """The choice that a text names: in the last line that says which is the answer, else in its first one.

    Where other lines begin with other letters, none: they are the options, or answers to several questions.

    >>> choice(" (b) "), choice("the answer is B."), choice("B: The  left one").text, choice("A cat").letter
    (Choice(letter='B', text=''), Choice(letter='B', text=''), 'the left one', None)
    """
    lines = _lines(text)
    named = [found for line in lines if (found := _named(line))]
    begun = [_read(line) for line in lines]
    if named:
        return named[-1]
    if begun and (first := begun[0]) and all(one.letter == first.letter for one in begun if one):
        return first
    return Choice(None, folded(text[:_READ]))


def _lines(text: str) -> list[str]:
    """Each with single spaces, none empty; a sentence that names the answer begins one, a colon goes on in the next."""
    if len(text) > 2 * _READ:
        text = text[:_READ] + "\n" + text[-_READ:].partition("\n")[2]
    plain = "\n".join(folded for line in text.splitlines() if (folded := " ".join(line.split())))
    return _SENTENCE.sub("\n", _GOES_ON.sub(" ", plain)).splitlines()


def _named(line: str) -> Choice | None:
    """The choice of a line that says that it is the answer."""
    return _read(line) if _NAMED.match(_undressed(line)) else None


def _read(line: str) -> Choice | None:
    """The choice that a line begins with."""
    for plain in (line, _undressed(line)):
        if found := _ALONE.fullmatch(plain) or _REASONED.fullmatch(plain):
            return Choice(found[1].upper(), "")
        if found := _MARKED.fullmatch(plain) or _SET_OFF.fullmatch(plain):
            *letters, rest = found.groups()
            return Choice("".join(one or "" for one in letters).upper(), folded(rest))
    return None


def _undressed(line: str) -> str:
    return " ".join(_DRESS.sub("", line).split())


def _unreadable(row: Judged) -> Score:
    """Does the answer name no letter where the label does? Such answers are wrong by their form, not by their sense.

    Where a verdict is all that was said, the right answer has a letter if this one has; if not, nobody knows.
    """
    unread = choice(said(row.answer) or "").letter is None
    if not row.label.answers and row.correct is not None:
        return Unknown.UNNAMED if unread else False
    wanted = [choice(accepted).letter for accepted in row.label.answers]
    return None if None in wanted or not wanted else unread
