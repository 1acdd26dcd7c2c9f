"""Sketches of hours under references of streams of fields: which there are, and putting them in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from monitor.domain.slices import Slice
from monitor.domain.window import Window
from monitor.drift.sketch import Sketch
from monitor.store.copy import raw
from monitor.store.sketches import add_sketches
from monitor.streams import FIELD_STREAMS


def sketched_hours(connection: Connection, window: Window) -> dict[tuple[int, datetime], int]:
    """(reference, hour) -> how many predictions had come when it was sketched."""
    rows = connection.execute(
        text("SELECT reference_id, hour, counted FROM sketched_hours WHERE hour >= :start AND hour < :end"),
        {"start": window.start, "end": window.end},
    )
    return {(row.reference_id, row.hour): row.counted for row in rows}


def claim(connection: Connection, reference_ids: Sequence[int]) -> None:
    """Whoever reads predictions to sketch them, or erases some, waits here for another who does, until its end.

    So no sketch holds what was erased between reading and writing.
    """
    query = text("SELECT id FROM drift_references WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")
    connection.execute(query, {"ids": list(reference_ids)})


def replace_sketches(
    connection: Connection, reference_id: int, hour: datetime, sketches: Mapping[Slice, Sketch], rows: int
) -> None:
    """Put an hour's sketches where those of an earlier look stood, if any; `rows` had come by then.

    The reference is claimed.
    """
    values = {"reference": reference_id, "hour": hour}
    connection.execute(text("DELETE FROM embedding_sketches WHERE reference_id = :reference AND hour = :hour"), values)
    add_sketches(connection, reference_id, {(part, hour): sketch for part, sketch in sketches.items()})
    connection.execute(
        text(
            "INSERT INTO sketched_hours (reference_id, hour, counted) VALUES (:reference, :hour, :rows) "
            "ON CONFLICT (reference_id, hour) DO UPDATE SET counted = EXCLUDED.counted"
        ),
        {**values, "rows": rows},
    )


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
    claim(connection, [row[0] for row in driver.execute(f"SELECT DISTINCT id FROM ({hours}) AS cells", values)])
    driver.execute(f"DELETE FROM sketched_hours WHERE (reference_id, hour) IN ({hours})", values)
    return driver.execute(f"DELETE FROM embedding_sketches WHERE (reference_id, hour) IN ({hours})", values).rowcount
