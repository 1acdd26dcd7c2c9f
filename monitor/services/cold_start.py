"""Cold start: before anybody blesses traffic, references are made of the first that came, and say so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial

from sqlalchemy import Engine

from monitor.domain.window import DAY, HOUR, Window, floor
from monitor.drift.compare import MIN_REFERENCE
from monitor.services.attempts import attempt_all
from monitor.services.field_sketches import contributions
from monitor.services.gathering import making_references
from monitor.services.references import Made, ReferenceOptions, make_of_fields, make_of_vectors
from monitor.store import observations, vectors
from monitor.store import references as store
from monitor.store.engine import transaction
from monitor.streams import FIELD_STREAMS, fingerprint, vector_streams

Job = tuple[str, Callable[[], list[Made]]]
"""What references are made of, and how."""


def make_provisional(engine: Engine, options: ReferenceOptions, tick: datetime) -> int:
    """Cold start: for what comes now and has no reference, make one of its first traffic; returns how many.

    Where some streams of a model have one and others do not, because they came later or could not be fitted, it is
    tried again at midnight (UTC), of the newest traffic. Only traffic before `tick` is looked at, so that past ticks
    are evaluated as they would have been. While somebody else makes references, none is made here.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
        Exception: the first fault of a model or embedder, after all others had their turn.
    """
    with making_references(engine) as alone:
        if not alone:
            return 0
        jobs = [*_of_vectors(engine, options, tick), *_of_fields(engine, options, tick)]
        return _count(one for several in attempt_all(jobs) for one in several)


def _of_vectors(engine: Engine, options: ReferenceOptions, tick: datetime) -> Iterator[Job]:
    jobs = []
    with transaction(engine) as connection:
        have = {(one.model, one.embedder_id, one.stream) for one in store.active_references(connection)}
        for source, kinds in vectors.sources(connection, Window.before(tick, HOUR)).items():
            able = [one for one in vector_streams(source.fingerprint) if kinds.issuperset(one.kinds)]
            missing = [one for one in able if (source.model, source.embedder_id, one.name) not in have]
            if missing and (len(missing) == len(able) or _is_midnight(tick)):
                first = vectors.first_vector(connection, source, tick)
                for window in _candidates(options, first, tick, newest=len(missing) < len(able)):
                    if vectors.count(connection, source, window) >= options.rows:
                        jobs.append((source, missing, window))
                        break
    for source, streams, window in jobs:
        name = f"references of {source.model}'s vectors by {source.fingerprint}"
        yield name, partial(make_of_vectors, engine, options, source, streams, window, blessed=False)


def _of_fields(engine: Engine, options: ReferenceOptions, tick: datetime) -> Iterator[Job]:
    jobs = []
    with transaction(engine) as connection:
        have = {(one.model, one.stream, one.fingerprint) for one in store.active_references(connection)}
        for (model, hour), rows in observations.counted(connection, Window.before(tick, HOUR)).items():
            missing = [one for one in FIELD_STREAMS.values() if (model, one.name, fingerprint(one)) not in have]
            is_new = len(missing) == len(FIELD_STREAMS)
            if not missing or not (is_new or _is_midnight(tick)):
                continue
            look = observations.sample(connection, model, hour, rows, MIN_REFERENCE)
            able = [one for one in missing if contributions(one.name, look, ())]
            first = observations.first_prediction(connection, model, tick)
            for window in _candidates(options, first, tick, newest=not is_new):
                if able and sum(observations.counted(connection, window, model).values()) >= options.rows:
                    jobs.append((model, able, window))
                    break
    for model, streams, window in jobs:
        yield (
            f"references of {model}'s fields",
            partial(make_of_fields, engine, options, model, streams, window, blessed=False),
        )


def _candidates(options: ReferenceOptions, first: datetime | None, tick: datetime, *, newest: bool) -> list[Window]:
    """The first span of traffic, or all of it where that was a trickle; of what came later, the newest span."""
    if first is None or tick - first < options.span:
        return []
    if newest:
        return [Window.before(tick, options.span)]
    return [Window(first, first + options.span), Window(first, tick)]


def _is_midnight(tick: datetime) -> bool:
    return tick == floor(tick, DAY)


def _count(made: Iterable[Made]) -> int:
    return sum(one.reference is not None for one in made)
