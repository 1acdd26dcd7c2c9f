"""Retrieval: how many of the relevant items stand among the k best."""

from __future__ import annotations

from typing import Final

from monitor.domain.results import Answer, Label, Verdict
from monitor.tasks.ranking import recall
from monitor.tasks.task import spoken_verdict, unscored

DEFAULT_K: Final = 10


class Retrieval:
    """score = recall@k: the share of the label's answers among the k best candidates; correct when any is there."""

    def __init__(self, k: int = DEFAULT_K) -> None:
        self.k = k

    @property
    def scorer(self) -> str:
        return f"recall_at_{self.k}"

    def score(self, prediction: Answer, label: Label) -> Verdict:
        if (spoken := spoken_verdict(label)) is not None:
            return spoken
        share = recall(prediction, label, self.k)
        if share is None:
            return unscored(self.scorer)
        return Verdict(correct=share > 0.0, score=share, scorer=self.scorer)
