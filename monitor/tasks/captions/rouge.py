"""ROUGE-L: the longest common subsequence of caption and reference.

Lin (2004), "ROUGE: A Package for Automatic Evaluation of Summaries", section 3, equations 2 to 4, as the COCO caption
evaluation computes it: beta = 1.2, best precision and best recall over the references, each for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from monitor.tasks.captions.caption import Caption, CorpusScore, means
from monitor.tasks.estimates import jackknife

BETA: Final = 1.2
"""How much more recall counts than precision."""


def rouge_l(scored: Sequence[Caption], probabilities: ArrayLike | None = None) -> CorpusScore:
    """Mean ROUGE-L of at least two captions, in [0, 1]; `probabilities` [n] as for `mean_share`.

    Raises:
        NotEnoughData: fewer than two captions, or probabilities that cannot be.
    """
    each = np.array([rouge_l_of(one) for one in scored], dtype=np.float64)
    (corpus,) = jackknife(each[:, None], means, 1.0, probabilities)
    return CorpusScore(corpus, each)


def rouge_l_of(one: Caption) -> float:
    """ROUGE-L of one caption, in [0, 1]; 0 for a caption without words."""
    words = one.candidate.words
    if not words:
        return 0.0
    common = [common_length(words, reference.words) for reference in one.references]
    precision = max(common) / len(words)
    recall = max(length / len(reference.words) for length, reference in zip(common, one.references, strict=True))
    if not precision:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence.

    One integer holds a row of the usual table, a bit for each place where it grows, so that long texts cost little:
    Hyyrö (2004), "Bit-parallel LCS-length computation revisited", AWOCA, figure 2.

    >>> common_length("the cat sat".split(), "the old cat has sat".split())
    3
    """
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        both = row & places.get(word, 0)
        row = ((row + both) | (row - both)) & full
    return len(first) - row.bit_count()
