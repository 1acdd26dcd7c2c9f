"""Drift references, the hourly sketches under them, and the vectors that they are made from."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from monitor.domain.slices import Slice
from monitor.domain.window import Window
from monitor.drift.dispersion import Dispersion
from monitor.drift.fit import Fit
from monitor.drift.sketch import Sketch, merge
from monitor.store.copy import raw, stage
from monitor.store.embeddings import EmbeddedPrediction, of_halfvec
from monitor.store.json_parameters import Json
from monitor.store.rollups import SINCE_MODEL

_SKETCH_COLUMNS = (
    ("reference_id", "int4"), ("dimension", "text"), ("value", "text"), ("hour", "timestamptz"),
    ("n", "int8"), ("sums", "int8[]"),
)  # fmt: skip
_SKETCH_KEY = "reference_id, dimension, value, hour"
_FETCH = 2000
_REFERENCE = "id, model, stream, embedder_id, fit, blessed, categories"
_RIVALS = "model = :model AND stream = :stream AND embedder_id = :embedder AND active"

_fit = lru_cache(maxsize=64)(Fit.from_bytes)
_dispersion = lru_cache(maxsize=1024)(Dispersion.from_bytes)
"""Both never change, and every tick reads all of them."""


@dataclass(frozen=True, slots=True)
class ActiveReference:
    """A reference that current traffic is sketched under."""

    id: int
    model: str
    stream: str
    embedder_id: int
    fit: Fit
    blessed: bool
    categories: tuple[str, ...]
    """What a mix counts by name."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a slice looked like in the reference."""

    sketch: Sketch
    dispersion: Dispersion


@dataclass(frozen=True, slots=True)
class WindowSketch:
    """A slice in a window, and how many of its rows came in each hour (whole hours since the epoch)."""

    sketch: Sketch
    hours: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Source:
    """Vectors of one model under one embedder, or what a stream of fields makes of it: what a reference is made of."""

    model: str
    embedder_id: int
    fingerprint: str


def share_epoch(connection: Connection) -> int:
    """The number of the current set of references, which cannot change until the end of the transaction."""
    return int(connection.execute(text("SELECT epoch FROM reference_epoch FOR SHARE")).scalar_one())


def next_epoch(connection: Connection) -> None:
    """Begin a new set of references; writers of sketches wait until the end of the transaction."""
    connection.execute(text("UPDATE reference_epoch SET epoch = epoch + 1"))


def active_references(connection: Connection, until: datetime | None = None) -> list[ActiveReference]:
    """The references of now; with `until`, without those that rest on later traffic."""
    rows = connection.execute(
        text(
            f"SELECT {_REFERENCE} FROM drift_references "
            "WHERE active AND (CAST(:until AS timestamptz) IS NULL OR window_end <= :until) ORDER BY id"
        ),
        {"until": until},
    )
    return [_reference(row) for row in rows]


def reference(connection: Connection, reference_id: int) -> ActiveReference | None:
    """A reference, whether it is active or not."""
    query = text(f"SELECT {_REFERENCE} FROM drift_references WHERE id = :id")
    row = connection.execute(query, {"id": reference_id}).one_or_none()
    return None if row is None else _reference(row)


def activate(connection: Connection, chosen: ActiveReference) -> None:
    """Make a reference the active one of its stream and embedder."""
    key = {"model": chosen.model, "stream": chosen.stream, "embedder": chosen.embedder_id}
    connection.execute(text(f"UPDATE drift_references SET active = false WHERE {_RIVALS}"), key)
    connection.execute(text("UPDATE drift_references SET active = true WHERE id = :id"), {"id": chosen.id})


def insert_reference(
    connection: Connection,
    source: Source,
    stream: str,
    fit: Fit,
    window: Window,
    rows: int,
    *,
    blessed: bool,
    categories: Sequence[str] = (),
) -> ActiveReference:
    """Store a reference and make it the active one of its stream."""
    key = {"model": source.model, "stream": stream, "embedder": source.embedder_id}
    connection.execute(text(f"UPDATE drift_references SET active = false WHERE {_RIVALS}"), key)
    found = connection.execute(
        text(
            "INSERT INTO drift_references "
            "(model, stream, embedder_id, blessed, active, window_start, window_end, rows, fit, categories) "
            "VALUES (:model, :stream, :embedder, :blessed, true, :start, :end, :rows, :fit, :categories) "
            f"RETURNING {_REFERENCE}"
        ),
        {
            **key, "blessed": blessed, "start": window.start, "end": window.end, "rows": rows, "fit": fit.to_bytes(),
            "categories": list(categories) or None,
        },
    )  # fmt: skip
    return _reference(found.one())


def insert_baselines(connection: Connection, reference_id: int, baselines: Mapping[Slice, Baseline]) -> None:
    connection.execute(
        text(
            "INSERT INTO drift_baselines (reference_id, dimension, value, baseline, dispersion) "
            "VALUES (:reference, :dimension, :value, :baseline, :dispersion)"
        ),
        [
            {
                "reference": reference_id, "dimension": part.dimension, "value": part.value,
                "baseline": one.sketch.to_bytes(), "dispersion": one.dispersion.to_bytes(),
            }
            for part, one in baselines.items()
        ],
    )  # fmt: skip


def baselines(connection: Connection, reference_id: int) -> dict[Slice, Baseline]:
    rows = connection.execute(
        text("SELECT dimension, value, baseline, dispersion FROM drift_baselines WHERE reference_id = :id"),
        {"id": reference_id},
    )
    return {
        Slice(row.dimension, row.value): Baseline(
            Sketch.from_bytes(bytes(row.baseline)), _dispersion(bytes(row.dispersion))
        )
        for row in rows
    }


def add_sketches(connection: Connection, reference_id: int, sketches: Mapping[tuple[Slice, datetime], Sketch]) -> None:
    """Add to the hourly sums, in key order so that two writers wait for each other instead of deadlocking."""
    rows = (
        (reference_id, part.dimension, part.value, hour, sketch.n, sketch.sums.tolist())
        for (part, hour), sketch in sketches.items()
    )
    staging = stage(connection, "embedding_sketches", _SKETCH_COLUMNS, rows)
    raw(connection).execute(
        f"INSERT INTO embedding_sketches ({_SKETCH_KEY}, n, sums) SELECT {_SKETCH_KEY}, n, sums FROM {staging} "
        f"ORDER BY {_SKETCH_KEY} ON CONFLICT ({_SKETCH_KEY}) DO UPDATE SET n = embedding_sketches.n + EXCLUDED.n, "
        "sums = ARRAY(SELECT a + b FROM unnest(embedding_sketches.sums, EXCLUDED.sums) "
        "WITH ORDINALITY AS t(a, b, i) ORDER BY i)"
    )


def delete_retained_sketches(connection: Connection, reference: ActiveReference) -> None:
    """Delete a reference's sketches of the hours whose vectors are still there to be sketched again."""
    connection.execute(
        text(
            "DELETE FROM embedding_sketches WHERE reference_id = :id AND hour IN ("
            "SELECT DISTINCT date_trunc('hour', ts, 'UTC') FROM embeddings e JOIN predictions p USING (ts, request_id) "
            "WHERE e.embedder_id = :embedder AND p.model = :model)"
        ),
        {"id": reference.id, "embedder": reference.embedder_id, "model": reference.model},
    )


def sketches_in(connection: Connection, reference: ActiveReference, window: Window) -> dict[Slice, WindowSketch]:
    """The merged sketch of every slice over whole hours of the window."""
    rows = connection.execute(
        text(
            "SELECT dimension, value, hour, n, sums FROM embedding_sketches "
            "WHERE reference_id = :id AND hour >= :start AND hour < :end AND n > 0"
        ),
        {"id": reference.id, "start": window.start, "end": window.end},
    )
    merged: dict[Slice, WindowSketch] = {}
    for row in rows:
        part, hour = Slice(row.dimension, row.value), int(row.hour.timestamp()) // 3600
        one = Sketch(reference.fit.id, row.n, np.array(row.sums, dtype=np.int64))
        known = merged.get(part)
        merged[part] = WindowSketch(
            merge(known.sketch, one) if known else one, {**(known.hours if known else {}), hour: row.n}
        )
    return merged


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


def insert_results(connection: Connection, results: Iterable[Mapping[str, Any]]) -> None:
    """Store results; a tick that somebody evaluated before is left as it is."""
    rows = [{**one, "detail": Json(one["detail"])} for one in results]
    if rows:
        connection.execute(
            text(
                "INSERT INTO drift_results (reference_id, dimension, value, tick, window_start, n, verdict, p_value, "
                "adjusted_p, effect, detail) VALUES (:reference_id, :dimension, :value, :tick, :window_start, :n, "
                ":verdict, :p_value, :adjusted_p, :effect, :detail) ON CONFLICT DO NOTHING"
            ),
            rows,
        )


def _reference(row: Any) -> ActiveReference:
    return ActiveReference(
        row.id, row.model, row.stream, row.embedder_id, _fit(bytes(row.fit)), row.blessed, tuple(row.categories or ())
    )


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
