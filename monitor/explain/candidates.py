"""Everything that may have moved, each as one number per row; learnt from one half, tried on the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from monitor.explain.rows import Family, Rows, unit
from monitor.stats.inputs import Floats
from monitor.stats.kmeans import kmeans, nearest

Kind = Literal["slice", "feature", "pairing", "concept", "cluster"]
CLUSTERS: Final = 12
"""Per kind of vectors; fewer where there are fewer than 20 rows for each."""
ROWS_PER_CLUSTER: Final = 20
MOST_VALUES: Final = 100
"""Of one slice dimension, the most frequent ones."""
ROUNDING: Final = 2.0**-40
"""Of a measurement: two pictures of one format whose logarithms end in other bits differ in nothing."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible cause. `measure` gives one number per row, [n] with NaN where it does not apply.

    Where it is a `share`, a row belongs to it when its number is above zero, and people are told shares; else they are
    told means.
    """

    kind: Kind
    name: str
    of: str
    """The vectors or the slice dimension that it speaks of; empty where that says nothing."""
    share: bool
    measure: Callable[[Rows], Floats]
    family: str = ""
    """Of shares that add up to one: concepts of which a row is nearest to one."""
    in_words: bool = True
    """False: the name is only a number."""

    @property
    def sums_up(self) -> tuple[str, str, str]:
        """Equal for shares that add up to one."""
        return self.kind, self.of, self.family


def slices(reference: Rows, current: Rows, families: Sequence[Family], rng: np.random.Generator) -> Iterator[Candidate]:
    """A slice value whose share of the traffic changed."""
    counted: dict[str, Counter[str]] = {}
    for row in (*reference.slices, *current.slices):
        for dimension, value in row.items():
            counted.setdefault(dimension, Counter())[value] += 1
    for dimension, values in sorted(counted.items()):
        if len(values) > 1:
            for value, _ in values.most_common(MOST_VALUES):
                yield Candidate("slice", value, dimension, share=True, measure=_in_slice(dimension, value))


def features(
    reference: Rows, current: Rows, families: Sequence[Family], rng: np.random.Generator
) -> Iterator[Candidate]:
    """A measurement, of the picture's quality or the text, that rose or fell."""
    for name in sorted(reference.features.keys() & current.features.keys()):
        yield Candidate("feature", name, "", share=False, measure=_measurement(name))


def pairing(
    reference: Rows, current: Rows, families: Sequence[Family], rng: np.random.Generator
) -> Iterator[Candidate]:
    """How well picture and prompt go together, as the cosine of their vectors; vectors of different lengths are of two
    encoders that know nothing of each other."""
    known = reference.vectors if {"image", "prompt"} <= reference.vectors.keys() & current.vectors.keys() else {}
    if known and known["image"].shape[1] == known["prompt"].shape[1]:
        yield Candidate("pairing", "image-text agreement", "", share=False, measure=agreement)


def concepts(
    reference: Rows, current: Rows, families: Sequence[Family], rng: np.random.Generator
) -> Iterator[Candidate]:
    """A phrase that rows are nearest to, among those of its family."""
    for family in families:
        if family.kind in reference.vectors and family.kind in current.vectors:
            family.demand(reference.vectors[family.kind].shape[1])
            cosines = _cosines(family)
            for index, phrase in enumerate(family.phrases):
                yield Candidate(
                    "concept", phrase, family.kind, share=True, measure=_margin(cosines, index), family=family.name
                )


def clusters(
    reference: Rows, current: Rows, families: Sequence[Family], rng: np.random.Generator
) -> Iterator[Candidate]:
    """A cluster of the vectors (k-means on both windows together); it is named by the phrases that lie nearest."""
    for kind in sorted(reference.vectors.keys() & current.vectors.keys()):
        both = unit(np.concatenate([reference.vectors[kind], current.vectors[kind]]))
        both = both[np.isfinite(both).all(axis=1)]
        wanted = min(CLUSTERS, len(both) // ROWS_PER_CLUSTER)
        if wanted < 2:
            continue
        centres = kmeans(both, wanted, rng)
        middle, numbers = both.mean(axis=0), _nearest(kind, centres)
        for index, centre in enumerate(centres):
            words = described(centre - middle, kind, families)
            name = words or f"{kind} cluster {index + 1}"
            yield Candidate("cluster", name, kind, True, _is(numbers, index), in_words=bool(words))


KINDS: Final = {"slice": slices, "feature": features, "pairing": pairing, "concept": concepts, "cluster": clusters}
"""Kind of cause -> what finds the candidates of it in a half of the rows."""


def agreement(rows: Rows) -> Floats:
    """Cosine of image and prompt [n]; NaN where one of them is missing."""
    cosines: Floats = (unit(rows.vectors["image"]) * unit(rows.vectors["prompt"])).sum(axis=1)
    return cosines


def described(direction: Floats, kind: str, families: Sequence[Family]) -> str:
    """The phrases that lie farthest along a direction, one from each of the two families that stand out most; empty
    where no family is of this kind."""
    found = []
    for family in families:
        if family.kind == kind:
            phrases = unit(family.vectors)
            along = (phrases - phrases.mean(axis=0)) @ direction
            found.append((float(along.max() - np.median(along)), family.phrases[int(along.argmax())]))
    return ", ".join(phrase for _, phrase in sorted(found, reverse=True)[:2])


def _measurement(name: str) -> Callable[[Rows], Floats]:
    def measure(rows: Rows) -> Floats:
        mantissa, exponent = np.frexp(rows.features[name])
        rounded: Floats = np.ldexp(np.round(mantissa / ROUNDING) * ROUNDING, exponent)
        return rounded

    return measure


def _in_slice(dimension: str, value: str) -> Callable[[Rows], Floats]:
    return lambda rows: rows.within(dimension, value).astype(np.float64)


class _Once:
    """What a function makes of some rows, remembered: all candidates of a family share it."""

    def __init__(self, make: Callable[[Rows], Floats]) -> None:
        self._make = make
        self._known: dict[int, tuple[Rows, Floats]] = {}

    def __call__(self, rows: Rows) -> Floats:
        if id(rows) not in self._known:
            self._known[id(rows)] = rows, self._make(rows)
        return self._known[id(rows)][1]


def _cosines(family: Family) -> _Once:
    """Of rows to the phrases of a family [n, c]."""
    phrases = unit(family.vectors).T

    def measure(rows: Rows) -> Floats:
        vectors = rows.vectors[family.kind]
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        cosines: Floats = vectors @ phrases / np.maximum(lengths, 1e-30)
        return cosines

    return _Once(measure)


def _margin(cosines: _Once, index: int) -> Callable[[Rows], Floats]:
    """Cosine to the phrase less that to the best other phrase of its family: above zero where it is the nearest."""

    def measure(rows: Rows) -> Floats:
        found = cosines(rows)
        margins: Floats = found[:, index] - np.delete(found, index, axis=1).max(axis=1)
        return margins

    return measure


def _nearest(kind: str, centres: Floats) -> _Once:
    """Number of the centre that each row is nearest to [n]; NaN where it has no vector."""

    def measure(rows: Rows) -> Floats:
        vectors = unit(rows.vectors[kind])
        known = np.isfinite(vectors).all(axis=1)
        found = np.full(len(vectors), np.nan)
        found[known] = nearest(vectors[known], centres)
        return found

    return _Once(measure)


def _is(numbers: _Once, index: int) -> Callable[[Rows], Floats]:
    def measure(rows: Rows) -> Floats:
        found = numbers(rows)
        inside: Floats = np.where(np.isfinite(found), found == index, np.nan)
        return inside

    return measure
