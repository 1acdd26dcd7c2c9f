"""Captioning: people's ratings from 0 to 100, and over many captions the metrics of the field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeGuard

from monitor.domain.results import Answer, Judged, Label, Verdict
from monitor.errors import NotEnoughData
from monitor.tasks.captions import Caption, CaptionWeights, CorpusScore, DocumentFrequencies, bleu, cider_d, rouge_l
from monitor.tasks.captions.clip_score import clip_score_of_cosines
from monitor.tasks.estimates import Estimate, mean_share
from monitor.tasks.metric import Metric, Unit, accuracy
from monitor.tasks.task import Task, said, spoken_verdict, unscored

ACCEPTABLE_RATING: Final = 50.0
"""The middle of the scale: a caption rated at least this is counted as correct."""

MIN_CAPTIONS: Final = 2
"""What a jackknife interval, and CIDEr-D's document frequencies, need at least."""

_TEXT: Final = ("cider_d", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l")


class Captioning(Task):
    """score = rating / 100. A label without verdict and rating gives no outcome: reference captions alone do not.

    `weights` say how much each metric counts in `caption_quality`; `frequencies` how rare words are, as CIDEr-D weighs
    them: those of the measured captions' own references when None.
    """

    scorer: Final = "human_rating"
    set_valued = True

    def __init__(self, weights: CaptionWeights | None = None, frequencies: DocumentFrequencies | None = None) -> None:
        self.weights = weights or CaptionWeights()
        self.frequencies = frequencies

    def over(self, corpus: Sequence[Judged]) -> Task:
        """With the document frequencies of the corpus, where it has references of two pictures."""
        found = _captions(corpus).values()
        if len(found) < MIN_CAPTIONS:
            return self
        return Captioning(self.weights, DocumentFrequencies.of(found))

    def score(self, prediction: Answer, label: Label) -> Verdict:
        del prediction  # the rating already speaks of it
        if (spoken := spoken_verdict(label)) is not None:
            return spoken
        if not _is_rating(label.rating):
            return unscored(self.scorer)
        correct = label.rating >= ACCEPTABLE_RATING
        return Verdict(correct=correct, score=label.rating / 100.0, scorer=self.scorer)

    def metrics(self, rows: Sequence[Judged]) -> tuple[Metric, ...]:
        """Text metrics rest on the rows with a reference, in answer to which no caption at all scores 0."""
        columns = {
            "human_rating": _ratings(rows),
            **_text_scores(rows, self.frequencies),
            "clip_score": _clip_scores(rows),
        }
        columns["caption_quality"] = self._quality(rows, {name: one.each for name, one in columns.items()})
        return (accuracy(rows), *(one.metric(name) for name, one in columns.items()))

    def _quality(self, rows: Sequence[Judged], each: Mapping[str, Mapping[int, float]]) -> _Column:
        """Over the rows of which everything that counts is known."""
        places = set.intersection(*(set(each[name]) for name in self.weights.used))
        points = {
            place: self.weights.points({name: each[name][place] for name in self.weights.used})
            for place in sorted(places)
        }
        return _Column(points, _mean_points(rows, points), "points")


@dataclass(frozen=True, slots=True)
class _Column:
    """A metric's value by row, for the rows that have one, and its estimate over them."""

    each: Mapping[int, float]
    estimate: Estimate | None
    unit: Unit = "score"
    n: int = 0
    """Rows, where they are too few for an estimate."""

    def metric(self, name: str) -> Metric:
        return Metric.of(name, self.unit, self.estimate, scale=100.0 if self.unit == "points" else 1.0, n=self.n)


def _is_rating(rating: float | None) -> TypeGuard[float]:
    return rating is not None and 0.0 <= rating <= 100.0


def _ratings(rows: Sequence[Judged]) -> _Column:
    points = {place: row.label.rating for place, row in enumerate(rows) if _is_rating(row.label.rating)}
    return _Column(points, _mean_points(rows, points), "points")


def _mean_points(rows: Sequence[Judged], points: Mapping[int, float]) -> Estimate | None:
    """Mean of points from 0 to 100, as a share of 100."""
    if not points:
        return None
    return mean_share([value / 100.0 for value in points.values()], [rows[place].probability for place in points])


def _text_scores(rows: Sequence[Judged], frequencies: DocumentFrequencies | None) -> dict[str, _Column]:
    scored = _captions(rows)
    if len(scored) < MIN_CAPTIONS:
        return {name: _Column({}, None, n=len(scored)) for name in _TEXT}
    found = list(scored.values())
    drawn = [rows[place].probability for place in scored]
    scores = (cider_d(found, frequencies, drawn), *bleu(found, drawn), rouge_l(found, drawn))
    return {name: _column(score, list(scored)) for name, score in zip(_TEXT, scores, strict=True)}


def _captions(rows: Sequence[Judged]) -> dict[int, Caption]:
    """By place; rows without a reference that has a word in it are left out."""
    found = {}
    for place, row in enumerate(rows):
        with suppress(NotEnoughData):
            found[place] = Caption.of(said(row.answer) or "", row.label.answers)
    return found


def _clip_scores(rows: Sequence[Judged]) -> _Column:
    seen = {place: row.agreement for place, row in enumerate(rows) if row.agreement is not None}
    if len(seen) < MIN_CAPTIONS:
        return _Column({}, None, n=len(seen))
    return _column(clip_score_of_cosines(list(seen.values()), [rows[place].probability for place in seen]), list(seen))


def _column(score: CorpusScore, places: Sequence[int]) -> _Column:
    return _Column(dict(zip(places, score.each.tolist(), strict=True)), score.corpus)
