"""What a stream is: something of a prediction as a vector, whose distribution is watched for drift."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Vectors = Mapping[str, Vector]
"""By kind: image, prompt, answer, or `image_quality`."""
Categories = tuple[str, ...]
OWN: Final = "snellen/"
"""With it begin the names of all that makes vectors here and is no encoder. No record may name such an embedder."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What a stored prediction says of itself, as far as streams look at it."""

    task: str
    slices: Mapping[str, str]
    confidence: float | None = None
    prompt: str | None = None
    answer: str | None = None
    scores: tuple[float, ...] = ()
    """Of its candidates, in any order."""


@dataclass(frozen=True, slots=True)
class VectorStream:
    """Watched on stored vectors; sketched when these are stored.

    Attributes:
        kinds: of the vectors that it needs.
        embedder: fingerprint of the only embedder whose vectors it reads; None: of any that encodes.
        features: names of the vector's components, where they have any.
        vector: the vector [d] that a prediction contributes, or None.
    """

    name: str
    meaning: str
    kinds: tuple[str, ...]
    vector: Callable[[Vectors], Vector | None]
    embedder: str | None = None
    features: tuple[str, ...] = ()

    def reads(self, fingerprint: str, known: frozenset[str]) -> bool:
        """Does it read vectors of this embedder? `known` are the fingerprints that belong to single streams."""
        return fingerprint == self.embedder if self.embedder else fingerprint not in known


class FieldStream(Protocol):
    """Watched on fields of stored predictions; sketched by the hour, from a bounded sample."""

    @property
    def name(self) -> str: ...

    @property
    def meaning(self) -> str:
        """When it moves, for people."""

    @property
    def version(self) -> int:
        """Another version makes other vectors: then references are made anew."""

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the vector's components; of a mix, the reference's categories stand for them."""

    @property
    def dimension(self) -> int:
        """Length of its vectors."""

    def learn(self, rows: Sequence[Observed]) -> Categories:
        """Categories to be frozen into a reference, from the rows that fit it; none where nothing is to be learnt."""

    def vector(self, row: Observed, categories: Categories) -> Vector | None:
        """The vector [d] that a prediction contributes, or None where it lacks the field."""


def fingerprint(stream: FieldStream) -> str:
    """Stands where an embedder's stands: vectors of two versions are never compared."""
    return f"{OWN}{stream.name}@{stream.version}"
