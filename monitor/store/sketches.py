"""Hourly sketches under drift references."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, text

from monitor.domain.slices import Slice
from monitor.domain.window import Window
from monitor.drift.sketch import Sketch, merge
from monitor.errors import UnreadableState
from monitor.store.copy import raw, stage
from monitor.store.references import ActiveReference

_COLUMNS = (
    ("reference_id", "int4"), ("dimension", "text"), ("value", "text"), ("hour", "timestamptz"),
    ("n", "int8"), ("sums", "int8[]"),
)  # fmt: skip
_KEY = "reference_id, dimension, value, hour"


@dataclass(frozen=True, slots=True)
class WindowSketch:
    """A slice in a window, and how many of its rows came in each hour (whole hours since the epoch)."""

    sketch: Sketch
    hours: Mapping[int, int]


def add_sketches(connection: Connection, reference_id: int, sketches: Mapping[tuple[Slice, datetime], Sketch]) -> None:
    """Add to the hourly sums, in key order so that two writers wait for each other instead of deadlocking."""
    rows = (
        (reference_id, part.dimension, part.value, hour, sketch.n, sketch.sums.tolist())
        for (part, hour), sketch in sketches.items()
    )
    staging = stage(connection, "embedding_sketches", _COLUMNS, rows)
    raw(connection).execute(
        f"INSERT INTO embedding_sketches ({_KEY}, n, sums) SELECT {_KEY}, n, sums FROM {staging} "
        f"ORDER BY {_KEY} ON CONFLICT ({_KEY}) DO UPDATE SET n = embedding_sketches.n + EXCLUDED.n, "
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
    """The merged sketch of every slice over whole hours of the window.

    Raises:
        UnreadableState: the fit or the sums of an hour are damaged.
    """
    fit = reference.fit
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
        if None in row.sums:  # what was added to sums that had been cut
            raise UnreadableState(f"the sketch of {part} at {row.hour:%Y-%m-%d %H:%M} is damaged")
        one = Sketch(fit.id, row.n, np.array(row.sums, dtype=np.int64))
        one.demand(fit)
        known = merged.get(part)
        merged[part] = WindowSketch(
            merge(known.sketch, one) if known else one, {**(known.hours if known else {}), hour: row.n}
        )
    return merged
