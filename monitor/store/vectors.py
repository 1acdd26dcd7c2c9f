"""Stored vectors with what is known of their predictions, by model and embedder."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from monitor.domain.window import Window
from monitor.store.copy import raw
from monitor.store.embeddings import EmbeddedPrediction, of_halfvec
from monitor.store.rollups import SINCE_MODEL

_FETCH = 2000


@dataclass(frozen=True, slots=True)
class Source:
    """Vectors of one model under one embedder, or what a stream of fields makes of it: what a reference is made of."""

    model: str
    embedder_id: int
    fingerprint: str


def sources(connection: Connection, window: Window, *, replays: bool = False) -> dict[Source, set[str]]:
    """Every model and embedder that have vectors in the window, of live traffic alone or not, with their kinds."""
    live = "" if replays else "AND p.replay IS NULL"
    rows = connection.execute(
        text(
            "SELECT DISTINCT p.model, e.embedder_id, d.fingerprint, e.kind "
            "FROM embeddings e JOIN predictions p USING (ts, request_id) JOIN embedders d ON d.id = e.embedder_id "
            f"WHERE e.ts >= :start AND e.ts < :end {live} ORDER BY 1, 2"
        ),
        {"start": window.start, "end": window.end},
    )
    found: dict[Source, set[str]] = {}
    for row in rows:
        found.setdefault(Source(row.model, row.embedder_id, row.fingerprint), set()).add(row.kind)
    return found


def first_vector(connection: Connection, source: Source, until: datetime) -> datetime | None:
    """When the first prediction of live traffic came that has vectors of this source."""
    row = connection.execute(
        text(
            "SELECT e.ts FROM embeddings e JOIN predictions p USING (ts, request_id) "
            "WHERE e.embedder_id = :embedder AND p.model = :model AND p.replay IS NULL "
            f"AND e.ts >= {SINCE_MODEL} AND e.ts < :until ORDER BY e.ts LIMIT 1"
        ),
        {"embedder": source.embedder_id, "model": source.model, "until": until},
    ).one_or_none()
    return None if row is None else row.ts


def count(connection: Connection, source: Source, window: Window) -> int:
    """How many predictions of a source have vectors in the window."""
    found = connection.execute(
        text(
            "SELECT count(DISTINCT (e.ts, e.request_id)) FROM embeddings e JOIN predictions p USING (ts, request_id) "
            "WHERE e.embedder_id = :embedder AND p.model = :model AND e.ts >= :start AND e.ts < :end"
        ),
        {"embedder": source.embedder_id, "model": source.model, "start": window.start, "end": window.end},
    )
    return int(found.scalar_one())


def counts(connection: Connection, source: Source, window: Window, hours: int) -> dict[int, int]:
    """The same by stretches of so many whole hours, numbered from the epoch (UTC); those without any are left out."""
    found = connection.execute(
        text(
            "SELECT floor(extract(epoch FROM e.ts) / :seconds)::bigint AS number, "
            "count(DISTINCT (e.ts, e.request_id)) AS rows "
            "FROM embeddings e JOIN predictions p USING (ts, request_id) "
            "WHERE e.embedder_id = :embedder AND p.model = :model AND e.ts >= :start AND e.ts < :end GROUP BY 1"
        ),
        {
            "embedder": source.embedder_id, "model": source.model, "start": window.start, "end": window.end,
            "seconds": 3600 * hours,
        },
    )  # fmt: skip
    return {row.number: row.rows for row in found}


def embedded(connection: Connection, source: Source, window: Window | None = None) -> Generator[EmbeddedPrediction]:
    """Retained vectors of a source, oldest first, one prediction at a time; those of the window, or all."""
    condition = "AND e.ts >= %(start)s AND e.ts < %(end)s" if window else ""
    values: dict[str, Any] = {"embedder": source.embedder_id, "model": source.model}
    values |= {"start": window.start, "end": window.end} if window else {}
    query = f"""
        SELECT e.ts, e.request_id, p.version, p.variant, p.task, p.slices, e.kind, e.vector
        FROM embeddings e JOIN predictions p USING (ts, request_id)
        WHERE e.embedder_id = %(embedder)s AND p.model = %(model)s {condition}
        ORDER BY e.ts, e.request_id
    """
    with raw(connection).cursor("embedded", binary=True) as cursor:
        cursor.itersize = _FETCH
        cursor.execute(query.encode(), values)
        yield from _by_prediction(cursor, source)


def _by_prediction(rows: Iterable[Any], source: Source) -> Iterator[EmbeddedPrediction]:
    """Rows of one prediction follow each other: one per kind of vector."""
    current: EmbeddedPrediction | None = None
    vectors: dict[str, NDArray[np.float32]] = {}
    for ts, request_id, version, variant, task, slices, kind, vector in rows:
        if current is None or (current.ts, current.request_id) != (ts, request_id):
            if current is not None:
                yield current
            vectors = {}
            current = EmbeddedPrediction(
                ts, request_id, source.model, version, variant, task, slices, source.embedder_id,
                source.fingerprint, vectors,
            )  # fmt: skip
        vectors[kind] = of_halfvec(vector)
    if current is not None:
        yield current
