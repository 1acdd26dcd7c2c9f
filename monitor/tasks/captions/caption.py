"""One caption and its references, cut into words once for all metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.errors import NotEnoughData
from monitor.stats.inputs import Floats
from monitor.tasks.captions.ngrams import Ngram, ngrams
from monitor.tasks.captions.tokens import words
from monitor.tasks.estimates import Estimate


@dataclass(frozen=True, slots=True)
class Text:
    """The words of a text, and how often each run of one to four of them occurs."""

    words: tuple[str, ...]
    runs: Counter[Ngram]

    @classmethod
    def of(cls, text: str) -> Text:
        cut = words(text)
        return cls(tuple(cut), ngrams(cut))


@dataclass(frozen=True, slots=True)
class Caption:
    """What the model wrote, and what people wrote of the same picture: at least one reference with a word in it."""

    candidate: Text
    references: tuple[Text, ...]

    @classmethod
    def of(cls, candidate: str, references: Iterable[str]) -> Caption:
        """Cut into words; references without any word are left out.

        Raises:
            NotEnoughData: no reference has a word in it, or what should be a text, or a list of them, is none.
        """
        references = [references] if isinstance(references, str) or not np.iterable(references) else list(references)
        if not all(isinstance(one, str) for one in (candidate, *references)):
            raise NotEnoughData("a caption and its references must be texts")
        cut = tuple(found for one in references if (found := Text.of(one)).words)
        if not cut:
            raise NotEnoughData("a caption needs at least one reference with a word in it")
        return cls(Text.of(candidate), cut)


@dataclass(frozen=True, slots=True, eq=False)
class CorpusScore:
    """A metric over n captions: `corpus` with its 95% interval, and `each` [n] caption's own score.

    The corpus's value is the mean of `each`, but for BLEU, whose counts are summed over the corpus first.
    """

    corpus: Estimate
    each: Floats


def captions(pairs: Iterable[tuple[str, Sequence[str]]]) -> list[Caption]:
    """Pairs of (candidate, references) as captions.

    Raises:
        NotEnoughData: there are none, one is no pair, or has no reference with a word in it.
    """
    pairs = list(pairs)
    if not all(map(_is_pair, pairs)):
        raise NotEnoughData("captions must be pairs of a candidate and its references")
    found = [Caption.of(candidate, references) for candidate, references in pairs]
    if not found:
        raise NotEnoughData("no captions to score")
    return found


def _is_pair(found: object) -> bool:
    return isinstance(found, Sequence) and not isinstance(found, str) and len(found) == 2


def means(parts: Floats) -> Floats:
    """The statistic of a metric that is a mean: the parts' means themselves."""
    return np.asarray(parts)
