"""Vectors that predictions bring along, made by the serving system itself: checked and read a batch at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from monitor.domain.events import HALF_MAX, MAX_DIMENSION, Embedding, Prediction
from monitor.errors import FingerprintMismatch
from monitor.store.embeddings import STORED, EmbeddedPrediction, HalfVector, embedder_id, within
from monitor.store.engine import transaction
from monitor.streams import OWN

_WITHOUT_SIGN, _INFINITY = np.uint16(0x7FFF), np.uint16(0x7C00)
"""Of a half (IEEE 754 binary16)."""


@dataclass(slots=True)
class Unpacked:
    """The vectors that some predictions bring along, as numbers."""

    vectors: dict[tuple[str, str], tuple[Prediction, dict[str, HalfVector]]] = field(default_factory=dict)
    """(request_id, embedder) -> vectors by kind, as they will be stored, at half precision."""
    faults: dict[str, str] = field(default_factory=dict)
    """request_id -> what is wrong with a vector of it."""

    def among(self, request_ids: Container[str]) -> Unpacked:
        """The vectors of these alone."""
        return Unpacked({key: one for key, one in self.vectors.items() if key[0] in request_ids})


def unpack(events: Iterable[Prediction]) -> Unpacked:
    """Check every vector by itself, all of a kind at once. Touches no database."""
    found: dict[tuple[str, str, int], list[tuple[Prediction, Embedding]]] = defaultdict(list)
    for event in events:
        for one in event.embeddings:
            found[one.embedder, one.dtype, len(one.data)].append((event, one))
    unpacked = Unpacked()
    for (embedder, dtype, size), several in found.items():
        if fault := _unusable(embedder, dtype, size):
            unpacked.faults |= {event.request_id: _fault(one, fault) for event, one in several}
            continue
        matrix, usable = _read([one.data for _, one in several], dtype)
        for row, is_usable, (event, one) in zip(matrix, usable.tolist(), several, strict=True):
            if is_usable:
                unpacked.vectors.setdefault((event.request_id, embedder), (event, {}))[1][one.kind] = row
            else:
                fault = f"values must be finite, not all zero, and below {HALF_MAX:.0f}"
                unpacked.faults[event.request_id] = _fault(one, fault)
    return unpacked


class Embedders:
    """Knows the embedders seen so far. One per process.

    Args:
        cap: how many may be known by nothing but the name that records give them.
    """

    def __init__(self, engine: Engine, cap: int) -> None:
        self._engine = engine
        self._cap = cap
        self._ids: dict[tuple[str, int], int] = {}
        """(fingerprint, dimension) -> embedder."""

    def known(self, unpacked: Unpacked) -> list[EmbeddedPrediction] | None:
        """The rows of `assign`, where it would ask nothing; None: it would. May be called by another thread."""
        rows: list[EmbeddedPrediction] = []
        for (_, fingerprint), (event, by_kind) in unpacked.vectors.items():
            numbers = {self._ids.get((fingerprint, len(vector))) for vector in by_kind.values()}
            number = numbers.pop()
            if number is None or numbers:
                return None
            rows.append(EmbeddedPrediction.of(event, number, fingerprint, by_kind))
        return rows

    def assign(self, unpacked: Unpacked) -> tuple[list[EmbeddedPrediction], dict[str, str]]:
        """One row per prediction and embedder, and by request_id what speaks against the predictions that get none.

        Embedders never seen are registered, each in a transaction of its own.

        Raises:
            StoreError: PostgreSQL refused or does not answer.
        """
        rows: list[EmbeddedPrediction] = []
        faults: dict[str, str] = {}
        refused = self._register(
            dict.fromkeys(
                (fingerprint, len(vector))
                for (_, fingerprint), (_, by_kind) in unpacked.vectors.items()
                for vector in by_kind.values()
            )
        )
        for (request_id, fingerprint), (event, by_kind) in unpacked.vectors.items():
            for kind, vector in by_kind.items():
                if fault := refused.get((fingerprint, len(vector))):
                    faults[request_id] = f"{kind} embedding: {fault}"
            if request_id not in faults:
                number = self._ids[fingerprint, len(next(iter(by_kind.values())))]
                rows.append(EmbeddedPrediction.of(event, number, fingerprint, by_kind))
        return [row for row in rows if row.request_id not in faults], faults

    def _register(self, keys: Iterable[tuple[str, int]]) -> dict[tuple[str, int], str]:
        """What speaks against vectors of these embedders and lengths, where anything does."""
        new = [key for key in keys if key not in self._ids]
        if not new:
            return {}
        faults: dict[tuple[str, int], str] = {}
        with transaction(self._engine) as connection:  # one look for all: a flood of names has no transaction each
            admitted = within(connection, {fingerprint for fingerprint, _ in new}, self._cap)
        for key in new:
            try:
                number = self._number(*key) if key[0] in admitted else None
            except FingerprintMismatch as error:
                faults[key] = str(error)
                continue
            if number is None:
                faults[key] = self._beyond(key[0])
            else:
                self._ids[key] = number
        return faults

    def _number(self, fingerprint: str, dimension: int) -> int | None:
        """None: others have been faster, and no more may be registered.

        In a transaction of its own: PostgreSQL does not give back the numbers of one that fails.
        """
        with transaction(self._engine) as connection:
            if fingerprint not in within(connection, {fingerprint}, self._cap):
                return None
            return embedder_id(connection, fingerprint, dimension, None)

    def _beyond(self, fingerprint: str) -> str:
        return (
            f"embedder {fingerprint!r} is one more than the {self._cap} that records may name "
            "(ingest.max_embedders): raise it, or mend what names embedders, and replay"
        )


def _unusable(embedder: str, dtype: str, size: int) -> str:
    """What is wrong with all vectors of an embedder that have so many bytes, if anything is."""
    if embedder.startswith(OWN):
        return f"embedder {embedder!r} has a name of Snellen's own ({OWN}...): name your encoder otherwise, and replay"
    dimension, rest = divmod(size, int(dtype[1]))
    if rest or not 0 < dimension <= MAX_DIMENSION:
        return f"{size} bytes are not 1 to {MAX_DIMENSION} whole {dtype} numbers"
    return ""


def _fault(one: Embedding, fault: str) -> str:
    return f"{one.kind} embedding: {fault}"


def _read(rows: list[bytes], dtype: str) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
    """Vectors [n, d] as halves, and which of them can be used [n]: all finite, not all zero.

    On their bits: without the sign, halves are ordered like whole numbers, and those from infinity on are not finite.
    """
    given = np.frombuffer(b"".join(rows), "<" + dtype).reshape(len(rows), -1)
    with np.errstate(over="ignore"):
        halves = given.astype(np.float16, copy=False)
    largest = (halves.view(np.uint16) & _WITHOUT_SIGN).max(axis=1)
    return halves.astype(STORED), (largest > 0) & (largest < _INFINITY)
