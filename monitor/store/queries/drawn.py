"""Answers that stand for the traffic: those drawn for labelling, and replayed logs; with labels and agreement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, text

from monitor.domain.window import Window
from monitor.store.queries.selection import Selection, bounds
from monitor.store.queries.slices import Dimension

MOST_ROWS: Final = 5000
"""Answers that are looked at; of more, these are chosen by a hash of their ids: the same ones at every look."""


@dataclass(frozen=True, slots=True)
class DrawnRow:
    """An answer, the probability with which it was drawn, and its verdict; users' complaints give none."""

    request_id: str
    ts: datetime
    task: str
    value: str | None
    """Of the slice dimension that was asked for."""
    status: str
    answer: str | None
    candidates: list[dict[str, Any]] | None
    refused: bool
    safety_flagged: bool
    probability: float
    judged: bool
    """Whether there is a verdict, be it without an outcome."""
    correct: bool | None
    score: float | None


@dataclass(frozen=True, slots=True)
class LabelWords:
    """What one annotator said of an answer."""

    request_id: str
    ts: datetime
    annotator_id: str
    verdict: str | None
    answers: list[str]
    rating: float | None
    safety_violation: bool | None
    adjudicates: bool


@dataclass(frozen=True, slots=True)
class DrawnAnswers:
    rows: tuple[DrawnRow, ...]
    total: int
    """Answers that were drawn in the window, of which `rows` are at most `MOST_ROWS`."""


_DRAWN = """
    WITH drawn AS (
        SELECT ts, request_id, inclusion_probability AS probability, false AS replayed FROM label_tasks
        WHERE ts >= :start AND ts < :end{of_tasks}
        UNION ALL
        SELECT ts, request_id, inclusion_probability, true FROM verdicts
        WHERE ts >= :start AND ts < :end AND replay IS NOT NULL AND inclusion_probability IS NOT NULL{of_rows}
    ), chosen AS (
        SELECT *, count(*) OVER () AS total FROM drawn ORDER BY md5(request_id), ts LIMIT :most
    )
    SELECT p.request_id, p.ts, p.task, p.value, p.status, p.answer, p.candidates, p.refused, p.safety_flagged,
           chosen.probability, v.request_id IS NOT NULL AS judged, v.correct, v.score, chosen.total
    FROM chosen CROSS JOIN LATERAL (
        SELECT *, {value} AS value FROM predictions
        WHERE ts = chosen.ts AND request_id = chosen.request_id AND (replay IS NOT NULL) = chosen.replayed{of_rows}
        LIMIT 1
    ) AS p LEFT JOIN LATERAL (
        SELECT request_id, correct, score FROM verdicts
        WHERE request_id = chosen.request_id AND ts = chosen.ts AND inclusion_probability IS NOT NULL LIMIT 1
    ) AS v ON true
    ORDER BY p.ts, p.request_id
"""
_WORDS = text("""
    SELECT l.request_id, l.ts, annotator_id, verdict, answers, rating, safety_violation, adjudicates
    FROM unnest(CAST(:ids AS text[]), CAST(:times AS timestamptz[])) AS k (request_id, ts)
    JOIN labels AS l ON l.request_id = k.request_id
    WHERE annotator_kind <> 'user' AND scored AND (l.ts >= k.ts OR NOT EXISTS (
        SELECT FROM arrivals AS a WHERE a.request_id = l.request_id AND a.ts <= l.ts
    )) ORDER BY l.request_id, l.ts, annotator_id
""")
"""As `monitor.store.scoring.take_labels` tells what a label speaks of: an id may have been used before."""
_AGREEMENT = text("""
    SELECT k.request_id, k.ts, i.embedder_id, 1 - (i.vector <=> a.vector) AS cosine
    FROM unnest(CAST(:ids AS text[]), CAST(:times AS timestamptz[])) AS k (request_id, ts) CROSS JOIN LATERAL (
        SELECT embedder_id, vector FROM embeddings WHERE ts = k.ts AND request_id = k.request_id AND kind = 'image'
    ) AS i CROSS JOIN LATERAL (
        SELECT vector FROM embeddings WHERE ts = k.ts AND request_id = k.request_id AND kind = 'answer'
            AND embedder_id = i.embedder_id LIMIT 1
    ) AS a
""")


def drawn_answers(
    connection: Connection, window: Window, selection: Selection, dimension: Dimension | None, most: int = MOST_ROWS
) -> DrawnAnswers:
    """Of predictions made within the window, by time."""
    of_rows, parameters = selection.of_rows()
    of_tasks, _ = selection.of_rollups()
    value, key = dimension.bound("dimension") if dimension else ("NULL::text", {})
    query = text(_DRAWN.format(of_rows=of_rows, of_tasks=of_tasks, value=value))
    found = [
        dict(row) for row in connection.execute(query, {**bounds(window), **parameters, **key, "most": most}).mappings()
    ]
    total = max((row.pop("total") for row in found), default=0)
    return DrawnAnswers(tuple(DrawnRow(**row) for row in found), total)


def label_words(connection: Connection, rows: Sequence[DrawnRow]) -> list[LabelWords]:
    """What annotators, but not users who complained, said of these answers, the oldest first."""
    judged = [row for row in rows if row.judged]
    return [LabelWords(**row) for row in connection.execute(_WORDS, _keys(judged)).mappings()]


def agreements(connection: Connection, rows: Sequence[DrawnRow]) -> dict[tuple[str, datetime], float]:
    """Cosine of answer and image vectors by request id and time, in [-1, 1], of the embedder that has most of them.

    A vector of zeros has no direction: its row is left out.
    """
    by_embedder: dict[int, dict[tuple[str, datetime], float]] = {}
    for found in connection.execute(_AGREEMENT, _keys(rows)):
        if -1.0 <= found.cosine <= 1.0:
            by_embedder.setdefault(found.embedder_id, {})[found.request_id, found.ts] = found.cosine
    return max(by_embedder.items(), key=lambda item: (len(item[1]), item[0]), default=(0, {}))[1]


def _keys(rows: Sequence[DrawnRow]) -> dict[str, Any]:
    return {"ids": [row.request_id for row in rows], "times": [row.ts for row in rows]}
