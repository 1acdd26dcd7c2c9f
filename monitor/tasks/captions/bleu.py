"""BLEU-1 to BLEU-4: which runs of the caption's words stand in a reference, and whether it is long enough.

Papineni, Roukos, Ward and Zhu (2002), "BLEU: a Method for Automatic Evaluation of Machine Translation", ACL, section 2,
as the COCO caption evaluation computes it: counts summed over the corpus, the closest reference length (of two equally
close the shorter), and 1e-15 and 1e-9 in place of zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from monitor.stats.inputs import Floats
from monitor.tasks.captions.caption import Caption, CorpusScore
from monitor.tasks.captions.ngrams import MAX_N
from monitor.tasks.estimates import jackknife

_TINY: Final = 1e-15
_SMALL: Final = 1e-9


def bleu(scored: Sequence[Caption], probabilities: ArrayLike | None = None) -> tuple[CorpusScore, ...]:
    """BLEU-1, -2, -3 and -4 of at least two captions, each in [0, 1]; `probabilities` [n] as for `mean_share`.

    Raises:
        NotEnoughData: fewer than two captions, or probabilities that cannot be.
    """
    table = np.array([_counts(one) for one in scored], dtype=np.float64).reshape(-1, 2 * MAX_N + 2)
    # Sums, not means: the small numbers in place of zeros are relative to the corpus.
    corpus = jackknife(table, lambda means: bleu_of_counts(means * len(table)), 1.0, probabilities)
    each = bleu_of_counts(table)
    return tuple(CorpusScore(estimate, each[:, place]) for place, estimate in enumerate(corpus))


def bleu_of_counts(counts: Floats) -> Floats:
    """BLEU-1 to -4 [r, 4] from rows [r, 10]: matches of 1 to 4 words, runs of 1 to 4 words, words, reference words.

    The sum of such rows over a corpus gives its BLEU.
    """
    matches, runs, length, reference = np.split(counts, [MAX_N, 2 * MAX_N, 2 * MAX_N + 1], axis=1)
    precision = np.cumprod((matches + _TINY) / (runs + _SMALL), axis=1) ** (1.0 / np.arange(1, MAX_N + 1))
    ratio = (length + _TINY) / (reference + _SMALL)
    # A caption without words has a ratio of about 0: its penalty is exp of minus nearly infinity, which is 0.
    penalty = np.exp(np.maximum(1.0 - 1.0 / np.minimum(ratio, 1.0), -700.0))
    result: Floats = precision * penalty
    return result


def _counts(one: Caption) -> list[float]:
    matches = [0] * MAX_N
    for run, count in one.candidate.runs.items():
        matches[len(run) - 1] += min(count, max(reference.runs[run] for reference in one.references))
    length = len(one.candidate.words)
    runs = [max(0, length - n + 1) for n in range(1, MAX_N + 1)]
    closest = min((abs(len(reference.words) - length), len(reference.words)) for reference in one.references)[1]
    return [*matches, *runs, length, closest]
