"""What scoring needs from the tables: labels that wait, the predictions they speak of, and verdicts back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from monitor.store.copy import raw, stage
from monitor.store.json_parameters import TEXTS, Json, as_json

_COLUMNS = (
    ("request_id", "text"), ("ts", "timestamptz"), ("labelled_at", "timestamptz"), ("model", "text"),
    ("version", "text"), ("variant", "text"), ("task", "text"), ("correct", "bool"), ("score", "float4"),
    ("confidence", "float4"), ("inclusion_probability", "float8"), ("in_base", "bool"), ("scorer", "text"),
    ("slices", "jsonb"), ("replay", "text"),
)  # fmt: skip

_UNSCORED = "SELECT request_id FROM labels WHERE NOT scored AND request_id > %s ORDER BY request_id LIMIT %s"
_WAITING = f"""
    SELECT l.content_hash, l.request_id, p.*, t.inclusion_probability, t.in_base, t.annotators
    FROM unnest({TEXTS}) AS given (request_id) CROSS JOIN LATERAL (
        SELECT content_hash, request_id, ts, replay FROM labels
        WHERE labels.request_id = given.request_id AND NOT scored OFFSET 0
    ) AS l LEFT JOIN LATERAL (
        SELECT ts FROM arrivals a WHERE a.request_id = l.request_id
        ORDER BY a.ts <= l.ts DESC, CASE WHEN a.ts <= l.ts THEN l.ts - a.ts ELSE a.ts - l.ts END LIMIT 1
    ) AS arrival ON true LEFT JOIN LATERAL (
        SELECT ts, model, version, variant, task, answer, candidates, confidence, slices, replay
        FROM predictions WHERE predictions.ts = arrival.ts AND predictions.request_id = l.request_id LIMIT 1
    ) AS p ON true LEFT JOIN LATERAL (
        SELECT inclusion_probability, in_base, annotators FROM label_tasks
        WHERE label_tasks.ts = p.ts AND label_tasks.request_id = l.request_id LIMIT 1
    ) AS t ON true
    WHERE arrival.ts IS NOT NULL OR (l.replay IS NULL AND l.ts < %s)
    ORDER BY p.ts
"""
# OFFSET and the limits keep the lookups row by row, in the index of each day: labels are few, predictions are not.
_LABELS = """
    UPDATE labels l SET scored = true
    FROM json_to_recordset(%s::json) AS k (request_id text, ts timestamptz)
    WHERE l.request_id = k.request_id
    RETURNING l.request_id, l.ts, annotator_id, annotator_kind, verdict, answers, rating,
        adjudicates,
        l.ts >= k.ts OR NOT EXISTS (
            SELECT FROM arrivals a WHERE a.request_id = l.request_id AND a.ts <= l.ts
        ) AS speaks_of_it
"""
_SETTLE = "UPDATE labels SET scored = true WHERE content_hash = ANY(%s)"
_REOPEN = """
    UPDATE labels l SET scored = false WHERE content_hash = ANY(%s) AND scored
    AND NOT EXISTS (SELECT FROM verdicts v WHERE v.request_id = l.request_id)
"""
_TASKS = text("""
    UPDATE label_tasks t SET answers = k.answers, answered_at = k.answered_at, disputed = k.disputed,
        skipped_at = CASE WHEN k.answers > t.answers THEN NULL ELSE t.skipped_at END
    FROM unnest(
        CAST(:ids AS text[]), CAST(:times AS timestamptz[]), CAST(:answers AS smallint[]),
        CAST(:answered AS timestamptz[]), CAST(:disputed AS bool[])
    ) AS k (request_id, ts, answers, answered_at, disputed)
    WHERE t.ts = k.ts AND t.request_id = k.request_id
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
    """With which it was drawn for labelling; this and the next two are None where it was not."""
    in_base: bool | None
    annotators: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What labels that wait speak of, as far as it is known."""

    predictions: list[PredictionRow]
    hopeless: list[bytes]
    """Content hashes of labels that can never be scored."""


@dataclass(frozen=True, slots=True)
class LabelRow:
    request_id: str
    ts: datetime
    annotator_id: str
    annotator_kind: str
    verdict: str | None
    answers: list[str]
    rating: float | None
    adjudicates: bool
    """Settles a dispute between others."""


@dataclass(frozen=True, slots=True)
class VerdictRow:
    prediction: PredictionRow
    labelled_at: datetime
    correct: bool | None
    score: float | None
    scorer: str
    inclusion_probability: float | None
    in_base: bool
    answers: int
    """Annotators that were heard; users who complained are none."""
    answered_at: datetime | None
    """When as many had answered as the label task asks for; None: not yet, or there is no task."""
    disputed: bool
    """They contradict each other, and no adjudicator has settled it."""


def unscored_ids(connection: Connection, after: str, limit: int) -> list[str]:
    """The next ids behind `after` of which a label has not been scored, in their order: those of so many labels.

    Their prediction may be unknown.
    """
    return list(dict.fromkeys(row[0] for row in raw(connection).execute(_UNSCORED, (after, limit))))


def look_up(connection: Connection, request_ids: Sequence[str], lost_before: datetime | None) -> Waiting:
    """The predictions of these ids whose labels have not all been scored; labels that came before theirs wait unseen.

    A label names an id only. Where an id was used for several predictions, days apart, it speaks of the latest one at
    or before its own time, or else of the first one after. Of several such predictions with waiting labels the newest
    is taken.

    A label is hopeless where the prediction has come and has no row: rows are written in the transaction of the
    arrival, so that it was not stored, is kept no longer, or was erased.

    Args:
        lost_before: labels from before it whose prediction has not come are hopeless too, but for those of replays,
            which bring predictions of any age.
    """
    hopeless: list[bytes] = []
    newest: dict[str, PredictionRow] = {}
    for content_hash, request_id, ts, *rest in raw(connection).execute(_WAITING, (as_json(request_ids), lost_before)):
        if ts is None:
            hopeless.append(content_hash)
        else:
            newest[request_id] = PredictionRow(request_id, ts, *rest)
    return Waiting(list(newest.values()), hopeless)


def settle(connection: Connection, content_hashes: Sequence[bytes]) -> None:
    """Mark labels as scored that get no verdict, so that they wait no more. A later label of the same id still brings
    them to bear, see `take_labels`."""
    raw(connection).execute(_SETTLE, (list(content_hashes),))


def reopen(connection: Connection, content_hashes: Sequence[bytes]) -> None:
    """Let labels that were settled without a verdict wait again."""
    raw(connection).execute(_REOPEN, (list(content_hashes),))


def take_labels(connection: Connection, predictions: Collection[PredictionRow]) -> list[LabelRow]:
    """Every label of these predictions. All labels of their ids are marked as scored, also those that speak of an older
    prediction of the same id: an id has one verdict, that of the newest."""
    keys = as_json([{"request_id": one.request_id, "ts": one.ts} for one in predictions])
    return [LabelRow(*row) for *row, speaks_of_it in raw(connection).execute(_LABELS, (keys,)) if speaks_of_it]


def upsert_verdicts(connection: Connection, verdicts: Sequence[VerdictRow]) -> None:
    """Store outcomes; a later label replaces the outcome of its prediction."""
    names = [name for name, _ in _COLUMNS]
    staging = stage(connection, "verdicts", _COLUMNS, map(_row, verdicts))
    raw(connection).execute(
        f"INSERT INTO verdicts ({', '.join(names)}) SELECT {', '.join(names)} FROM {staging} ORDER BY request_id "
        f"ON CONFLICT (request_id) DO UPDATE SET {', '.join(f'{name} = EXCLUDED.{name}' for name in names[1:])}"
    )


def update_tasks(connection: Connection, verdicts: Sequence[VerdictRow]) -> None:
    """Note at the label tasks of these predictions how far they have come. Who answers one that was set aside shows
    that it can be answered."""
    drawn = [one for one in verdicts if one.prediction.annotators is not None]
    given = {
        "ids": [one.prediction.request_id for one in drawn], "times": [one.prediction.ts for one in drawn],
        "answers": [one.answers for one in drawn], "answered": [one.answered_at for one in drawn],
        "disputed": [one.disputed for one in drawn],
    }  # fmt: skip
    connection.execute(_TASKS, given)


def _row(verdict: VerdictRow) -> tuple[object, ...]:
    of = verdict.prediction
    return (
        of.request_id, of.ts, verdict.labelled_at, of.model, of.version, of.variant, of.task, verdict.correct,
        verdict.score, of.confidence, verdict.inclusion_probability, verdict.in_base, verdict.scorer,
        Json(of.slices), of.replay,
    )  # fmt: skip
