"""Captioning: people's ratings from 0 to 100. Text metrics over many captions are no per-answer verdict."""

from __future__ import annotations

from typing import Final

from monitor.domain.results import Answer, Label, Verdict
from monitor.tasks.task import spoken_verdict, unscored

ACCEPTABLE_RATING: Final = 50.0
"""The middle of the scale: a caption rated at least this is counted as correct."""


class Captioning:
    """score = rating / 100. A label without verdict and rating gives no outcome: reference captions alone do not."""

    scorer: Final = "human_rating"

    def score(self, prediction: Answer, label: Label) -> Verdict:
        del prediction  # the rating already speaks of it
        if (spoken := spoken_verdict(label)) is not None:
            return spoken
        if label.rating is None or not 0.0 <= label.rating <= 100.0:
            return unscored(self.scorer)
        correct = label.rating >= ACCEPTABLE_RATING
        return Verdict(correct=correct, score=label.rating / 100.0, scorer=self.scorer)
