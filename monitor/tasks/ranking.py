"""Where the first right answer stands among the candidates: top-k accuracy and recall@k rest on it."""

from __future__ import annotations

from collections.abc import Callable

from monitor.domain.results import Answer, Judged, Label
from monitor.tasks.metric import Score, Unknown
from monitor.tasks.task import accepted, folded, ranked, said


def rank(prediction: Answer, label: Label) -> int | None:
    """Place (1 is the top) of the first candidate that the label accepts; None if there is none.

    So an answer counts for top-k accuracy when its rank is at most k.
    """
    wanted = {folded(answer) for answer in label.answers}
    places = (place for place, answer in enumerate(ranked(prediction), start=1) if folded(answer) in wanted)
    return next(places, None)


def recall(prediction: Answer, label: Label, k: int) -> float | None:
    """Share of the label's (distinct) answers found among the k best candidates, in [0, 1]; None without answers."""
    wanted = {folded(answer) for answer in label.answers}
    if not wanted:
        return None
    best = {folded(answer) for answer in ranked(prediction)[:k]}
    return len(wanted & best) / len(wanted)


def reciprocal_rank(prediction: Answer, label: Label) -> float:
    """1 / rank of the first right answer, 0 when it is not there, in [0, 1].

    Its mean is MRR: Voorhees (1999), "The TREC-8 Question Answering Track Report", section 3.
    """
    place = rank(prediction, label)
    return 0.0 if place is None else 1.0 / place


def found(row: Judged, measure: Callable[[Answer, Label], Score], k: int | None = None) -> Score:
    """The measure of the k best candidates (None: of all), which is 0 when none of them is right.

    Of an answer that was called wrong, but for which nobody named a right one, only this one is known not to be it.
    """
    if answers := accepted(row):
        return measure(row.answer, Label(answers=answers))
    if row.correct is not False:
        return None
    wrong = folded(said(row.answer) or "")
    return Unknown.UNNAMED if any(folded(one) != wrong for one in ranked(row.answer)[:k]) else 0.0
