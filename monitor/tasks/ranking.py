"""Where the first right answer stands among the candidates: top-k accuracy and recall@k rest on it."""

from __future__ import annotations

from monitor.domain.results import Answer, Judged, Label
from monitor.tasks.task import folded, ranked


def rank(prediction: Answer, label: Label) -> int | None:
    """Place (1 is the top) of the first candidate that the label accepts; None if there is none.

    So an answer counts for top-k accuracy when its rank is at most k.
    """
    accepted = {folded(answer) for answer in label.answers}
    places = (place for place, answer in enumerate(ranked(prediction), start=1) if folded(answer) in accepted)
    return next(places, None)


def recall(prediction: Answer, label: Label, k: int) -> float | None:
    """Share of the label's (distinct) answers found among the k best candidates, in [0, 1]; None without answers."""
    wanted = {folded(answer) for answer in label.answers}
    if not wanted:
        return None
    found = {folded(answer) for answer in ranked(prediction)[:k]}
    return len(wanted & found) / len(wanted)


def reciprocal_rank(row: Judged) -> float | None:
    """1 / rank of the first right answer, 0 when it is not there, in [0, 1]; None without answers in the label.

    Its mean is MRR: Voorhees (1999), "The TREC-8 Question Answering Track Report", section 3.
    """
    if not row.label.answers:
        return None
    place = rank(row.answer, row.label)
    return 0.0 if place is None else 1.0 / place
