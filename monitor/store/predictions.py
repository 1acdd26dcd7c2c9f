"""Writing predictions: who was first, and the rows of those."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, text

from monitor.domain.events import Prediction
from monitor.store.copy import copy_rows, raw, stage

_encode = msgspec.json.Encoder().encode

_COLUMNS = (
    ("ts", "timestamptz"), ("request_id", "text"), ("model", "text"), ("version", "text"), ("variant", "text"),
    ("task", "text"), ("status", "text"), ("error_code", "text"), ("latency_ms", "float4"), ("cost_usd", "float4"),
    ("confidence", "float4"), ("image_ref", "text"), ("prompt", "text"), ("answer", "text"), ("refused", "bool"),
    ("safety_flagged", "bool"), ("replay", "text"),
    # psycopg sends bytes as they are, and the server reads them as binary jsonb: no detour over Python objects.
    ("slices", "bytea"), ("candidates", "bytea"), ("detail", "bytea"),
)  # fmt: skip
_ID_COLUMNS = (("request_id", "text"), ("content_hash", "bytea"), ("ts", "timestamptz"))


@dataclass(frozen=True, slots=True)
class Arrival:
    """A prediction that passed the door, with the hash of its content."""

    event: Prediction
    content_hash: bytes
    replay: str | None


def claim(connection: Connection, arrivals: Sequence[Arrival]) -> set[str]:
    """Enter the ids into `request_ids`; returns those that were not there. In id order, so that two collectors that
    bring the same ids wait for each other instead of deadlocking."""
    ordered = sorted(arrivals, key=lambda arrival: arrival.event.request_id)
    rows = ((one.event.request_id, one.content_hash, one.event.ts) for one in ordered)
    staging = stage(connection, "request_ids", _ID_COLUMNS, rows)
    found = raw(connection).execute(
        f"INSERT INTO request_ids (request_id, content_hash, ts) SELECT request_id, content_hash, ts FROM {staging} "
        "ON CONFLICT (request_id) DO NOTHING RETURNING request_id"
    )
    return {row[0] for row in found}


def known_hashes(connection: Connection, request_ids: Iterable[str]) -> dict[str, bytes]:
    """The content hash of each of these ids that is known."""
    rows = connection.execute(
        text("SELECT request_id, content_hash FROM request_ids WHERE request_id = ANY(:ids)"),
        {"ids": list(request_ids)},
    )
    return {row.request_id: bytes(row.content_hash) for row in rows}


def insert(connection: Connection, arrivals: Iterable[Arrival]) -> None:
    """Store the rows of first-seen predictions; their day partitions exist."""
    copy_rows(connection, "predictions", _COLUMNS, map(_row, arrivals))


def _row(arrival: Arrival) -> tuple[object, ...]:
    event = arrival.event
    given, output = event.input, event.output
    return (
        event.ts, event.request_id, event.model.name, event.model.version, event.model.variant,
        event.task, event.status, event.error_code, event.latency_ms, event.cost_usd,
        output.confidence, given.image.ref if given.image else None, given.prompt, output.answer, output.refused,
        output.safety is not None and output.safety.flagged, arrival.replay, _json(event.slices),
        _json(output.candidates) if output.candidates else None, _detail(event),
    )  # fmt: skip


def _detail(event: Prediction) -> bytes | None:
    """What has no column of its own; None when there is nothing."""
    given = event.input
    detail = {
        "image": given.image,
        "prompt_template": given.prompt_template,
        "context": given.context,
        "tokens": event.tokens,
        "safety": event.output.safety,
        "preprocess_version": event.preprocess_version,
        "trace_id": event.trace_id,
        "extra": event.extra or None,
    }
    present = {name: value for name, value in detail.items() if value is not None}
    return _json(present) if present else None


def _json(value: object) -> bytes:
    """PostgreSQL's binary form of jsonb: a version byte, then the text."""
    return b"\x01" + _encode(value)
