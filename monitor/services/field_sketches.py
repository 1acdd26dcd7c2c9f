"""Sketch what stored predictions say of themselves, for the hours that are compared and lack it.

Streams of fields stay off the path of ingest: their hours are sketched from a bounded sample when a tick needs them,
under whatever references there are then, and again when more predictions have come since.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from monitor.domain.window import Window
from monitor.services.sketches import SketchService
from monitor.store import field_sketches as store
from monitor.store import observations
from monitor.store.engine import transaction
from monitor.store.observations import MOST_ROWS, ObservedPrediction
from monitor.store.references import ActiveReference
from monitor.streams import FIELD_STREAMS, Vector, fingerprint


def sketch_fields(
    engine: Engine, sketcher: SketchService, references: Sequence[ActiveReference], window: Window
) -> int:
    """Sketch the window's hours under the references of streams of fields; returns how many hours were looked at.

    Raises:
        StoreError: PostgreSQL refused or does not answer; a repetition goes on where this one ended.
    """
    fields = [one for one in references if reads_fields(one)]
    if not fields:
        return 0
    with transaction(engine) as connection:
        counted = observations.counted(connection, window)
        done = store.sketched_hours(connection, window)
    looked_at = 0
    for (model, hour), rows in sorted(counted.items()):
        stale = [one for one in fields if one.model == model and done.get((one.id, hour)) != rows]
        if not stale:
            continue
        with transaction(engine) as connection:
            store.claim(connection, [one.id for one in stale])
            found = observations.sample(connection, model, hour, rows, MOST_ROWS)
            sketcher.admit(found)
            for reference in stale:
                cells = sketcher.cells(reference, contributions(reference.stream, found, reference.categories))
                sketches = {part: sketch for (part, _), sketch in cells.items()}
                store.replace_sketches(connection, reference.id, hour, sketches, rows)
        looked_at += 1
    return looked_at


def reads_fields(reference: ActiveReference) -> bool:
    """Is it of a stream of fields, and of the version of it that this program has?"""
    stream = FIELD_STREAMS.get(reference.stream)
    return stream is not None and reference.fit.fingerprint == fingerprint(stream)


def contributions(
    stream: str, rows: Sequence[ObservedPrediction], categories: tuple[str, ...]
) -> list[tuple[ObservedPrediction, Vector]]:
    """What each row gives to the stream; rows that lack the field are left out."""
    vector_of = FIELD_STREAMS[stream].vector
    return [(row, vector) for row in rows if (vector := vector_of(row.observed, categories)) is not None]
