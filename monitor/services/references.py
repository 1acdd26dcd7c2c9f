"""Make drift references: fit one half of past traffic, calibrate on the other, sketch what is retained."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

import numpy as np
from sqlalchemy import Connection, Engine

from monitor.domain.slices import ALL_TRAFFIC, Slice
from monitor.domain.window import Window
from monitor.drift import reference as reference_fit
from monitor.drift.compare import MIN_REFERENCE
from monitor.drift.dispersion import estimate
from monitor.drift.sketch import Sketch
from monitor.drift.streams import STREAMS
from monitor.errors import NotEnoughData
from monitor.services.sketches import SketchService
from monitor.store import references as store
from monitor.store.embeddings import EmbeddedPrediction
from monitor.store.engine import transaction
from monitor.store.references import Baseline, Source

log = logging.getLogger(__name__)

CHUNK = 5000
MAX_ROWS = 20_000
"""A reference rests on at most so many rows, evenly taken from its time: more change nothing but the cost."""


@dataclass(frozen=True, slots=True)
class ReferenceOptions:
    window: timedelta
    """Length of the windows that will be compared, whole hours; the reference's own are as long."""
    rows: int
    """A provisional reference waits for so many rows ..."""
    span: timedelta
    """... and for so much time."""
    slice_dimensions: tuple[str, ...]
    max_slice_values: int


def make_provisional(engine: Engine, options: ReferenceOptions, tick: datetime) -> int:
    """Cold start: for each model and embedder without a reference, make one of its first traffic; returns how many.

    Only traffic before `tick` is looked at, so that past ticks are evaluated as they would have been.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    with transaction(engine) as connection:
        have = {(one.model, one.embedder_id) for one in store.active_references(connection)}
        waiting = {
            source: window
            for source, first in store.sources(connection, tick).items()
            if (source.model, source.embedder_id) not in have
            and (window := _first_traffic(connection, options, source, first, tick))
        }
    return sum(make_reference(engine, options, source, window, blessed=False) for source, window in waiting.items())


def _first_traffic(
    connection: Connection, options: ReferenceOptions, source: Source, first: datetime, tick: datetime
) -> Window | None:
    """The first span of a source's traffic, or all of it where that was a trickle; None while there is not enough."""
    for end in (first + options.span, tick):
        window = Window(first, max(first, end))
        if options.span <= window.length <= tick - first and store.count(connection, source, window) >= options.rows:
            return window
    return None


def make_reference(engine: Engine, options: ReferenceOptions, source: Source, window: Window, *, blessed: bool) -> int:
    """Make references of a source's traffic in a window, one per stream that has enough rows; returns how many.

    Writers of sketches wait while what is retained is sketched under the new fits, so that no vector is left out.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    sketcher = SketchService(engine, options.slice_dimensions, options.max_slice_values)
    made = []
    with transaction(engine) as connection:
        store.next_epoch(connection)
        if not blessed and _has_reference(connection, source):
            return 0  # another process was faster
        rows = _thinned(store.embedded(connection, source, window))
        sketcher.admit(rows)
        for stream in STREAMS:
            try:
                made.append(_make(connection, sketcher, options, source, stream, window, rows, blessed=blessed))
            except NotEnoughData as error:
                log.warning("no reference", extra={"model": source.model, "stream": stream, "reason": str(error)})
        for chunk in _chunks(store.embedded(connection, source)):
            sketcher.admit(chunk)
            for reference in made:
                store.add_sketches(connection, reference.id, sketcher.sketch(reference, chunk))
    return len(made)


def _has_reference(connection: Connection, source: Source) -> bool:
    return any(
        (one.model, one.embedder_id) == (source.model, source.embedder_id)
        for one in store.active_references(connection)
    )


def _make(
    connection: Connection,
    sketcher: SketchService,
    options: ReferenceOptions,
    source: Source,
    stream: str,
    window: Window,
    rows: Sequence[EmbeddedPrediction],
    *,
    blessed: bool,
) -> store.ActiveReference:
    chosen = [(row, vector) for row in rows if (vector := STREAMS[stream](row.vectors)) is not None]
    if not chosen:
        raise NotEnoughData(f"no prediction has what the {stream} stream needs")
    hours = int(options.window.total_seconds()) // 3600
    numbers = np.array([int(row.ts.timestamp()) // 3600 // hours for row, _ in chosen])
    vectors = np.stack([vector for _, vector in chosen])
    built = reference_fit.build(vectors, numbers, source.fingerprint)
    calibrates = np.isin(numbers, built.calibration_windows)
    parts: dict[Slice, list[int]] = defaultdict(list)
    for index in np.flatnonzero(calibrates).tolist():
        for part in sketcher.slices_of(chosen[index][0]):
            parts[part].append(index)
    baselines = {ALL_TRAFFIC: Baseline(built.baseline, built.dispersion)}
    for part, members in parts.items():
        if part != ALL_TRAFFIC and len(members) >= MIN_REFERENCE:
            features = built.fit.features(vectors[members])
            baselines[part] = Baseline(
                Sketch.of_features(features, built.fit), estimate(features, numbers[members], built.fit)
            )
    made = store.insert_reference(connection, source, stream, built.fit, window, len(chosen), blessed=blessed)
    store.insert_baselines(connection, made.id, baselines)
    return made


def _thinned(rows: Iterable[EmbeddedPrediction]) -> list[EmbeddedPrediction]:
    """Every row, or every second, fourth ... so that at most `MAX_ROWS` are held, however many there are."""
    kept: list[EmbeddedPrediction] = []
    step = 1
    for index, row in enumerate(rows):
        if index % step == 0:
            kept.append(row)
        if len(kept) > MAX_ROWS:
            kept, step = kept[::2], 2 * step
    return kept


def _chunks(rows: Iterator[EmbeddedPrediction]) -> Iterator[list[EmbeddedPrediction]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk
