"""What people do with references: bless traffic, and go back to an earlier reference."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine

from monitor.domain.window import Window, lasting
from monitor.drift.dispersion import MIN_WINDOWS
from monitor.errors import NotEnoughData, StoreUnavailable
from monitor.services.gathering import gather, making_references
from monitor.services.references import Made, ReferenceOptions, make_of_fields, make_of_vectors
from monitor.store import audit, observations, sketches, vectors
from monitor.store import references as store
from monitor.store.engine import transaction
from monitor.store.references import ActiveReference
from monitor.store.vectors import Source
from monitor.streams import FIELD_STREAMS, STREAMS, vector_streams


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does it, and when."""

    name: str
    at: datetime


def bless(
    engine: Engine, options: ReferenceOptions, model: str, window: Window, streams: Collection[str], by: Actor
) -> list[Made]:
    """Make the model's traffic in the window the reference of these streams; of all of them, if none is named.

    Raises:
        NotEnoughData: an unknown stream, a window that is too short, or one without traffic of the model. What a single
            stream lacks is told in its result.
        StoreUnavailable: somebody else makes references now.
        StoreError: PostgreSQL refused or does not answer.
    """
    unknown = sorted(set(streams) - set(STREAMS))
    if unknown:
        raise NotEnoughData(f"there is no stream {', '.join(unknown)}; there are {', '.join(STREAMS)}")
    least = 2 * MIN_WINDOWS * options.window
    if window.length < least:
        raise NotEnoughData(
            f"a reference of {lasting(window.length)} is too short: {2 * MIN_WINDOWS} windows of "
            f"{lasting(options.window)} (drift.window) are needed, {lasting(least)} in all; half of them show how much "
            "unchanged traffic varies"
        )
    with transaction(engine) as connection:
        sources = [one for one in vectors.sources(connection, window, replays=True) if one.model == model]
        has_rows = bool(observations.counted(connection, window, model))
    if not has_rows:
        raise NotEnoughData(f"there are no predictions of {model!r} from {window.start} to {window.end}")
    wanted = set(streams) or set(STREAMS)
    fields = [one for one in FIELD_STREAMS.values() if one.name in wanted]
    made = []
    with _alone(engine):
        for source in sources:
            chosen = [one for one in vector_streams(source.fingerprint) if one.name in wanted]
            made += make_of_vectors(engine, options, source, chosen, window, blessed=True)
        made += make_of_fields(engine, options, model, fields, window, blessed=True)
        detail = {
            "model": model, "from": window.start.isoformat(), "to": window.end.isoformat(),
            "references": {one.stream: one.reference.id for one in made if one.reference},
        }  # fmt: skip
        with transaction(engine) as connection:
            audit.record(connection, audit.Entry(by.at, by.name, audit.Action.BLESS, detail))
    return made


def activate(engine: Engine, options: ReferenceOptions, reference_id: int, by: Actor) -> ActiveReference:
    """Compare with an earlier reference again, in place of the one that is active for its stream and embedder.

    Raises:
        NotEnoughData: there is no such reference.
        UnreadableState: it cannot be read.
        StoreUnavailable: somebody else makes references now.
        StoreError: PostgreSQL refused or does not answer.
    """
    with _alone(engine):
        with transaction(engine) as connection:
            chosen = store.reference(connection, reference_id)
            if chosen is None:
                raise NotEnoughData(f"there is no reference {reference_id}; see `snellen reference list`")
            chosen.fit.demand(chosen.fingerprint)
            was_active = chosen.id in {one.id for one in store.active_references(connection)}
        if not was_active:
            _take_up(engine, options, chosen)
        detail = {"model": chosen.model, "stream": chosen.stream, "reference": chosen.id}
        with transaction(engine) as connection:
            audit.record(connection, audit.Entry(by.at, by.name, audit.Action.ACTIVATE, detail))
    return chosen


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    with making_references(engine) as alone:
        if not alone:
            raise StoreUnavailable("references are being made, or requests erased, right now: try again later")
        yield


def _take_up(engine: Engine, options: ReferenceOptions, chosen: ActiveReference) -> None:
    """Make a former reference the active one. Nobody has sketched under it meanwhile."""
    if chosen.stream in FIELD_STREAMS:  # hours of those are sketched when they are compared
        with transaction(engine) as connection:
            store.next_epoch(connection)
            store.activate(connection, chosen)
        return

    def begin(connection: Connection) -> list[ActiveReference]:
        store.gather(connection, chosen)
        return [chosen]

    with transaction(engine) as connection:
        sketches.delete_retained_sketches(connection, chosen)
    source = Source(chosen.model, chosen.embedder_id, chosen.fingerprint)
    gather(engine, options.sketcher(engine), source, begin)
