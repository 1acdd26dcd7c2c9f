"""Writing labels, label tasks and deployments: append-only, and the same event twice is one row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from monitor.domain.events import Deployment, Label, Prediction
from monitor.sampling import Draw
from monitor.store.copy import raw, stage
from monitor.store.json_parameters import Json
from monitor.store.packing import jsonb
from monitor.store.tombstones import erased, erased_labels

_LABEL_COLUMNS = (
    ("content_hash", "bytea"), ("request_id", "text"), ("ts", "timestamptz"), ("annotator_id", "text"),
    ("annotator_kind", "text"), ("verdict", "text"), ("answers", "jsonb"), ("rating", "float4"),
    ("safety_violation", "bool"), ("correction", "text"), ("comment", "text"), ("extra", "jsonb"), ("replay", "text"),
    ("subject_hash", "bytea"), ("adjudicates", "bool"),
)  # fmt: skip
_TASK_COLUMNS = (
    ("request_id", "text"), ("ts", "timestamptz"), ("stratum", "text"), ("inclusion_probability", "float8"),
    ("in_base", "bool"), ("plan", "int4"), ("annotators", "int2"), ("model", "text"), ("version", "text"),
    ("variant", "text"), ("task", "text"), ("slices", "bytea"), ("confidence", "float4"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LabelArrival:
    event: Label
    content_hash: bytes
    replay: str | None
    subject_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class DrawnTask:
    """A prediction that was drawn for labelling."""

    event: Prediction
    stratum: str
    draw: Draw
    annotators: int


def insert_labels(connection: Connection, arrivals: Sequence[LabelArrival]) -> set[bytes]:
    """Append labels, whether their predictions are known or not; returns the hashes of those that were new.

    What was erased, or speaks of a request that was, is not.
    """
    if not arrivals:
        return set()
    gone = erased(connection, {one.event.request_id for one in arrivals})
    hashes = erased_labels(connection, {one.content_hash for one in arrivals})
    arrivals = [one for one in arrivals if one.event.request_id not in gone and one.content_hash not in hashes]
    names = ", ".join(name for name, _ in _LABEL_COLUMNS)
    staging = stage(connection, "labels", _LABEL_COLUMNS, map(_label_row, arrivals))
    found = raw(connection).execute(
        f"INSERT INTO labels ({names}) SELECT DISTINCT ON (content_hash) {names} FROM {staging} "
        "ORDER BY content_hash, ts DESC ON CONFLICT DO NOTHING RETURNING content_hash"
    )
    return {row[0] for row in found}


def overruled(connection: Connection, content_hashes: Sequence[bytes]) -> set[bytes]:
    """Those of the stored labels whose annotator said something else of the same answer later."""
    return {bytes(row.content_hash) for row in connection.execute(_OVERRULED, {"hashes": list(content_hashes)})}


def insert_tasks(connection: Connection, drawn: Sequence[DrawnTask]) -> None:
    """Note first-seen predictions that the sampler drew, with the probability that it drew them with."""
    if drawn:
        names = ", ".join(name for name, _ in _TASK_COLUMNS)
        staging = stage(connection, "label_tasks", _TASK_COLUMNS, map(_task_row, drawn))
        raw(connection).execute(
            f"INSERT INTO label_tasks ({names}) SELECT {names} FROM {staging} ON CONFLICT DO NOTHING"
        )


def insert_deployments(connection: Connection, arrivals: Iterable[tuple[Deployment, bytes]]) -> set[bytes]:
    """Append deployments; returns the hashes of those that were new."""
    new = set()
    for event, content_hash in arrivals:
        found = connection.execute(
            _INSERT_DEPLOYMENT,
            {
                "content_hash": content_hash, "ts": event.ts, "model": event.model, "version": event.version,
                "variant": event.variant, "action": event.action, "traffic_share": event.traffic_share,
                "note": event.note, "extra": Json(event.extra) if event.extra else None,
            },
        )  # fmt: skip
        if found.rowcount:
            new.add(content_hash)
    return new


_OVERRULED = text("""
    SELECT l.content_hash FROM labels l CROSS JOIN LATERAL (
        SELECT verdict, answers, rating, safety_violation FROM labels w
        WHERE w.request_id = l.request_id AND w.annotator_id = l.annotator_id AND w.adjudicates = l.adjudicates
          AND (w.annotator_kind = 'user') = (l.annotator_kind = 'user')
          AND (w.verdict IS NOT NULL OR w.rating IS NOT NULL OR w.answers <> '[]'
               OR (l.verdict IS NULL AND l.rating IS NULL AND l.answers = '[]'))
        ORDER BY ts DESC LIMIT 1
    ) AS last
    WHERE l.content_hash = ANY(:hashes)
      AND (last.verdict, last.answers, last.rating, last.safety_violation)
          IS DISTINCT FROM (l.verdict, l.answers, l.rating, l.safety_violation)
""")
_INSERT_DEPLOYMENT = text("""
    INSERT INTO deployments (content_hash, ts, model, version, variant, action, traffic_share, note, extra)
    VALUES (:content_hash, :ts, :model, :version, :variant, :action, :traffic_share, :note, :extra)
    ON CONFLICT DO NOTHING
""")


def _task_row(drawn: DrawnTask) -> tuple[object, ...]:
    event, draw = drawn.event, drawn.draw
    return (
        event.request_id, event.ts, drawn.stratum, draw.probability, draw.in_base, draw.plan, drawn.annotators,
        event.model.name, event.model.version, event.model.variant, event.task, jsonb(event.slices),
        event.output.confidence,
    )  # fmt: skip


def _label_row(arrival: LabelArrival) -> tuple[object, ...]:
    event = arrival.event
    return (
        arrival.content_hash, event.request_id, event.ts, event.annotator.id,
        event.annotator.kind, event.verdict, Json(list(event.answers)), event.rating,
        event.safety_violation, event.correction, event.comment,
        Json(event.extra) if event.extra else None, arrival.replay, arrival.subject_hash, event.adjudicates,
    )  # fmt: skip
