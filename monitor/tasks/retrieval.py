"""Retrieval: how many of the relevant items stand among the k best."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from monitor.domain.results import Answer, Judged, Label, Verdict
from monitor.tasks.metric import Metric, Score, accuracy, share
from monitor.tasks.ranking import found, recall, reciprocal_rank
from monitor.tasks.task import Task, spoken_verdict, unscored

DEFAULT_K: Final = 10
CUTS: Final = (1, 5, 10)
"""The k of recall@k and hit@k that papers give."""


class Retrieval(Task):
    """score = recall@k: the share of the label's answers among the k best candidates; correct when any is there."""

    set_valued = True

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

    def metrics(self, rows: Sequence[Judged]) -> tuple[Metric, ...]:
        """A list shorter than k is the whole result. "R@k" of image-text retrieval papers is `hit_at_k`."""
        recalls = (share(f"recall_at_{k}", rows, partial(_recall, k)) for k in CUTS)
        hits = (share(f"hit_at_{k}", rows, partial(_hit, k)) for k in CUTS)
        return (accuracy(rows), *recalls, *hits, share("mrr", rows, lambda row: found(row, reciprocal_rank)))


def _recall(k: int, row: Judged) -> Score:
    return found(row, partial(recall, k=k), k)


def _hit(k: int, row: Judged) -> Score:
    part = _recall(k, row)
    return part > 0.0 if isinstance(part, float) else part
