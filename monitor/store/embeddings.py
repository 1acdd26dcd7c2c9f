"""Vectors of predictions, each under the fingerprint of the encoder that made it."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
import psycopg
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from monitor.domain.events import Prediction
from monitor.errors import FingerprintMismatch
from monitor.store import locks
from monitor.store.copy import copy_blocks, raw, stage
from monitor.store.json_parameters import Json
from monitor.store.packing import Block, pack
from monitor.store.tombstones import erased

Vector = NDArray[np.float32]
HalfVector = NDArray[np.float16]
"""A vector as it is stored."""
STORED = np.dtype(">f2")
"""Half precision in the order of bytes in which it is sent."""
Key = tuple[datetime, str, int, str]
"""Event time, request id, embedder, kind: the primary key."""

_COLUMNS = (
    ("ts", "timestamptz"), ("request_id", "text"), ("embedder_id", "int2"), ("kind", "text"),
    ("vector", "bytea"),  # psycopg sends the bytes as they are, and the server reads them as a binary halfvec
)  # fmt: skip
_KEY = "ts, request_id, embedder_id, kind"
_HEADER = struct.Struct(">HH")


class EmbeddedPrediction(Struct, frozen=True, eq=False):
    """What one embedder made of one prediction: vectors [d] by kind (image, prompt, answer)."""

    ts: datetime
    request_id: str
    model: str
    version: str
    variant: str
    task: str
    slices: Mapping[str, str]
    embedder_id: int
    fingerprint: str
    given: Mapping[str, Vector | HalfVector]

    @property
    def vectors(self) -> Mapping[str, Vector]:
        """In single precision, to calculate with."""
        return {kind: vector.astype(np.float32, copy=False) for kind, vector in self.given.items()}

    @classmethod
    def of(
        cls, event: Prediction, embedder_id: int, fingerprint: str, vectors: Mapping[str, Vector | HalfVector]
    ) -> EmbeddedPrediction:
        model = event.model
        return cls(
            event.ts, event.request_id, model.name, model.version, model.variant, event.task, event.slices,
            embedder_id, fingerprint, vectors,
        )  # fmt: skip


def embedder_id(connection: Connection, fingerprint: str, dimension: int, detail: Mapping[str, Any] | None) -> int:
    """The number under which vectors of this embedder are stored; it is registered when it comes for the first time.

    Args:
        dimension: length of its vectors.
        detail: what the fingerprint stands for; None when only the fingerprint is known (the serving system embedded).
            Who knows the detail is not held to what records said of the fingerprint.

    Raises:
        FingerprintMismatch: the fingerprint is known with vectors of another length.
    """
    known = _lengths(connection, fingerprint)
    if dimension not in known:  # an upsert would use up a number of the 32,767 at every call
        others = [length for length, (_, has_detail) in known.items() if has_detail or detail is None]
        if others:
            raise FingerprintMismatch(
                f"embedder {fingerprint!r} makes vectors of length {others[0]}, not {dimension}: "
                "an encoder that changed needs a fingerprint of its own"
            )
        raw(connection).execute(
            "INSERT INTO embedders (fingerprint, dimension, detail) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (fingerprint, dimension, None if detail is None else Json(dict(detail))),
        )
        known = _lengths(connection, fingerprint)  # has ours, or that of the one who made ours conflict
    return known[dimension][0]


def within(connection: Connection, fingerprints: Collection[str], cap: int) -> set[str]:
    """Those of these embedders that are known, and as many others as may be registered before the transaction ends: of
    at most `cap`, nothing but the fingerprint is known. Their rows stay for ever, and their numbers are 32,767."""
    locks.wait_for(connection, locks.EMBEDDERS)
    query = "SELECT fingerprint FROM embedders WHERE fingerprint = ANY(%s)"
    known = {row[0] for row in raw(connection).execute(query, (list(fingerprints),))}
    named = connection.execute(text("SELECT count(*) FROM embedders WHERE detail IS NULL")).scalar_one()
    return {*known, *sorted({*fingerprints} - known)[: max(cap - named, 0)]}


def copy_embeddings(
    connection: Connection, rows: list[EmbeddedPrediction], packed: Iterable[Block] | None = None
) -> list[EmbeddedPrediction]:
    """Store the vectors of predictions that are stored for the first time: nearly always none of them is there yet.

    One is where the embed group met other content of the id first, without vectors: then it is as `insert_embeddings`.
    Their day partitions exist.

    Args:
        packed: what `pack_vectors` made of them, maybe with others of the batch.

    Returns:
        The rows with only the vectors that were new.
    """
    if not rows:
        return rows
    cursor = raw(connection).cursor()
    cursor.execute("SAVEPOINT vectors")
    try:
        _copy(connection, rows, packed)
    except psycopg.errors.UniqueViolation:
        cursor.execute("ROLLBACK TO SAVEPOINT vectors")
        return insert_embeddings(connection, rows)
    return rows


def pack_vectors(rows: Iterable[EmbeddedPrediction]) -> Iterator[Block]:
    """What `copy_embeddings` stores of them."""
    return pack(_COLUMNS, ((row[1], row) for row in _records(rows)))


def _copy(connection: Connection, rows: Sequence[EmbeddedPrediction], packed: Iterable[Block] | None) -> None:
    if packed is None:
        copy_blocks(connection, "embeddings", _COLUMNS, pack_vectors(rows))
    else:
        copy_blocks(connection, "embeddings", _COLUMNS, packed, {row.request_id for row in rows})


def insert_embeddings(connection: Connection, rows: Sequence[EmbeddedPrediction]) -> list[EmbeddedPrediction]:
    """Store the vectors that are not there yet; what is there stays as it is, and what was erased stays away.

    Their day partitions exist. Inserted in key order, so that two writers of the same keys wait instead of deadlocking.

    Returns:
        The rows with only the vectors that were new, at the half precision at which they are stored: sums over them
        equal sums over what is read back. Rows of which nothing was new are left out.
    """
    gone = erased(connection, {row.request_id for row in rows})
    rows = [row for row in rows if row.request_id not in gone]
    if not rows:
        return []
    staging = stage(connection, "embeddings", _COLUMNS, _records(rows))
    inserted: set[Key] = set(
        raw(connection).execute(
            f"INSERT INTO embeddings ({_KEY}, vector) SELECT {_KEY}, vector FROM {staging} ORDER BY {_KEY} "
            f"ON CONFLICT DO NOTHING RETURNING {_KEY}"
        )
    )
    stored = (replace(row, given=_new_vectors(row, inserted)) for row in rows)
    return [row for row in stored if row.given]


def _lengths(connection: Connection, fingerprint: str) -> dict[int, tuple[int, bool]]:
    """Length of vectors -> the number of the embedder that makes such ones, and whether more than its name is known."""
    query = "SELECT dimension, id, detail IS NOT NULL FROM embedders WHERE fingerprint = %s ORDER BY id"
    found = raw(connection).execute(query, (fingerprint,))
    return {dimension: (number, has_detail) for dimension, number, has_detail in found}


def _records(rows: Iterable[EmbeddedPrediction]) -> Iterator[tuple[datetime, str, int, str, bytes]]:
    for row in rows:
        for kind, vector in row.given.items():
            yield row.ts, row.request_id, row.embedder_id, kind, _halfvec(vector)


def _halfvec(vector: Vector | HalfVector) -> bytes:
    """pgvector's binary form: dimension and a reserved number of 16 bits each, then the halves, all big-endian."""
    stored = vector if vector.dtype == STORED else vector.astype(STORED)
    return _header(len(vector)) + stored.tobytes()


def of_halfvec(content: bytes) -> Vector:
    """The vector that pgvector's binary form holds, to calculate with."""
    return np.frombuffer(content, STORED, offset=_HEADER.size).astype(np.float32)


@cache
def _header(dimension: int) -> bytes:
    return _HEADER.pack(dimension, 0)


def _new_vectors(row: EmbeddedPrediction, inserted: set[Key]) -> dict[str, HalfVector]:
    """The row's vectors that were inserted. Each key is given out once, to the first row that has it."""
    new = {}
    for kind, vector in row.given.items():
        key = (row.ts, row.request_id, row.embedder_id, kind)
        if key in inserted:
            inserted.remove(key)
            new[kind] = vector.astype(np.float16, copy=False)
    return new
