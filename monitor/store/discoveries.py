"""Searches for slices that nobody had named: the labels that they rest on, and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from monitor.discovery import Discoveries, FoundSlice
from monitor.domain.window import Window
from monitor.stats.intervals import Interval
from monitor.stats.weighted import WeightedShare
from monitor.store.explanations import Key
from monitor.store.json_parameters import Json
from monitor.store.tombstones import erased_by_now


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """A verdict that estimates may rest on."""

    ts: datetime
    request_id: str
    correct: bool
    probability: float
    slices: dict[str, str]


@dataclass(frozen=True, slots=True)
class StoredSlice:
    """A slice that was found, without its rows; see `monitor.discovery.FoundSlice`."""

    kind: str
    name: str
    traffic: float
    inside: WeightedShare
    outside: WeightedShare
    gap: float
    interval: Interval
    adjusted_p: float

    @classmethod
    def of(cls, found: FoundSlice) -> StoredSlice:
        return cls(
            found.kind, found.name, found.traffic, found.inside, found.outside, found.gap, found.interval,
            found.adjusted_p,
        )  # fmt: skip


def labelled_models(connection: Connection, window: Window) -> dict[str, int]:
    """Models with labels in the window that were drawn by the sampler, and how many each has."""
    rows = connection.execute(
        text(f"SELECT model, count(*) AS labels FROM verdicts WHERE {_COUNTS} GROUP BY model ORDER BY model"),
        {"start": window.start, "end": window.end},
    )
    return {row.model: int(row.labels) for row in rows}


def labelled_answers(connection: Connection, model: str, window: Window, most: int) -> list[LabelledAnswer]:
    """The labelled answers of a window; where there are more than `most`, a part chosen by the hash of their ids."""
    rows = connection.execute(
        text(
            "SELECT ts, request_id, correct, inclusion_probability, slices, version, variant, task FROM verdicts "
            f"WHERE model = :model AND {_COUNTS} ORDER BY md5(request_id) LIMIT :most"
        ),
        {"model": model, "start": window.start, "end": window.end, "most": most},
    )
    return [
        LabelledAnswer(
            row.ts, row.request_id, row.correct, row.inclusion_probability,
            {**row.slices, "version": row.version, "variant": row.variant, "task": row.task},
        )
        for row in rows
    ]  # fmt: skip


_COUNTS = "ts >= :start AND ts < :end AND correct IS NOT NULL AND inclusion_probability IS NOT NULL AND replay IS NULL"


def labels_searched(connection: Connection, model: str, since: datetime) -> int:
    """Labels of the largest search for a window that ended after this; 0: there was none."""
    found = connection.execute(
        text("SELECT coalesce(max(labels), 0) FROM slice_discoveries WHERE model = :model AND window_end > :since"),
        {"model": model, "since": since},
    )
    return int(found.scalar_one())


def insert_discovery(
    connection: Connection, model: str, window: Window, found: Discoveries, examples: Sequence[Sequence[Key]],
    now: datetime,
) -> int:  # fmt: skip
    """Store a search with some wrong answers of each slice that was found, but for those erased meanwhile; returns its
    number."""
    detail = {
        "accuracy": msgspec.to_builtins(found.accuracy),
        "found": msgspec.to_builtins([StoredSlice.of(one) for one in found.found]),
    }
    number = int(
        connection.execute(
            text(
                "INSERT INTO slice_discoveries (model, window_start, window_end, labels, tried, detail, created_at) "
                "VALUES (:model, :start, :end, :labels, :tried, :detail, :now) RETURNING id"
            ),
            {"model": model, "start": window.start, "end": window.end, "labels": found.labels, "tried": found.tried,
             "detail": Json(detail), "now": now},
        ).scalar_one()
    )  # fmt: skip
    gone = erased_by_now(connection, [request_id for keys in examples for _, request_id in keys])
    rows: list[dict[str, Any]] = [
        {"id": number, "slice": index, "place": place, "ts": ts, "request": request_id}
        for index, keys in enumerate(examples)
        for place, (ts, request_id) in enumerate(keys)
        if request_id not in gone
    ]
    if rows:
        connection.execute(
            text(
                "INSERT INTO discovery_examples (discovery_id, slice, place, ts, request_id) "
                "VALUES (:id, :slice, :place, :ts, :request)"
            ),
            rows,
        )
    return number
