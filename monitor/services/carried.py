"""Vectors that predictions bring along, made by the serving system itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Engine

from monitor.domain.events import Embedding, Prediction, Rejection
from monitor.errors import FingerprintMismatch, InvalidEvent
from monitor.store.embeddings import EmbeddedPrediction, Vector, embedder_id
from monitor.store.engine import transaction


class CarriedEmbeddings:
    """Knows the embedders seen so far. One per process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ids: dict[tuple[str, int], int] = {}
        """(fingerprint, dimension) -> embedder."""

    def check(self, event: Prediction) -> None:
        """Register the event's embedders, in a transaction of its own.

        Raises:
            InvalidEvent: a vector of another length than its embedder makes.
            StoreError: PostgreSQL refused or does not answer.
        """
        for one in event.embeddings:
            key = (one.embedder, _dimension(one))
            if key in self._ids:
                continue
            try:
                with transaction(self._engine) as connection:
                    self._ids[key] = embedder_id(connection, *key, None)
            except FingerprintMismatch as error:
                raise InvalidEvent(Rejection.INVALID, f"{one.kind} embedding: {error}") from None

    def of(self, events: Iterable[Prediction]) -> Iterator[EmbeddedPrediction]:
        """One entry per event and embedder; `check` has passed for each event."""
        for event in events:
            vectors: dict[tuple[str, int], dict[str, Vector]] = {}
            for one in event.embeddings:
                vectors.setdefault((one.embedder, _dimension(one)), {})[one.kind] = one.vector()
            for (fingerprint, dimension), by_kind in vectors.items():
                number = self._ids[fingerprint, dimension]
                yield EmbeddedPrediction.of(event, number, fingerprint, by_kind)


def _dimension(embedding: Embedding) -> int:
    return len(embedding.data) // int(embedding.dtype[1])
