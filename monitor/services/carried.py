"""Vectors that predictions bring along, made by the serving system itself: checked and read a batch at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from monitor.domain.events import HALF_MAX, MAX_DIMENSION, Embedding, Prediction
from monitor.errors import FingerprintMismatch
from monitor.store.embeddings import EmbeddedPrediction, Vector, embedder_id
from monitor.store.engine import transaction


@dataclass(slots=True)
class Carried:
    """The vectors of some predictions."""

    rows: list[EmbeddedPrediction] = field(default_factory=list)
    """One per prediction and embedder; vectors as they will be stored, at half precision."""
    faults: dict[str, str] = field(default_factory=dict)
    """request_id -> what is wrong with a vector of it; such a prediction has no rows."""


class CarriedEmbeddings:
    """Knows the embedders seen so far. One per process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ids: dict[tuple[str, int], int] = {}
        """(fingerprint, dimension) -> embedder."""

    def read(self, events: Iterable[Prediction]) -> Carried:
        """Check every vector and register embedders never seen, each in a transaction of its own.

        Raises:
            StoreError: PostgreSQL refused or does not answer.
        """
        carried = Carried()
        found: dict[tuple[str, int], list[tuple[Prediction, Embedding]]] = defaultdict(list)
        for event in events:
            for one in event.embeddings:
                fault = self._register(one)
                if fault:
                    carried.faults[event.request_id] = f"{one.kind} embedding: {fault}"
                else:
                    found[one.dtype, _dimension(one)].append((event, one))
        vectors: dict[tuple[str, str], tuple[Prediction, dict[str, Vector]]] = {}
        for (dtype, dimension), several in found.items():
            matrix, usable = _read(several, dtype, dimension)
            for index, (event, one) in enumerate(several):
                if usable[index]:
                    vectors.setdefault((event.request_id, one.embedder), (event, {}))[1][one.kind] = matrix[index]
                else:
                    carried.faults[event.request_id] = (
                        f"{one.kind} embedding: values must be finite, not all zero, and below {HALF_MAX:.0f}"
                    )
        for (request_id, fingerprint), (event, by_kind) in vectors.items():
            if request_id not in carried.faults:
                number = self._ids[fingerprint, len(next(iter(by_kind.values())))]
                carried.rows.append(EmbeddedPrediction.of(event, number, fingerprint, by_kind))
        return carried

    def _register(self, one: Embedding) -> str | None:
        """What is wrong with the vector's length, if anything."""
        size, rest = divmod(len(one.data), _item_size(one))
        if rest or not 0 < size <= MAX_DIMENSION:
            return f"{len(one.data)} bytes are not 1 to {MAX_DIMENSION} whole {one.dtype} numbers"
        key = (one.embedder, size)
        if key not in self._ids:
            try:
                with transaction(self._engine) as connection:
                    self._ids[key] = embedder_id(connection, *key, None)
            except FingerprintMismatch as error:
                return str(error)
        return None


def _read(
    several: Sequence[tuple[Prediction, Embedding]], dtype: str, dimension: int
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Vectors [n, d] at half precision, and which of them can be used [n]."""
    given = np.frombuffer(b"".join(one.data for _, one in several), "<" + dtype).reshape(len(several), dimension)
    with np.errstate(over="ignore"):
        matrix = given.astype(np.float16).astype(np.float32)
    return matrix, np.isfinite(matrix).all(axis=1) & (matrix != 0).any(axis=1)


def _item_size(embedding: Embedding) -> int:
    return int(embedding.dtype[1])


def _dimension(embedding: Embedding) -> int:
    return len(embedding.data) // _item_size(embedding)
