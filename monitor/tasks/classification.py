"""Zero-shot classification: the top class must be an accepted one. top-k accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from monitor.domain.results import Answer, Judged, Label, Verdict
from monitor.tasks.metric import Metric, Score, Unknown, accuracy, share
from monitor.tasks.ranking import found, rank
from monitor.tasks.task import Task, folded, ranked, said, spoken_verdict, unscored

CUTS: Final = (1, 3, 5)
"""The k of top-k accuracy."""


class Classification(Task):
    """Exact match of the answer (or the best candidate) with any accepted class, case and spaces aside."""

    scorer: Final = "exact_match"

    def score(self, prediction: Answer, label: Label) -> Verdict:
        if (spoken := spoken_verdict(label)) is not None:
            return spoken
        if not label.answers:
            return unscored(self.scorer)
        answer = said(prediction)
        correct = answer is not None and folded(answer) in {folded(accepted) for accepted in label.answers}
        return Verdict(correct=correct, score=float(correct), scorer=self.scorer)

    def metrics(self, rows: Sequence[Judged]) -> tuple[Metric, ...]:
        return (accuracy(rows), *(share(f"top_{k}", rows, partial(_within, k)) for k in CUTS))


def _within(k: int, row: Judged) -> Score:
    """Is an accepted class among the k best? A shorter list may go on, unless the model said nothing."""
    hit = found(row, partial(_hit, k), k)
    return Unknown.CUT_OFF if hit == 0.0 and 0 < len(ranked(row.answer)) < k else hit


def _hit(k: int, prediction: Answer, label: Label) -> bool:
    place = rank(prediction, label)
    return place is not None and place <= k
