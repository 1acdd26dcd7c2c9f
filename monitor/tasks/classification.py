"""Zero-shot classification: the top class must be an accepted one. Top-k follows from `monitor.tasks.ranking.rank`."""

from __future__ import annotations

from typing import Final

from monitor.domain.results import Answer, Label, Verdict
from monitor.tasks.task import folded, said, spoken_verdict, unscored


class Classification:
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
