"""Writing predictions: who was first, and the rows of those."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from monitor.domain.events import Extra, Image, Prediction, Safety, Tokens
from monitor.domain.window import DAY, Window, days_of, floor
from monitor.store.copy import copy_blocks, raw, stage_blocks
from monitor.store.json_parameters import as_json
from monitor.store.packing import Block, jsonb, pack
from monitor.store.tombstones import erased

_COLUMNS = (
    ("ts", "timestamptz"), ("request_id", "text"), ("model", "text"), ("version", "text"), ("variant", "text"),
    ("task", "text"), ("status", "text"), ("error_code", "text"), ("latency_ms", "float4"), ("cost_usd", "float4"),
    ("confidence", "float4"), ("image_ref", "text"), ("prompt", "text"), ("answer", "text"), ("refused", "bool"),
    ("safety_flagged", "bool"), ("replay", "text"),
    # Written by `jsonb`: no detour over Python objects.
    ("slices", "bytea"), ("candidates", "bytea"), ("detail", "bytea"), ("subject_hash", "bytea"),
    ("inclusion_probability", "float8"),
)  # fmt: skip
AROUND_MIDNIGHT = timedelta(hours=2)
"""So near the end of a day its neighbour is looked at too. To look always would cost a tenth of all inserts, for the
index of another day is not in the nearest memory; and producers that repeat an id with a new time do so soon."""
_ID_COLUMNS = (("request_id", "text"), ("content_hash", "bytea"), ("ts", "timestamptz"))


class _Detail(msgspec.Struct, omit_defaults=True, gc=False):
    """What has no column of its own."""

    image: Image | None = None
    prompt_template: str | None = None
    context: str | None = None
    tokens: Tokens | None = None
    safety: Safety | None = None
    preprocess_version: str | None = None
    trace_id: str | None = None
    extra: Extra | None = None


class Arrival(msgspec.Struct, frozen=True):
    """A prediction that passed the door, with the hash of its content."""

    event: Prediction
    content_hash: bytes
    replay: str | None
    subject_hash: bytes = b""
    """Of the person it is about, see `monitor.privacy.subject`; empty: nobody."""


@dataclass(frozen=True, slots=True)
class Known:
    """An id that was stored before."""

    request_id: str
    ts: datetime
    content_hash: bytes


def pack_ids(arrivals: Iterable[Arrival]) -> Iterator[Block]:
    """The ids as `claim` enters them."""
    ordered = sorted((one.event.request_id, one.content_hash, one.event.ts) for one in arrivals)
    return pack(_ID_COLUMNS, ((row[0], row) for row in ordered))


def claim(connection: Connection, arrivals: Sequence[Arrival], packed: Iterable[Block] | None = None) -> set[str]:
    """Enter the ids into `arrivals`; returns those that were not known, on their day, nor, near midnight, on the next,
    and are not erased.

    A producer's retry carries its first event time, and so meets its own day. Elsewhere an id counts as new. In id
    order, so that two collectors that bring the same ids wait for each other instead of deadlocking; two that bring
    an id under two different days at the same instant do not see each other, and both keep it.

    Args:
        packed: what `pack_ids` made of these arrivals, and perhaps of others.
    """
    ids = {one.event.request_id for one in arrivals}
    blocks = pack_ids(arrivals) if packed is None else packed
    staging = stage_blocks(connection, "arrivals", _ID_COLUMNS, blocks, ids)
    days = days_of([one.event.ts for one in arrivals])
    entered = raw(connection).execute(
        f"WITH beside AS MATERIALIZED ({' UNION ALL '.join(_beside(staging, day) for day in sorted(days))}), "
        "entered AS (INSERT INTO arrivals (request_id, content_hash, ts) "
        f"SELECT request_id, content_hash, ts FROM {staging} "
        "WHERE request_id <> ALL (ARRAY(SELECT request_id FROM beside)) "
        "ON CONFLICT DO NOTHING RETURNING request_id) "
        "SELECT CASE WHEN count(*) < %s THEN coalesce(array_agg(request_id), '{}') END FROM entered",
        (len(ids),),
    )
    (some,) = entered.fetchone() or (None,)
    new = ids if some is None else set(some)
    return new - erased(connection, new)


def _beside(staging: str, day: datetime) -> str:
    """SQL: the staged ids of a day's first and last hours that are known on the day before it or after it.

    The ids go as one array, whose length the planner cannot see: so it walks the two indexes and never reads a day.
    """
    next_day = day + DAY
    looks = (
        (Window(day, day + AROUND_MIDNIGHT), Window(day - DAY, day)),
        (Window(next_day - AROUND_MIDNIGHT, next_day), Window(next_day, next_day + DAY)),
    )
    return " UNION ALL ".join(
        f"SELECT request_id FROM arrivals WHERE {_within(other)} AND request_id = ANY "
        f"(ARRAY(SELECT request_id FROM {staging} WHERE {_within(own)}))"
        for own, other in looks
    )


def _within(window: Window) -> str:
    return f"ts >= '{window.start.isoformat()}' AND ts < '{window.end.isoformat()}'"


def known_hashes(connection: Connection, times: Mapping[str, datetime]) -> dict[str, bytes]:
    """The content hash of each of these ids that is known on the UTC day of its time, or else on a day beside it."""
    if not times:
        return {}
    found = raw(connection).execute(
        "SELECT given.request_id, first.content_hash "
        "FROM json_to_recordset(%s::json) AS given (request_id text, ts timestamptz) CROSS JOIN LATERAL ("
        f"SELECT content_hash FROM arrivals WHERE {_near('given', times.values())} "
        "ORDER BY date_trunc('day', arrivals.ts, 'UTC') = date_trunc('day', given.ts, 'UTC') DESC LIMIT 1) AS first",
        (as_json([{"request_id": request_id, "ts": ts} for request_id, ts in times.items()]),),
    )
    return dict(found.fetchall())


def find(connection: Connection, request_ids: Collection[str]) -> list[Known]:
    """All that is known of these ids on any day, by a look into the index of every day that is kept: for few ids."""
    found = raw(connection).execute(
        "SELECT request_id, ts, content_hash FROM arrivals WHERE request_id = ANY(%s) ORDER BY request_id, ts",
        (list(request_ids),),
    )
    return [Known(*row) for row in found]


def _near(given: str, times: Collection[datetime]) -> str:
    """SQL: an arrival has the id of the row `given` and its day, or one beside it.

    A subquery with LIMIT around it is looked up row by row, in at most three indexes; as a plain join it might become
    one that reads whole days. The constant bounds spare planning and locking all other days.
    """
    first, last = floor(min(times), DAY) - DAY, floor(max(times), DAY) + 2 * DAY
    day = f"date_trunc('day', {given}.ts, 'UTC')"
    return (
        f"arrivals.request_id = {given}.request_id "
        f"AND arrivals.ts >= {day} - interval '24 hours' AND arrivals.ts < {day} + interval '48 hours' "
        f"AND arrivals.ts >= '{first.isoformat()}' AND arrivals.ts < '{last.isoformat()}'"
    )


def insert(connection: Connection, arrivals: Iterable[Arrival], inclusion: Mapping[str, float] | None = None) -> None:
    """Store the rows of first-seen predictions; their day partitions exist.

    Args:
        inclusion: probability with which each was chosen, by id; the others were stored in any case.
    """
    insert_packed(connection, pack_rows(arrivals, inclusion or {}))


def pack_rows(arrivals: Iterable[Arrival], inclusion: Mapping[str, float]) -> Iterator[Block]:
    """What `insert` stores of them."""
    return pack(_COLUMNS, ((one.event.request_id, _row(one, inclusion.get(one.event.request_id))) for one in arrivals))


def insert_packed(connection: Connection, packed: Iterable[Block], chosen: set[str] | None = None) -> None:
    """`insert` of what is packed already; of that, what has one of these ids."""
    copy_blocks(connection, "predictions", _COLUMNS, packed, chosen)


def _row(arrival: Arrival, inclusion_probability: float | None) -> tuple[object, ...]:
    event = arrival.event
    given, output = event.input, event.output
    return (
        event.ts, event.request_id, event.model.name, event.model.version, event.model.variant,
        event.task, event.status, event.error_code, event.latency_ms, event.cost_usd,
        output.confidence, given.image.ref if given.image else None, given.prompt, output.answer, output.refused,
        output.safety is not None and output.safety.flagged, arrival.replay, jsonb(event.slices),
        jsonb(output.candidates) if output.candidates else None, _detail(event), arrival.subject_hash,
        inclusion_probability,
    )  # fmt: skip


def _detail(event: Prediction) -> bytes | None:
    """None when there is nothing."""
    given = event.input
    detail = _Detail(
        given.image, given.prompt_template, given.context, event.tokens, event.output.safety,
        event.preprocess_version, event.trace_id, event.extra or None,
    )  # fmt: skip
    encoded = jsonb(detail)
    return None if encoded == _NO_DETAIL else encoded


_NO_DETAIL = jsonb({})
