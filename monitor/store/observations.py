"""Stored predictions as the streams of fields see them, and the sketches of their hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, text

from monitor.domain.slices import Slice
from monitor.domain.window import HOUR, Window
from monitor.drift.sketch import Sketch
from monitor.store.copy import raw
from monitor.store.references import add_sketches
from monitor.streams import FIELD_STREAMS, Observed

MOST_ROWS: Final = 1000
"""Of a model and hour that are looked at: what a stream of fields costs does not grow with the traffic."""

MOST_CHARACTERS: Final = 16_384
"""Of a prompt or answer that are read."""

_SLOTS: Final = 60
_SPARE: Final = 4
"""Slots hold about so many times the rows that are wanted; the hash then chooses among them."""


@dataclass(frozen=True, slots=True)
class ObservedPrediction:
    """A stored prediction, and where it counts."""

    ts: datetime
    version: str
    variant: str
    slices: Mapping[str, str]
    observed: Observed


def first_prediction(connection: Connection, model: str, until: datetime) -> datetime | None:
    """When the first prediction of the model came that no replay sent."""
    row = connection.execute(
        text("SELECT ts FROM predictions WHERE model = :model AND replay IS NULL AND ts < :until ORDER BY ts LIMIT 1"),
        {"model": model, "until": until},
    ).one_or_none()
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


def _within(connection: Connection, model: str, hour: datetime, narrowed: int, most: int) -> list[ObservedPrediction]:
    """From slots of 1 / 2**narrowed of each minute; where in the minute they lie follows from the minute's number."""
    minute = HOUR / _SLOTS
    width = minute / 2**narrowed
    starts = [hour + index * minute + width * (_scrambled(hour, index) % 2**narrowed) for index in range(_SLOTS)]
    slots = [(start, start + width) for start in starts] if narrowed else [(hour, hour + HOUR)]
    rows = raw(connection).execute(
        f"SELECT p.ts, p.version, p.variant, p.task, p.slices, p.confidence, left(p.prompt, {MOST_CHARACTERS}), "
        f"left(p.answer, {MOST_CHARACTERS}), p.candidates "
        "FROM unnest(%s::timestamptz[], %s::timestamptz[]) AS slot (since, until) CROSS JOIN LATERAL ("
        "SELECT * FROM predictions WHERE ts >= slot.since AND ts < slot.until AND ts >= %s AND ts < %s AND model = %s"
        ") AS p ORDER BY hashtextextended(p.request_id, 0), p.request_id LIMIT %s",
        ([one for one, _ in slots], [one for _, one in slots], hour, hour + HOUR, model, most),
    )
    return [_observed(row) for row in rows]


def replace_sketches(
    connection: Connection, reference_id: int, hour: datetime, sketches: Mapping[Slice, Sketch], rows: int
) -> None:
    """Put an hour's sketches where those of an earlier look stood, if any; `rows` had come by then.

    Two that do so for one reference wait for each other.
    """
    values = {"reference": reference_id, "hour": hour}
    connection.execute(
        text("SELECT id FROM drift_references WHERE id = :reference FOR NO KEY UPDATE"), {"reference": reference_id}
    )
    connection.execute(text("DELETE FROM embedding_sketches WHERE reference_id = :reference AND hour = :hour"), values)
    add_sketches(connection, reference_id, {(part, hour): sketch for part, sketch in sketches.items()})
    connection.execute(
        text(
            "INSERT INTO sketched_hours (reference_id, hour, counted) VALUES (:reference, :hour, :rows) "
            "ON CONFLICT (reference_id, hour) DO UPDATE SET counted = EXCLUDED.counted"
        ),
        {**values, "rows": rows},
    )


def sketched_hours(connection: Connection, window: Window) -> dict[tuple[int, datetime], int]:
    """(reference, hour) -> how many predictions had come when it was sketched."""
    rows = connection.execute(
        text("SELECT reference_id, hour, counted FROM sketched_hours WHERE hour >= :start AND hour < :end"),
        {"start": window.start, "end": window.end},
    )
    return {(row.reference_id, row.hour): row.counted for row in rows}


def forget_sketches(connection: Connection, request_ids: Sequence[str], times: Sequence[datetime]) -> int:
    """Delete the sketches of the hours in which these predictions came, under references of streams of fields.

    While their rows are still there. Hours that are compared again are sketched anew, of what is stored then.
    """
    hours = (
        "SELECT r.id, date_trunc('hour', p.ts, 'UTC') AS hour "
        "FROM unnest(%s::text[], %s::timestamptz[]) AS gone (request_id, ts) "
        "JOIN predictions p ON p.ts = gone.ts AND p.request_id = gone.request_id "
        "JOIN drift_references r ON r.model = p.model AND r.stream = ANY(%s) GROUP BY 1, 2"
    )
    values = (list(request_ids), list(times), list(FIELD_STREAMS))
    driver = raw(connection)
    driver.execute(f"DELETE FROM sketched_hours WHERE (reference_id, hour) IN ({hours})", values)
    return driver.execute(f"DELETE FROM embedding_sketches WHERE (reference_id, hour) IN ({hours})", values).rowcount


def _scrambled(hour: datetime, index: int) -> int:
    """A number that looks drawn by lot (Knuth's multiplicative hash), so that no slot meets a rhythm of the traffic."""
    return (int(hour.timestamp()) // 60 + index) * 2654435761 % 2**32 >> 8


def _observed(row: tuple[Any, ...]) -> ObservedPrediction:
    ts, version, variant, task, slices, confidence, prompt, answer, candidates = row
    scores = tuple(float(one["score"]) for one in candidates or ())
    return ObservedPrediction(ts, version, variant, slices, Observed(task, slices, confidence, prompt, answer, scores))
