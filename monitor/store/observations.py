"""Stored predictions as the streams of fields see them, and the sketches of their hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from monitor.domain.window import HOUR, Window
from monitor.store.copy import raw
from monitor.store.embeddings import of_halfvec
from monitor.store.rollups import SINCE_MODEL
from monitor.streams import Observed, image_quality

MOST_ROWS: Final = 1000
"""Of a model and hour that are looked at: what a stream of fields costs does not grow with the traffic."""

MOST_CHARACTERS: Final = 16_384
"""Of a prompt or answer that are read."""

_FIRST = text(
    f"SELECT ts FROM predictions WHERE model = :model AND replay IS NULL AND ts >= {SINCE_MODEL} AND ts < :until "
    "ORDER BY ts LIMIT 1"
)
_SLOTS: Final = 60
_SPARE: Final = 4
"""Slots hold about so many times the rows that are wanted; the hash then chooses among them."""


@dataclass(frozen=True, slots=True)
class ObservedPrediction:
    """A stored prediction, and where it counts."""

    ts: datetime
    request_id: str
    version: str
    variant: str
    slices: Mapping[str, str]
    observed: Observed


@dataclass(frozen=True, slots=True)
class Measures:
    """Numbers of a stored prediction that no stream looks at, and what was measured of its picture."""

    status: str
    latency_ms: float | None
    cost_usd: float | None
    tokens_in: float | None
    tokens_out: float | None
    image_quality: NDArray[np.float32] | None


def first_prediction(connection: Connection, model: str, until: datetime) -> datetime | None:
    """When the first prediction of the model came that no replay sent."""
    row = connection.execute(_FIRST, {"model": model, "until": until}).one_or_none()
    return None if row is None else row.ts


def counted(connection: Connection, window: Window, model: str | None = None) -> dict[tuple[str, datetime], int]:
    """How many predictions came, by model and hour of the window, whether they are stored or not."""
    chosen = "AND model = :model" if model is not None else ""
    rows = connection.execute(
        text(
            "SELECT model, date_trunc('hour', minute, 'UTC') AS hour, sum(ok + error + timeout + rejected) AS rows "
            f"FROM rollups_minute WHERE dimension = '' AND minute >= :start AND minute < :end {chosen} GROUP BY 1, 2"
        ),
        {"start": window.start, "end": window.end} | ({} if model is None else {"model": model}),
    )
    return {(row.model, row.hour): int(row.rows) for row in rows}


def sample(connection: Connection, model: str, hour: datetime, rows: int, most: int) -> list[ObservedPrediction]:
    """At most `most` stored predictions of an hour in which `rows` came, chosen by the hash of their ids.

    Of a busy hour only a slot of each minute is read, as wide as need be: half of it, a quarter ... Where a share of
    the traffic is stored, slots may hold too few, and wider ones are read.
    """
    narrowed = max(0, (rows // (_SPARE * most)).bit_length() - 1)
    found: list[ObservedPrediction] = []
    while narrowed >= 0 and len(found) < most:
        found = _within(connection, model, hour, narrowed, most)
        narrowed = narrowed - 2 if narrowed > 1 else narrowed - 1
    return found


def sample_window(connection: Connection, model: str, window: Window, most: int) -> list[ObservedPrediction]:
    """About `most` stored predictions of a window, as many from each hour at most."""
    hours = sorted(counted(connection, window, model).items())
    per_hour = min(most, -(-most // max(len(hours), 1)))
    rows = [row for (_, hour), n in hours for row in sample(connection, model, hour, n, per_hour)]
    return [row for row in rows if window.start <= row.ts < window.end]


def _within(connection: Connection, model: str, hour: datetime, narrowed: int, most: int) -> list[ObservedPrediction]:
    """From slots of 1 / 2**narrowed of each minute; where in the minute they lie follows from the minute's number."""
    minute = HOUR / _SLOTS
    width = minute / 2**narrowed
    starts = [hour + index * minute + width * (_scrambled(hour, index) % 2**narrowed) for index in range(_SLOTS)]
    slots = [(start, start + width) for start in starts] if narrowed else [(hour, hour + HOUR)]
    rows = raw(connection).execute(
        "SELECT p.ts, p.request_id, p.version, p.variant, p.task, p.slices, p.confidence, "
        f"left(p.prompt, {MOST_CHARACTERS}), left(p.answer, {MOST_CHARACTERS}), p.candidates "
        "FROM unnest(%s::timestamptz[], %s::timestamptz[]) AS slot (since, until) CROSS JOIN LATERAL ("
        "SELECT * FROM predictions WHERE ts >= slot.since AND ts < slot.until AND ts >= %s AND ts < %s AND model = %s"
        ") AS p ORDER BY hashtextextended(p.request_id, 0), p.request_id LIMIT %s",
        ([one for one, _ in slots], [one for _, one in slots], hour, hour + HOUR, model, most),
    )
    return [_observed(row) for row in rows]


def measures(connection: Connection, rows: Sequence[ObservedPrediction]) -> list[Measures]:
    """The measures of these predictions, in their order."""
    cursor = raw(connection).cursor(binary=True)
    found = cursor.execute(
        "SELECT p.status, p.latency_ms, p.cost_usd, (p.detail -> 'tokens' ->> 'in')::float8, "
        "(p.detail -> 'tokens' ->> 'out')::float8, e.vector "
        "FROM unnest(%s::timestamptz[], %s::text[]) WITH ORDINALITY AS wanted (ts, request_id, place) "
        "JOIN predictions p ON p.ts = wanted.ts AND p.request_id = wanted.request_id "
        "LEFT JOIN embeddings e ON e.ts = p.ts AND e.request_id = p.request_id AND e.kind = %s ORDER BY place",
        ([row.ts for row in rows], [row.request_id for row in rows], image_quality.KIND),
    )
    return [
        Measures(
            status, latency, cost, tokens_in, tokens_out,
            None if vector is None else of_halfvec(vector),
        )
        for status, latency, cost, tokens_in, tokens_out, vector in found
    ]  # fmt: skip


def _scrambled(hour: datetime, index: int) -> int:
    """A number that looks drawn by lot (Knuth's multiplicative hash), so that no slot meets a rhythm of the traffic."""
    return (int(hour.timestamp()) // 60 + index) * 2654435761 % 2**32 >> 8


def _observed(row: tuple[Any, ...]) -> ObservedPrediction:
    ts, request_id, version, variant, task, slices, confidence, prompt, answer, candidates = row
    scores = tuple(float(one["score"]) for one in candidates or ())
    return ObservedPrediction(
        ts, request_id, version, variant, slices, Observed(task, slices, confidence, prompt, answer, scores)
    )
