"""Sketch what stored predictions say of themselves, for the hours that are compared and lack it.

Streams of fields stay off the path of ingest: their hours are sketched from a bounded sample when a tick needs them,
under whatever references there are then, and again when more predictions have come since.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from monitor.domain.window import Window
from monitor.services.sketches import SketchService
from monitor.store import field_sketches as store
from monitor.store import observations
from monitor.store.engine import transaction
from monitor.store.observations import MOST_ROWS, ObservedPrediction
from monitor.store.references import ActiveReference
from monitor.streams import FIELD_STREAMS, Vector, fingerprint


@dataclass(frozen=True, slots=True)
class Unsketched:
    """An hour of a model of which some references have not seen all that is stored."""

    model: str
    hour: datetime
    rows: int
    references: tuple[ActiveReference, ...]


def unsketched(engine: Engine, references: Sequence[ActiveReference], window: Window) -> dict[str, list[Unsketched]]:
    """The hours of a window that are to be sketched, by model; one reading for all of them.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    fields = [one for one in references if reads_fields(one)]
    if not fields:
        return {}
    with transaction(engine) as connection:
        counted = observations.counted(connection, window)
        done = store.sketched_hours(connection, window)
    found: dict[str, list[Unsketched]] = defaultdict(list)
    for (model, hour), rows in sorted(counted.items()):
        stale = tuple(one for one in fields if one.model == model and done.get((one.id, hour)) != rows)
        if stale:
            found[model].append(Unsketched(model, hour, rows, stale))
    return found


def sketch_hours(engine: Engine, sketcher: SketchService, hours: Sequence[Unsketched]) -> int:
    """Sketch them, each in a transaction of its own; returns how many there were.

    Raises:
        StoreError: PostgreSQL refused or does not answer; a repetition goes on where this one ended.
    """
    for one in hours:
        with transaction(engine) as connection:
            store.claim(connection, [reference.id for reference in one.references])
            found = observations.sample(connection, one.model, one.hour, one.rows, MOST_ROWS)
            sketcher.admit(found)
            for reference in one.references:
                cells = sketcher.cells(reference, contributions(reference.stream, found, reference.categories))
                sketches = {part: sketch for (part, _), sketch in cells.items()}
                store.replace_sketches(connection, reference.id, one.hour, sketches, one.rows)
    return len(hours)


def reads_fields(reference: ActiveReference) -> bool:
    """Is it of a stream of fields, and of the version of it that this program has?"""
    stream = FIELD_STREAMS.get(reference.stream)
    return stream is not None and reference.fingerprint == fingerprint(stream)


def contributions(
    stream: str, rows: Sequence[ObservedPrediction], categories: tuple[str, ...]
) -> list[tuple[ObservedPrediction, Vector]]:
    """What each row gives to the stream; rows that lack the field are left out."""
    vector_of = FIELD_STREAMS[stream].vector
    return [(row, vector) for row in rows if (vector := vector_of(row.observed, categories)) is not None]
