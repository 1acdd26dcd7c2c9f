"""Visual question answering: the official answer normalisation and soft accuracy.

Antol et al. (2015), "VQA: Visual Question Answering", ICCV; rules at https://visualqa.org/evaluation.html.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from monitor.domain.results import Answer, Judged, Label, Verdict
from monitor.errors import NotEnoughData
from monitor.tasks.contractions import CONTRACTIONS
from monitor.tasks.metric import Metric, Unknown, accuracy, share
from monitor.tasks.task import Task, composed, said, spoken_verdict, unscored
from monitor.tasks.yes_no import Polar, polar, polarity, rate, yes_no_metrics

MIN_ANNOTATORS: Final = 4
"""From four answers on they are annotators' votes (the benchmark collects ten): leaving one out, three can agree.
Fewer are a list of acceptable answers, any of which scores 1."""

CORRECT_FROM: Final = 0.5
"""Soft accuracy that counts as correct: with ten annotators, two agreeing give 0.6 and one gives 0.3."""

_AGREEMENT: Final = 3
"""So many annotators who agree make an answer fully right."""

_WORDS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS: Final = {word: str(value) for value, word in enumerate(_WORDS)} | {"none": "0"}
_ARTICLES: Final = frozenset({"a", "an", "the"})
_PUNCTUATION: Final = ';/[]"{}()=+\\_-><@`,?!'
"""All but apostrophe and colon: girl's is not girls, and 2:50 is a time."""
_PERIOD: Final = re.compile(r"\.(?!\d)")
_THOUSANDS: Final = re.compile(r"\d,\d")


class VisualQuestionAnswering(Task):
    """Soft accuracy min(1, matches / 3), averaged over leaving out each annotator in turn."""

    scorer: Final = "vqa_soft_accuracy"
    open_ended = True

    def score(self, prediction: Answer, label: Label) -> Verdict:
        if (spoken := spoken_verdict(label)) is not None:
            return spoken
        if not label.answers:
            return unscored(self.scorer)
        answer = said(prediction)
        score = 0.0 if answer is None else soft_accuracy(answer, label.answers)
        return Verdict(correct=score >= CORRECT_FROM, score=score, scorer=self.scorer)

    def metrics(self, rows: Sequence[Judged]) -> tuple[Metric, ...]:
        """Those of yes/no questions rest on the rows whose labels answer yes or no."""
        facts = [fact for row in rows if (fact := _fact(row)) is not None]
        soft = share("soft_accuracy", rows, lambda row: row.score)
        yes = rate("yes_share", facts, lambda one: one.said_yes)
        return (accuracy(rows), soft, share("exact_match", rows, _exact), *yes_no_metrics(facts), yes)


def _fact(row: Judged) -> Polar | None:
    """What a yes/no question has come to; its truth is unknown where it may be another question, None if it is one.

    It is a yes/no question if most annotators answer with the bare word: "No parking" is what a sign says. Where they
    name no answer, if the model's is the bare word; other ones tell nothing, unless they are right and say neither.
    """
    if named := row.label.answers:
        return polar(row) if 2 * sum(map(_bare, named)) > len(named) else None
    answer = said(row.answer) or ""
    if row.correct is None or (row.correct and polarity(answer) is None):
        return None
    return polar(row) if _bare(answer) else replace(polar(row), truth=Unknown.UNNAMED)


def _bare(answer: str) -> bool:
    return normalise(answer) in {"yes", "no"}


def _exact(row: Judged) -> bool | None:
    """Is the answer, normalised, one that some annotator gave? Where none did, one that is right."""
    if not row.label.answers:
        return row.correct
    answer = said(row.answer)
    return answer is not None and _compared(answer) in {_compared(accepted) for accepted in row.label.answers}


def soft_accuracy(answer: str, answers: Sequence[str]) -> float:
    """Soft accuracy in [0, 1] of `answer` against at least one annotator's answer.

    Both sides are normalised alike, as the page says. The official code takes but the punctuation off annotators'
    answers, and only where they differ: the published ones have been through the rest.

    >>> round(soft_accuracy("A cat!", ["cat"] * 2 + ["dog"] * 8), 3)
    0.6

    Raises:
        NotEnoughData: no annotator's answer, or what should be a text is none.
    """
    answers = [answers] if isinstance(answers, str) or not np.iterable(answers) else list(answers)
    if not all(isinstance(one, str) for one in (answer, *answers)):
        raise NotEnoughData("an answer and those of annotators must be texts")
    if not answers:
        raise NotEnoughData("an answer without annotators' answers has no soft accuracy")
    given = _compared(answer)
    matches = [_compared(accepted) == given for accepted in answers]
    total = sum(matches)
    if len(matches) < MIN_ANNOTATORS:
        return float(total > 0)
    return sum(min(1.0, (total - match) / _AGREEMENT) for match in matches) / len(matches)


def _compared(answer: str) -> str:
    """Normalised, however accents are encoded."""
    return normalise(composed(answer))


def normalise(answer: str) -> str:
    """Lower case, no punctuation or articles, digits for number words, apostrophes back in contractions.

    Equal to what the official code makes of a text, up to 32 periods; of more it takes out the first 32 only.

    >>> normalise("Two dogs, I think"), normalise("It isnt the 1,000th."), normalise("2.5 m")
    ('2 dogs i think', "it isn't 1000th", '2.5 m')
    """
    text = _without_punctuation(answer.replace("\n", " ").replace("\t", " ").strip())
    words = [_NUMBERS.get(word, word) for word in text.lower().split()]
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)


def _without_punctuation(text: str) -> str:
    """A mark beside a space goes, one between letters becomes a space; with 1,000 in the text all just go."""
    digits = _THOUSANDS.search(text) is not None
    cleaned = text
    for mark in _PUNCTUATION:
        alone = digits or f"{mark} " in text or f" {mark}" in text
        cleaned = cleaned.replace(mark, "" if alone else " ")
    return _PERIOD.sub("", cleaned)
