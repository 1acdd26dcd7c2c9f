"""Labelled answers, and everything by which they may be told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.errors import NotEnoughData
from monitor.explain.rows import Family, unit
from monitor.sampling.hashing import uniforms
from monitor.stats.inputs import Floats, as_outcomes, as_probabilities, as_with_gaps
from monitor.stats.weighted import weight_sums

Words = NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """n labelled answers. `correct` [n] is 0 or 1; `probabilities` [n] in (0, 1] are those with which each was drawn.

    `attributes` [n] are words by dimension, empty in rows that have none; `vectors` [n, d] embeddings by kind, with NaN
    in rows that have none. `groups` [n] are names: rows of one group may depend on each other. Build them with
    `labelled`.
    """

    correct: Floats
    probabilities: Floats
    attributes: Mapping[str, Words]
    vectors: Mapping[str, Floats]
    groups: Words

    def __len__(self) -> int:
        return len(self.correct)

    def take(self, rows: NDArray[np.int64]) -> Labelled:
        return Labelled(
            self.correct[rows],
            self.probabilities[rows],
            {name: values[rows] for name, values in self.attributes.items()},
            {kind: matrix[rows] for kind, matrix in self.vectors.items()},
            self.groups[rows],
        )

    def halves(self, key: str) -> tuple[Labelled, Labelled]:
        """Two halves by the hash of each group's name under `key`: a group stays together, and where it fell before."""
        first = uniforms(self.groups.tolist(), key) < 0.5
        return self.take(np.flatnonzero(first)), self.take(np.flatnonzero(~first))


def labelled(
    correct: ArrayLike,
    slices: Sequence[Mapping[str, str]],
    vectors: Mapping[str, ArrayLike] | None = None,
    probabilities: ArrayLike | None = None,
    families: Sequence[Family] = (),
    groups: Sequence[str] | NDArray[Any] | None = None,
) -> Labelled:
    """Put labels together with their metadata, their vectors, and the phrase of each family that they are nearest to.

    Args:
        correct: [n], true or false.
        slices: n values by dimension, texts; None like one that is left out.
        vectors: [n, d] by kind; NaN in rows that have none.
        probabilities: [n] in (0, 1], with which each was drawn for labelling; None when they are equal.
        families: phrases with vectors of the same encoder; their words become attributes beside the metadata.
        groups: n names (texts, whole numbers or times), such as minutes, of what may depend on each other; None: every
            row is by itself.

    Raises:
        NotEnoughData: lengths or shapes that do not fit, outcomes or probabilities out of range, values that are no
            texts, or groups without a name.
    """
    outcomes = as_outcomes(correct, "correct", least=1)
    n = outcomes.size
    drawn = as_probabilities(probabilities, "probabilities", n)
    weight_sums(outcomes, drawn)  # refuses weights that cannot be added up
    known = {kind: _of_rows(one, kind, n) for kind, one in (vectors or {}).items()}
    attributes = _values(slices, n)
    for family in families:
        if family.kind in known:
            attributes[f"{family.kind} {family.name}"] = _words(family, known[family.kind])
    together = np.arange(n).astype(np.str_) if groups is None else _names(groups, n)
    return Labelled(outcomes, drawn, attributes, known, together)


def _values(slices: object, n: int) -> dict[str, Words]:
    """Words by dimension, empty in rows that have none."""
    if isinstance(slices, np.ndarray):
        slices = np.atleast_1d(slices).tolist()
    if not isinstance(slices, Sequence) or not all(isinstance(one, Mapping) for one in slices):
        raise NotEnoughData("the metadata of labels must be a list of values by dimension")
    if len(slices) != n:
        raise NotEnoughData(f"{n} labels cannot be paired with the metadata of {len(slices)}")
    if not all(isinstance(value, str | None) for one in slices for value in one.values()):
        raise NotEnoughData("values of the metadata must be texts, or None where there is none")
    dimensions = sorted({name for one in slices for name in one})
    return {name: np.array([one.get(name) or "" for one in slices], dtype=np.str_) for name in dimensions}


def _names(groups: ArrayLike, n: int) -> Words:
    """The name of each row's group. Nothing is no name: rows without one have nothing to do with each other."""
    fault = f"{n} labels need as many names of groups: texts, whole numbers or times, none of them missing"
    if np.ma.is_masked(groups):
        raise NotEnoughData(fault)
    try:
        found = np.asarray(groups, dtype=object)
    except (RuntimeError, TypeError, ValueError):  # rows of different lengths, or a tensor that is not at hand
        raise NotEnoughData(fault) from None
    if found.ndim == 1 and found.size != n:
        raise NotEnoughData(f"{n} labels cannot be paired with the names of {found.size} groups")
    if found.ndim != 1 or not all(isinstance(one, str | int | np.integer | date) for one in found):
        raise NotEnoughData(fault)
    return found.astype(np.str_)


def _of_rows(vectors: ArrayLike, kind: str, n: int) -> Floats:
    found = as_with_gaps(vectors, f"{kind} vectors", dimensions=2)
    if len(found) != n or found.shape[1] == 0:
        raise NotEnoughData(f"{n} labels need {kind} vectors [{n}, d], not of shape {found.shape}")
    return found


def _words(family: Family, vectors: Floats) -> Words:
    """The phrase that each row is nearest to; empty where it has no vector."""
    family.demand(vectors.shape[1])
    known = np.isfinite(vectors).all(axis=1)
    words = np.full(len(vectors), "", dtype=f"<U{max(map(len, family.phrases))}")
    nearest = (unit(vectors[known]) @ unit(family.vectors).T).argmax(axis=1)
    words[known] = np.array(family.phrases)[nearest]
    return words
