"""What scoring needs from the tables: labels that wait, the predictions they speak of, and verdicts back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from monitor.store.copy import raw, stage
from monitor.store.labels import Json

_COLUMNS = (
    ("request_id", "text"), ("ts", "timestamptz"), ("labelled_at", "timestamptz"), ("model", "text"),
    ("version", "text"), ("variant", "text"), ("task", "text"), ("correct", "bool"), ("score", "float4"),
    ("confidence", "float4"), ("inclusion_probability", "float8"), ("scorer", "text"), ("slices", "jsonb"),
    ("replay", "text"),
)  # fmt: skip

_WAITING = text("""
    SELECT DISTINCT labels.request_id, request_ids.ts
    FROM labels JOIN request_ids USING (request_id)
    WHERE NOT labels.scored
    LIMIT :limit
""")
_PREDICTIONS = text("""
    SELECT p.request_id, p.ts, p.model, p.version, p.variant, p.task, p.answer, p.candidates, p.confidence,
           p.slices, p.replay, t.inclusion_probability
    FROM unnest(CAST(:times AS timestamptz[]), CAST(:ids AS text[])) AS k(ts, request_id)
    JOIN predictions p ON p.ts = k.ts AND p.request_id = k.request_id
    LEFT JOIN label_tasks t ON t.request_id = k.request_id
    WHERE p.ts BETWEEN :first AND :last
""")
_LABELS = text("""
    UPDATE labels SET scored = true WHERE request_id = ANY(:ids)
    RETURNING request_id, ts, annotator_id, annotator_kind, verdict, answers, rating
""")


@dataclass(frozen=True, slots=True)
class PredictionRow:
    request_id: str
    ts: datetime
    model: str
    version: str
    variant: str
    task: str
    answer: str | None
    candidates: list[dict[str, Any]] | None
    confidence: float | None
    slices: dict[str, str]
    replay: str | None
    inclusion_probability: float | None


@dataclass(frozen=True, slots=True)
class LabelRow:
    request_id: str
    ts: datetime
    annotator_id: str
    annotator_kind: str
    verdict: str | None
    answers: list[str]
    rating: float | None


@dataclass(frozen=True, slots=True)
class VerdictRow:
    prediction: PredictionRow
    labelled_at: datetime
    correct: bool | None
    score: float | None
    scorer: str
    inclusion_probability: float | None


def waiting_predictions(connection: Connection, limit: int) -> list[PredictionRow]:
    """Predictions whose labels have not all been scored; labels that came before their prediction wait unseen."""
    keys = connection.execute(_WAITING, {"limit": limit}).all()
    if not keys:
        return []
    times = [key.ts for key in keys]
    rows = connection.execute(
        _PREDICTIONS,
        {"times": times, "ids": [key.request_id for key in keys], "first": min(times), "last": max(times)},
    )
    return [PredictionRow(**row) for row in rows.mappings()]


def take_labels(connection: Connection, request_ids: Iterable[str]) -> list[LabelRow]:
    """Every label of these predictions, all marked as scored."""
    return [LabelRow(**row) for row in connection.execute(_LABELS, {"ids": list(request_ids)}).mappings()]


def upsert_verdicts(connection: Connection, verdicts: Sequence[VerdictRow]) -> None:
    """Store outcomes; a later label replaces the outcome of its prediction."""
    names = [name for name, _ in _COLUMNS]
    staging = stage(connection, "verdicts", _COLUMNS, map(_row, verdicts))
    raw(connection).execute(
        f"INSERT INTO verdicts ({', '.join(names)}) SELECT {', '.join(names)} FROM {staging} ORDER BY request_id "
        f"ON CONFLICT (request_id) DO UPDATE SET {', '.join(f'{name} = EXCLUDED.{name}' for name in names[1:])}"
    )


def _row(verdict: VerdictRow) -> tuple[object, ...]:
    of = verdict.prediction
    return (
        of.request_id, of.ts, verdict.labelled_at, of.model, of.version, of.variant, of.task, verdict.correct,
        verdict.score, of.confidence, verdict.inclusion_probability, verdict.scorer, Json(of.slices), of.replay,
    )  # fmt: skip
