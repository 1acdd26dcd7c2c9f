"""Explanations of drift: what they are made from, and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from monitor.domain.results import DriftVerdict
from monitor.domain.slices import Slice
from monitor.domain.window import HOUR, Window
from monitor.drift.persistence import LOOKS
from monitor.explain import Carrier, Cause, Explanation
from monitor.stats.intervals import Interval
from monitor.store.copy import raw
from monitor.store.embeddings import of_halfvec
from monitor.store.json_parameters import Json
from monitor.store.tombstones import erased_by_now

Key = tuple[datetime, str]
"""Event time and request id."""
Vectors = dict[tuple[int, str], NDArray[np.float32]]
"""By embedder and kind."""


@dataclass(frozen=True, slots=True)
class Moved:
    """How well the windows can be told apart by one kind of vectors."""

    kind: str
    auc: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Findings:
    """What an explanation found, without the rows that it rests on."""

    causes: tuple[Cause, ...]
    carriers: tuple[Carrier, ...]
    shifts: tuple[Moved, ...]

    @classmethod
    def of(cls, found: Explanation) -> Findings:
        shifts = tuple(Moved(one.kind, one.auc, one.interval) for one in found.shifts)
        return cls(found.causes, found.carriers, shifts)


@dataclass(frozen=True, slots=True)
class Compared:
    """The rows that were compared: of a slice, or of all traffic."""

    model: str
    part: Slice
    reference: Window
    current: Window


@dataclass(frozen=True, slots=True)
class Look:
    """One drift result of a stream, with the window of its reference."""

    model: str
    stream: str
    reference_id: int
    reference: Window
    part: Slice
    tick: datetime
    window_start: datetime
    verdict: DriftVerdict
    adjusted_p: float | None


def vectors_of(connection: Connection, keys: Sequence[Key]) -> list[Vectors]:
    """The stored vectors of these predictions, in their order."""
    rows = (
        raw(connection)
        .cursor(binary=True)
        .execute(
            "SELECT place, e.embedder_id, e.kind, e.vector "
            "FROM unnest(%s::timestamptz[], %s::text[]) WITH ORDINALITY AS wanted (ts, request_id, place) "
            "JOIN embeddings e ON e.ts = wanted.ts AND e.request_id = wanted.request_id",
            ([ts for ts, _ in keys], [request_id for _, request_id in keys]),
        )
    )
    found: list[Vectors] = [{} for _ in keys]
    for place, embedder_id, kind, vector in rows:
        found[place - 1][embedder_id, kind] = of_halfvec(vector)
    return found


def recent_looks(connection: Connection, now: datetime) -> list[Look]:
    """The drift results of active references at the ticks that decide whether an alarm persists, oldest first."""
    rows = connection.execute(
        text(
            "SELECT r.model, r.stream, r.id, r.window_start AS since, r.window_end AS until, d.dimension, d.value, "
            "d.tick, d.window_start, d.verdict, d.adjusted_p "
            "FROM drift_results d JOIN drift_references r ON r.id = d.reference_id "
            "WHERE r.active AND d.tick > :start AND d.tick <= :now ORDER BY d.tick, r.id"
        ),
        {"start": now - LOOKS * HOUR, "now": now},
    )
    return [
        Look(
            row.model, row.stream, row.id, Window(row.since, row.until), Slice(row.dimension, row.value), row.tick,
            row.window_start, DriftVerdict(row.verdict), row.adjusted_p,
        )
        for row in rows
    ]  # fmt: skip


def explained_since(connection: Connection, model: str, part: Slice, end: datetime, age: timedelta) -> bool:
    """Was this slice's drift explained for a window that ended less than `age` before `end`, or at it?"""
    found = connection.execute(
        text(
            "SELECT true FROM drift_explanations WHERE model = :model AND dimension = :dimension AND value = :value "
            "AND window_end > :since AND window_end <= :end LIMIT 1"
        ),
        {"model": model, "dimension": part.dimension, "value": part.value, "since": end - age, "end": end},
    )
    return found.first() is not None


def insert_explanation(
    connection: Connection, compared: Compared, found: Explanation, examples: Sequence[Key], now: datetime
) -> int:
    """Store an explanation with the requests that show it, but for those erased meanwhile; returns its number."""
    number = int(
        connection.execute(
            text(
                "INSERT INTO drift_explanations (model, dimension, value, reference_start, reference_end, "
                "window_start, window_end, n_reference, n_current, detail, created_at) VALUES (:model, :dimension, "
                ":value, :reference_start, :reference_end, :start, :end, :n_reference, :n_current, :detail, :now) "
                "RETURNING id"
            ),
            {
                "model": compared.model, "dimension": compared.part.dimension, "value": compared.part.value,
                "reference_start": compared.reference.start, "reference_end": compared.reference.end,
                "start": compared.current.start, "end": compared.current.end, "n_reference": found.n_reference,
                "n_current": found.n_current, "detail": Json(msgspec.to_builtins(Findings.of(found))), "now": now,
            },
        ).scalar_one()
    )  # fmt: skip
    gone = erased_by_now(connection, [request_id for _, request_id in examples])
    rows: list[dict[str, Any]] = [
        {"id": number, "place": place, "ts": ts, "request": request_id}
        for place, (ts, request_id) in enumerate(examples)
        if request_id not in gone
    ]
    if rows:
        connection.execute(
            text(
                "INSERT INTO explanation_examples (explanation_id, place, ts, request_id) "
                "VALUES (:id, :place, :ts, :request)"
            ),
            rows,
        )
    return number
