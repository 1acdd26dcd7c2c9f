"""The text bank under an embedder: phrases are embedded once, by whoever has its text tower."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine

from monitor.explain import Family
from monitor.explain.bank import Bank
from monitor.store.concepts import insert_phrases, phrase_vectors
from monitor.store.embeddings import embedder_id
from monitor.store.engine import transaction

log = logging.getLogger(__name__)

EncodeTexts = Callable[[Iterable[str]], NDArray[np.float32]]


def embed_bank(
    engine: Engine, bank: Bank, fingerprint: str, dimension: int, detail: Mapping[str, Any], encode_texts: EncodeTexts
) -> int:
    """Embed the phrases of a bank that this embedder has not embedded yet; returns how many.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    phrases = sorted({phrase for family in bank.values() for phrase in family})
    with transaction(engine) as connection:
        number = embedder_id(connection, fingerprint, dimension, detail)
        known = phrase_vectors(connection, number, phrases)
    missing = [one for one in phrases if one not in known]
    if missing:
        vectors = encode_texts(missing)
        with transaction(engine) as connection:
            insert_phrases(connection, number, missing, vectors)
        log.info("embedded the text bank", extra={"phrases": len(missing), "embedder": fingerprint})
    return len(missing)


def families(connection: Connection, bank: Bank, number: int | None) -> list[Family]:
    """The families of a bank that an embedder has embedded whole; none for vectors whose embedder nobody here runs."""
    if number is None:
        return []
    known = phrase_vectors(connection, number, {phrase for family in bank.values() for phrase in family})
    return [
        Family(kind, name, phrases, np.stack([known[one] for one in phrases]).astype(np.float64))
        for (kind, name), phrases in bank.items()
        if all(one in known for one in phrases)
    ]
