"""What every task type must offer, and the rule they share: an annotator's own verdict wins over scoring."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import ClassVar, Final, Protocol
from unicodedata import normalize

from monitor.domain.results import Answer, Candidate, Judged, Label, Verdict
from monitor.tasks.metric import Metric

LABEL: Final = "label"
"""Scorer of a verdict that the annotator gave in so many words."""


class Task(Protocol):
    """Scores one answer against one label. Implementations are stateless; see `TASKS`."""

    set_valued: ClassVar[bool] = False
    """Whether the texts of a label are a set, of relevant items or references, rather than names of one truth."""
    open_ended: ClassVar[bool] = False
    """Whether people who name different answers may all be right: theirs are weighed together, where others vote."""

    @property
    def scorer(self) -> str:
        """Name of the scoring rule, stored with every verdict."""

    def score(self, prediction: Answer, label: Label) -> Verdict:
        """The outcome; `correct` and `score` are None where the label or the answer does not allow one."""

    def metrics(self, rows: Sequence[Judged]) -> tuple[Metric, ...]:
        """Figures over many answers, always the same ones in the same order; n is 0 where nothing is known."""

    def over(self, corpus: Sequence[Judged]) -> Task:
        """The task as it measures parts of `corpus`, so that they can be compared; the same, unless that matters."""
        del corpus
        return self


def spoken_verdict(label: Label) -> Verdict | None:
    """The annotator's own verdict, or None if there is none; `unsure` is a verdict without an outcome."""
    match label.verdict:
        case None:
            return None
        case "unsure":
            return Verdict(correct=None, score=None, scorer=LABEL)
        case verdict:
            correct = verdict == "correct"
            return Verdict(correct=correct, score=float(correct), scorer=LABEL)


def unscored(scorer: str) -> Verdict:
    """The label says nothing that this scorer could use."""
    return Verdict(correct=None, score=None, scorer=scorer)


def said(prediction: Answer) -> str | None:
    """The model's answer: as given, else its best candidate, else None."""
    if prediction.answer is not None:
        return prediction.answer
    best = ranked(prediction)
    return best[0] if best else None


def accepted(row: Judged) -> tuple[str, ...]:
    """What the labels accept: the answers that they name; where they name none, the model's own if called right."""
    own = said(row.answer)
    return (own,) if row.correct and own is not None and not row.label.answers else row.label.answers


def ranked(prediction: Answer) -> tuple[str, ...]:
    """Candidate answers from best to worst; ties keep the order in which the model gave them.

    The answer stands alone where the model gave no candidates. A score of NaN, which no record brings, says nothing for
    its candidate: that comes last.
    """
    if not prediction.candidates:
        return () if prediction.answer is None else (prediction.answer,)
    return tuple(one.answer for one in sorted(prediction.candidates, key=_worst_last))


def _worst_last(candidate: Candidate) -> tuple[bool, float]:
    unknown = isnan(candidate.score)
    return unknown, 0.0 if unknown else -candidate.score


def folded(text: str) -> str:
    """Text for exact comparison: case, white space around and between words, and how accents are encoded do not count.

    An é may be one character or an e and an accent, by where it was typed, and file names are often the latter: Unicode
    Standard Annex 15, form C.
    """
    return " ".join(composed(text).casefold().split())


def composed(text: str) -> str:
    """The same text, each letter with its accents one character where there is one."""
    return normalize("NFC", text)
