"""Requests to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, text

from monitor.domain.window import Window
from monitor.slo.objective import Measure
from monitor.store.queries.accuracy import COUNTS
from monitor.store.queries.selection import Selection, bounds, selected
from monitor.store.queries.slices import Dimension

EXAMPLES: Final = 6
_BAD: Final[dict[str, str | None]] = {
    "availability": "p.status IN ('error', 'timeout')",
    "latency": "p.status = 'ok' AND p.latency_ms > :threshold",
    "label_accuracy": f"NOT v.correct AND v.{COUNTS.replace(' AND ', ' AND v.')}",
    "coverage": None,
    "label_backlog": None,
    "drift": None,
}
"""SQL: one bad event of an SLI; the counts themselves come from the SLI. None: its bad events
are no requests, or not stored."""


@dataclass(frozen=True, slots=True)
class Example:
    """A request to look at."""

    request_id: str
    ts: datetime
    version: str
    variant: str
    status: str
    error_code: str | None
    latency_ms: float | None
    prompt: str | None
    answer: str | None
    confidence: float | None
    correct: bool | None
    expected: tuple[str, ...]
    """Acceptable answers that labels named."""
    image_ref: str | None
    image_sha256: str | None
    slices: dict[str, str]


def examples(connection: Connection, measure: Measure, window: Window, limit: int = EXAMPLES) -> list[Example]:
    """Some of the bad events of a window, drawn by a hash of their id: the same ones at every look."""
    bad = _BAD[measure.sli]
    if bad is None:
        return []
    conditions, parameters = selected(measure.selector, "p.")
    chosen = f"""
        SELECT p.ts, p.request_id, v.correct, p.ts AS place FROM predictions AS p
        {"" if measure.sampled else "LEFT "}JOIN verdicts AS v ON v.request_id = p.request_id AND v.ts = p.ts
        WHERE p.ts >= :start AND p.ts < :end AND {bad}{conditions}
        ORDER BY md5(p.request_id) LIMIT :limit
    """
    return stored(connection, chosen, {**bounds(window), **parameters, "limit": limit, "threshold": measure.threshold})


def wrong_answers(
    connection: Connection, window: Window, selection: Selection, part: Mapping[Dimension, str], limit: int = EXAMPLES
) -> list[Example]:
    """Some of the wrong answers that an accuracy counts, of one slice or of where two meet, drawn in the same way."""
    conditions, parameters = selection.of_rows()
    for number, (dimension, value) in enumerate(part.items()):
        of, given = dimension.bound(f"key_{number}")
        conditions += f" AND {of} = :value_{number}"
        parameters |= {**given, f"value_{number}": value}
    chosen = f"""
        SELECT ts, request_id, correct, ts AS place FROM verdicts
        WHERE ts >= :start AND ts < :end AND {COUNTS} AND NOT correct{conditions} AND EXISTS (
            SELECT FROM predictions AS p WHERE p.ts = verdicts.ts AND p.request_id = verdicts.request_id
        )
        ORDER BY md5(request_id) LIMIT :limit
    """
    return stored(connection, chosen, {**bounds(window), **parameters, "limit": limit})


def stored(connection: Connection, chosen: str, given: Mapping[str, Any]) -> list[Example]:
    """The requests whose ts, request_id, correct and place a query gives, by their place, if they are still stored."""
    query = text(f"""
        WITH chosen AS ({chosen})
        SELECT p.request_id, p.ts, p.version, p.variant, p.status, p.error_code, p.latency_ms, p.prompt, p.answer,
               p.confidence, chosen.correct, p.image_ref, p.detail -> 'image' ->> 'sha256' AS image_sha256, p.slices,
               ARRAY(SELECT DISTINCT one FROM labels, jsonb_array_elements_text(labels.answers) AS one
                     WHERE labels.request_id = p.request_id ORDER BY one) AS expected
        FROM chosen JOIN predictions AS p ON p.ts = chosen.ts AND p.request_id = chosen.request_id ORDER BY chosen.place
    """)
    rows = connection.execute(query, given).mappings()
    return [Example(**{**row, "expected": tuple(row["expected"])}) for row in rows]
