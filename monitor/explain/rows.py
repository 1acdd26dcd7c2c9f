"""What is explained: the retained rows of two windows, and the words that may name what moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.errors import NotEnoughData
from monitor.stats.groups import as_groups
from monitor.stats.inputs import Floats, as_matrix, as_with_gaps


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """n predictions of one window.

    `slices` [n] says for each which value it has in which dimension. `vectors` holds [n, d] embeddings by kind (image,
    prompt), each kind with its own d, `features` [n] measurements by name (brightness, prompt length), both with NaN in
    rows that have none; other arrays and lists of numbers become float64. `groups` [n] are whole numbers: rows of one
    group (a burst, a minute) may depend on each other. Without them every row is its own group.

    Raises:
        NotEnoughData: slices that are no texts by dimension, parts of different lengths, shapes that are none of these,
            what is no number, infinity, or values beyond 1e30.
    """

    slices: Sequence[Mapping[str, str]]
    vectors: Mapping[str, Floats] = field(default_factory=dict)
    features: Mapping[str, Floats] = field(default_factory=dict)
    groups: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        _check_slices(self.slices)
        n = len(self.slices)
        vectors = {
            kind: as_with_gaps(matrix, f"the {kind} vectors", dimensions=2) for kind, matrix in self.vectors.items()
        }
        features = {
            name: as_with_gaps(values, f"the values of {name}", dimensions=1) for name, values in self.features.items()
        }
        for name, one in (*vectors.items(), *features.items()):
            if len(one) != n or 0 in one.shape[1:]:
                raise NotEnoughData(f"{name} has the shape {one.shape}; {n} rows are needed, vectors with a column")
        object.__setattr__(self, "vectors", vectors)
        object.__setattr__(self, "features", features)
        if self.groups is not None:
            object.__setattr__(self, "groups", as_groups(self.groups, n, "window's", least=0))

    def __len__(self) -> int:
        return len(self.slices)

    def take(self, rows: NDArray[np.int64]) -> Rows:
        """Those rows alone, in the order given."""
        return Rows(
            [self.slices[row] for row in rows],
            {kind: matrix[rows] for kind, matrix in self.vectors.items()},
            {name: values[rows] for name, values in self.features.items()},
            self.numbers[rows],
        )

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The group of every row."""
        return np.arange(len(self)) if self.groups is None else self.groups

    def halves(self, rng: np.random.Generator) -> tuple[Rows, Rows]:
        """Two halves at random; a group stays together."""
        found, numbers = np.unique(self.numbers, return_inverse=True)
        first = np.zeros(found.size, dtype=bool)
        first[rng.permutation(found.size)[: found.size // 2]] = True
        return self.take(np.flatnonzero(first[numbers])), self.take(np.flatnonzero(~first[numbers]))

    def within(self, dimension: str, value: str) -> NDArray[np.bool_]:
        """Which rows lie in a slice, bool [n]."""
        return np.fromiter((one.get(dimension) == value for one in self.slices), dtype=bool, count=len(self))


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Phrases of which every row is nearest to one: lights, views, kinds of objects.

    `kind` says which vectors they are compared with; `vectors` [c, d] are the phrases', made by the same encoder.

    Raises:
        NotEnoughData: fewer than two phrases, not one vector for each, or vectors that are not finite or are zero.
    """

    kind: str
    name: str
    phrases: tuple[str, ...]
    vectors: Floats

    def __post_init__(self) -> None:
        vectors = as_matrix(self.vectors, f"the vectors of the concepts {self.kind} {self.name}")
        if len(self.phrases) < 2 or len(vectors) != len(self.phrases):
            raise NotEnoughData(
                f"the concepts {self.kind} {self.name} need two phrases or more, and a vector for each: "
                f"{len(self.phrases)} phrases came with vectors of shape {vectors.shape}"
            )
        if not vectors.any(axis=1).all():
            raise NotEnoughData(f"the concepts {self.kind} {self.name} have vectors of length 0, which lead nowhere")
        object.__setattr__(self, "vectors", vectors)

    def demand(self, dimension: int) -> None:
        """Raises NotEnoughData when the phrases' vectors have another length than those they are to name."""
        if self.vectors.shape[1] != dimension:
            raise NotEnoughData(
                f"the concepts {self.kind} {self.name} have vectors of length {self.vectors.shape[1]}, the rows of "
                f"{dimension}: embed them with the same encoder"
            )


def _check_slices(slices: object) -> None:
    given = list(np.atleast_1d(slices)) if isinstance(slices, np.ndarray) else slices
    if not isinstance(given, Sequence) or not all(
        isinstance(one, Mapping) and all(isinstance(value, str) for value in one.values()) for one in given
    ):
        raise NotEnoughData(
            "the slices of a window must be a list of texts by dimension, one for each row; leave out what a row lacks"
        )


def unit(vectors: Floats) -> Floats:
    """Rows [n, d] scaled to length 1; NaN stays, and so does zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Floats = np.divide(vectors, lengths, out=np.array(vectors, dtype=np.float64), where=lengths > 0)
    return scaled
