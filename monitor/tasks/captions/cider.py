"""CIDEr-D: how much the caption's runs of words agree with people's, rare ones counting more.

Vedantam, Zitnick and Parikh (2015), "CIDEr: Consensus-based Image Description Evaluation", CVPR, equations 1 to 3, and
for the variant D, with clipped counts and a penalty on length, the section on gameability; n = 1 to 4, sigma = 6, times
ten. As the COCO caption evaluation computes it, lengths are told by runs of two words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from monitor.errors import NotEnoughData
from monitor.tasks.captions.caption import Caption, CorpusScore, Text, means
from monitor.tasks.captions.ngrams import MAX_N, Ngram
from monitor.tasks.estimates import jackknife

SIGMA: Final = 6.0
FULL: Final = 10.0
"""The largest value: every caption equal to each of its references."""


@dataclass(frozen=True, slots=True)
class DocumentFrequencies:
    """In how many of `documents` pictures a run of words stands in some reference; runs that are missing count as one.

    Frozen, so that captions of different days are weighed alike.
    """

    documents: int
    counts: Mapping[Ngram, int]

    @classmethod
    def of(cls, scored: Iterable[Caption]) -> DocumentFrequencies:
        """Counted over the references of each picture.

        Raises:
            NotEnoughData: fewer than two pictures: every run would be as common as can be, and weigh nothing.
        """
        counts: Counter[Ngram] = Counter()
        documents = 0
        for one in scored:
            counts.update(set().union(*(reference.runs for reference in one.references)))
            documents += 1
        if documents < 2:
            raise NotEnoughData(f"CIDEr-D weighs words by the references of many pictures; there are {documents}")
        return cls(documents, dict(counts))

    def weight(self, run: Ngram) -> float:
        """Logarithm of the inverse document frequency, >= 0."""
        return log(self.documents / max(1, self.counts.get(run, 0)))


@dataclass(frozen=True, slots=True)
class _Vector:
    """The weighed runs of a text, by their length; with the norm of each."""

    weights: tuple[dict[Ngram, float], ...]
    norms: tuple[float, ...]
    length: int


def cider_d(
    scored: Sequence[Caption], frequencies: DocumentFrequencies | None = None, probabilities: ArrayLike | None = None
) -> CorpusScore:
    """Mean CIDEr-D of at least two captions, in [0, 10]; `probabilities` [n] as for `mean_share`.

    `frequencies` are counted over the references of these captions when None. The interval holds for them as given.

    Raises:
        NotEnoughData: fewer than two captions, or probabilities that cannot be.
    """
    if frequencies is None:
        frequencies = DocumentFrequencies.of(scored)
    each = np.array([cider_d_of(one, frequencies) for one in scored], dtype=np.float64)
    (corpus,) = jackknife(each[:, None], means, FULL, probabilities)
    return CorpusScore(corpus, each)


def cider_d_of(one: Caption, frequencies: DocumentFrequencies) -> float:
    """CIDEr-D of one caption, in [0, 10]."""
    mine = _vector(one.candidate, frequencies)
    similar = [_similarity(mine, _vector(reference, frequencies)) for reference in one.references]
    return FULL * sum(similar) / len(similar)


def _vector(text: Text, frequencies: DocumentFrequencies) -> _Vector:
    weights: tuple[dict[Ngram, float], ...] = tuple({} for _ in range(MAX_N))
    for run, count in text.runs.items():
        weights[len(run) - 1][run] = count * frequencies.weight(run)
    norms = tuple(sqrt(sum(value * value for value in one.values())) for one in weights)
    return _Vector(weights, norms, max(0, len(text.words) - 1))


def _similarity(mine: _Vector, theirs: _Vector) -> float:
    """Mean over the lengths of runs of the clipped cosine, in [0, 1], less where the texts differ in length."""
    cosines = 0.0
    for own, other, own_norm, other_norm in zip(mine.weights, theirs.weights, mine.norms, theirs.norms, strict=True):
        if own_norm and other_norm:
            clipped = sum(min(value, other[run]) * other[run] for run, value in own.items() if run in other)
            cosines += clipped / (own_norm * other_norm)
    return cosines / MAX_N * exp(-((mine.length - theirs.length) ** 2) / (2 * SIGMA**2))
