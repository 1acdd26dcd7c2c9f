"""Vectors of a text bank's phrases, kept so that only an embedder has to know torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from monitor.store.copy import raw
from monitor.store.embeddings import of_halfvec

Matrix = NDArray[np.float32]


def insert_phrases(connection: Connection, embedder_id: int, phrases: Sequence[str], vectors: Matrix) -> None:
    """Store the vectors [n, d] of n phrases; what is there stays."""
    raw(connection).cursor().executemany(
        "INSERT INTO concept_vectors (embedder_id, phrase, vector) VALUES (%s, %s, %s::text::halfvec) "
        "ON CONFLICT DO NOTHING",
        [
            (embedder_id, phrase, str(vector.astype(np.float16).tolist()))
            for phrase, vector in zip(phrases, vectors, strict=True)
        ],
    )


def phrase_vectors(connection: Connection, embedder_id: int, phrases: Iterable[str]) -> Mapping[str, Matrix]:
    """The vectors [d] of those phrases that this embedder has embedded."""
    rows = (
        raw(connection)
        .cursor(binary=True)
        .execute(
            "SELECT phrase, vector FROM concept_vectors WHERE embedder_id = %s AND phrase = ANY(%s)",
            (embedder_id, list(phrases)),
        )
    )
    return {phrase: of_halfvec(vector) for phrase, vector in rows}
