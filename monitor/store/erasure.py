"""Finding and removing all rows of some requests or of a person.

The arrivals stay: they say that an id is known, so that its record, read again, is a duplicate.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import msgspec
from sqlalchemy import Connection, text

from monitor.domain.halves import call_of_pair, prelude_of
from monitor.domain.slices import Slice
from monitor.domain.window import DAY
from monitor.drift.sketch import Sketch
from monitor.store.audit import Action
from monitor.store.copy import raw
from monitor.store.embeddings import EmbeddedPrediction, of_halfvec
from monitor.store.retired_days import State, old_days

Key = tuple[str, datetime]
"""Request id and event time."""
Place = tuple[str, ...]
"""Names from a JSON column inwards; the first is the column, `extra` or `slices`."""
_KEYS = "unnest(%s::text[], %s::timestamptz[]) AS gone (request_id, ts)"


KEYS_OF_VECTORS = "SELECT DISTINCT request_id, ts FROM embeddings WHERE request_id = ANY(%s)"


@dataclass(frozen=True, slots=True)
class Person:
    """How the rows of a person are recognised."""

    subject: str
    digests: Sequence[bytes]
    """Under every key that is known."""
    places: Sequence[Place]
    """Where the id stands in rows that carry no hash."""
    everywhere: bool = False
    """Read all rows, not only those that were stored before hashes were kept."""


# ---- finding --------------------------------------------------------------------------------------------------------


def requests_of(connection: Connection, person: Person) -> list[str]:
    """Ids of the predictions that name the person."""
    condition, values = _names(person, ("extra", "slices"), {"extra": "detail -> 'extra'", "slices": "slices"})
    found: set[str] = set()
    for table in ("predictions", *_leaving(connection, "predictions")):
        rows = raw(connection).execute(f"SELECT DISTINCT request_id FROM {table} WHERE {condition}", values)
        found.update(row[0] for row in rows)
    return sorted(found)


def labels_of(connection: Connection, person: Person) -> list[bytes]:
    """Content hashes of the labels that name the person."""
    condition, values = _names(person, ("extra",), {"extra": "extra"})
    found = raw(connection).execute(f"SELECT content_hash FROM labels WHERE {condition}", values)
    return sorted(bytes(row[0]) for row in found)


def pairs_of(connection: Connection, person: Person) -> list[str]:
    """Ids of the calls of which one side waits, or what came ahead of one, that names the person."""
    query = "SELECT pair_id, side FROM waiting_halves WHERE subject_hash = ANY(%s)"
    return sorted({call_of_pair(*row) for row in raw(connection).execute(query, (list(person.digests),))})


def _names(person: Person, roots: Collection[str], columns: dict[str, str]) -> tuple[str, list[object]]:
    """SQL: the row's hash is the person's, or it has none and one of the places holds the id."""
    values: list[object] = [list(person.digests)]
    places = [place for place in person.places if place[0] in roots]
    held = []
    for root, *names in places:
        held.append(f"({columns[root]}) #>> %s::text[] = %s")
        values += [names, person.subject]
    unread = "true" if person.everywhere else "subject_hash IS NULL"
    by_reading = f"({unread} AND ({' OR '.join(held)}))" if held else "false"
    return f"(subject_hash <> ''::bytea AND subject_hash = ANY(%s)) OR {by_reading}", values


def keys_of_vectors(connection: Connection, request_ids: Sequence[str]) -> list[Key]:
    """Of all vectors of these ids, of whatever time: those of a record that was refused for its time as well.

    No index begins with the id, but the primary keys hold it: they are read whole, and no vector is.
    """
    return raw(connection).execute(KEYS_OF_VECTORS, (list(request_ids),)).fetchall()


def stored(connection: Connection, keys: Sequence[Key]) -> set[str]:
    """Ids of those whose predictions are there."""
    query = f"SELECT request_id FROM {_KEYS} JOIN predictions USING (ts, request_id)"
    return {row[0] for row in raw(connection).execute(query, _columns(keys))}


def embedded(connection: Connection, keys: Sequence[Key]) -> list[EmbeddedPrediction]:
    """The stored vectors of these predictions, one entry per prediction and embedder."""
    rows = (
        raw(connection)
        .cursor(binary=True)
        .execute(
            "SELECT e.ts, e.request_id, p.model, p.version, p.variant, p.task, p.slices, e.embedder_id, d.fingerprint, "
            f"e.kind, e.vector FROM {_KEYS} JOIN embeddings e ON e.ts = gone.ts AND e.request_id = gone.request_id "
            "JOIN predictions p ON p.ts = e.ts AND p.request_id = e.request_id "
            "JOIN embedders d ON d.id = e.embedder_id",
            _columns(keys),
        )
    )
    found: dict[tuple[datetime, str, int], EmbeddedPrediction] = {}
    for ts, request_id, model, version, variant, task, slices, number, fingerprint, kind, vector in rows:
        vectors = {kind: of_halfvec(vector)}
        key = (ts, request_id, number)
        if key in found:
            vectors |= found[key].vectors
        found[key] = EmbeddedPrediction(
            ts, request_id, model, version, variant, task, slices, number, fingerprint, vectors
        )
    return list(found.values())


# ---- removing ----------------------------------------------------------------------------------------


def delete_by_key(connection: Connection, table: str, keys: Sequence[Key]) -> list[str]:
    """Of a table whose key begins with the event time; returns the id of every row."""
    statement = (
        f"DELETE FROM {table} USING {_KEYS} WHERE {table}.ts = gone.ts AND {table}.request_id = gone.request_id "
        f"RETURNING {table}.request_id"
    )
    return [row[0] for row in raw(connection).execute(statement, _columns(keys))]


def delete_by_id(connection: Connection, table: str, request_ids: Sequence[str]) -> list[str]:
    """Returns the id of every row."""
    statement = f"DELETE FROM {table} WHERE request_id = ANY(%s) RETURNING request_id"
    return [row[0] for row in raw(connection).execute(statement, (list(request_ids),))]


def delete_from_leaving_days(connection: Connection, table: str, request_ids: Sequence[str]) -> list[str]:
    """What retention has detached and not dropped yet, and a late record may attach again; returns the id of every
    row."""
    return [one for day in _leaving(connection, table) for one in delete_by_id(connection, day, request_ids)]


def delete_tasks(connection: Connection, keys: Sequence[Key], request_ids: Sequence[str]) -> list[str]:
    """Label tasks of these requests, whose `keys` are those that arrivals tell; returns the id of each.

    By id alone, which has no index, only where arrivals are not kept any more: tasks may be kept longer.
    """
    older = "DELETE FROM label_tasks WHERE ts < %s AND request_id = ANY(%s) RETURNING request_id"
    found = raw(connection).execute(older, (_all_known_since(connection), list(request_ids)))
    return [row[0] for row in found] + delete_by_key(connection, "label_tasks", keys)


def delete_labels(
    connection: Connection, request_ids: Sequence[str], content_hashes: Sequence[bytes]
) -> list[tuple[str, bytes]]:
    """Labels of these requests, and these labels; returns the request and the content hash of each."""
    found = raw(connection).execute(
        "DELETE FROM labels WHERE request_id = ANY(%s) OR content_hash = ANY(%s) RETURNING request_id, content_hash",
        (list(request_ids), list(content_hashes)),
    )
    return [(request_id, bytes(content_hash)) for request_id, content_hash in found]


def delete_halves(connection: Connection, calls: Sequence[str]) -> list[str]:
    """Waiting sides of these calls, and what came ahead of them; returns the id of each one's call."""
    statement = (
        "DELETE FROM waiting_halves WHERE (pair_id = ANY(%s) AND side <> 'prelude') "
        "OR (pair_id = ANY(%s) AND side = 'prelude') RETURNING pair_id, side"
    )
    found = raw(connection).execute(statement, (list(calls), list(map(prelude_of, calls))))
    return [call_of_pair(*row) for row in found]


def delete_halves_with(connection: Connection, texts: Sequence[str]) -> list[tuple[str, str]]:
    """Waiting sides of calls of which one of the texts is a whole JSON text; returns the id of each call, and a text.

    The fields are JSON as we write it, so that each text stands there in one form only.
    """
    found = raw(connection).execute(
        "DELETE FROM waiting_halves USING unnest(%s::bytea[], %s::text[]) AS sought (needle, content) "
        "WHERE position(needle IN fields) > 0 RETURNING pair_id, side, content",
        ([msgspec.json.encode(one) for one in texts], list(texts)),
    )
    return [(call_of_pair(pair_id, side), content) for pair_id, side, content in found]


def withdraw_sketches(
    connection: Connection, reference_id: int, sketches: Mapping[tuple[Slice, datetime], Sketch]
) -> int:
    """Subtract from hourly sums that are still kept, exactly: they are integers. In key order, as writers lock them."""
    changed = 0
    for (part, hour), one in sorted(sketches.items(), key=_cell_key):
        found = raw(connection).execute(
            "UPDATE embedding_sketches SET n = n - %s, sums = ARRAY(SELECT a - b FROM unnest(sums, %s::int8[]) "
            "WITH ORDINALITY AS t(a, b, i) ORDER BY i) "
            "WHERE reference_id = %s AND dimension = %s AND value = %s AND hour = %s AND n >= %s",
            (one.n, one.sums.tolist(), reference_id, part.dimension, part.value, hour, one.n),
        )
        changed += found.rowcount
    return changed


def known_subject(connection: Connection, digests: Collection[str]) -> bool:
    """Was a subject of one of these hashes (hex) erased before?"""
    found = connection.execute(
        text("SELECT true FROM audit_log WHERE action = :action AND detail ->> 'subject' = ANY(:digests) LIMIT 1"),
        {"action": Action.ERASE, "digests": list(digests)},
    )
    return found.first() is not None


def _leaving(connection: Connection, table: str) -> list[str]:
    """Days that are no part of the table any more, or not for long."""
    return [one.name for one in old_days(connection, table, date.max) if one.state is not State.ATTACHED]


def _all_known_since(connection: Connection) -> datetime:
    """Since when all arrivals are there: the begin of the last days, without a gap, of which none were taken away."""
    days = old_days(connection, "arrivals", date.max)
    whole = {one.day for one in days if one.state is State.ATTACHED and not one.thinned}
    first = max(whole, default=date.max)
    while first - DAY in whole:
        first -= DAY
    return datetime.combine(first, time(), UTC)


def _columns(keys: Sequence[Key]) -> tuple[list[str], list[datetime]]:
    return [request_id for request_id, _ in keys], [ts for _, ts in keys]


def _cell_key(cell: tuple[tuple[Slice, datetime], Sketch]) -> tuple[str, str, datetime]:
    (part, hour), _ = cell
    return part.dimension, part.value, hour
