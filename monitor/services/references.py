"""Make drift references: fit one half of past traffic, calibrate on the other, sketch what is retained."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from sqlalchemy import Connection, Engine

from monitor.domain.slices import ALL_TRAFFIC, Slice
from monitor.domain.window import HOUR, Window
from monitor.drift import reference as reference_fit
from monitor.drift.compare import MIN_REFERENCE
from monitor.drift.dispersion import estimate
from monitor.drift.sketch import Sketch
from monitor.errors import NotEnoughData
from monitor.services.field_sketches import contributions
from monitor.services.gathering import gather
from monitor.services.reference_rows import rows_of_fields, rows_of_vectors, window_number
from monitor.services.sketches import Placed, SketchService
from monitor.store import references as store
from monitor.store import unfitted
from monitor.store.embeddings import embedder_id
from monitor.store.engine import transaction
from monitor.store.observations import ObservedPrediction
from monitor.store.references import ActiveReference, Baseline
from monitor.store.vectors import Source
from monitor.streams import FIELD_STREAMS, FieldStream, Vector, VectorStream, fingerprint

log = logging.getLogger(__name__)

CONSTANT = "constant in the reference"
UNCOUNTABLE = "nothing comes often enough to be counted by name"


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

    @property
    def hours(self) -> int:
        """Whole ones of a window."""
        return self.window // HOUR

    def sketcher(self, engine: Engine) -> SketchService:
        return SketchService(engine, self.slice_dimensions, self.max_slice_values)


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a stream when a reference was to be made of it."""

    model: str
    stream: str
    reference: ActiveReference | None
    reason: str = ""
    """Why there is none."""


# ---- from vectors ---------------------------------------------------------------------------------------------------


def make_of_vectors(
    engine: Engine,
    options: ReferenceOptions,
    source: Source,
    streams: Sequence[VectorStream],
    window: Window,
    *,
    blessed: bool,
) -> list[Made]:
    """Make references of a source's vectors in a window, for each stream that has enough rows.

    Ingest goes on while what is retained is sketched under the new fits: see `monitor.services.gathering`.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    sketcher = options.sketcher(engine)
    with transaction(engine) as connection:
        rows = rows_of_vectors(connection, source, window, options.hours)
    sketcher.admit(rows)
    fitted = [
        _fitted(
            sketcher, options, source, stream.name,
            [(row, vector) for row in rows if (vector := stream.vector(row.vectors)) is not None],
        )
        for stream in streams
    ]  # fmt: skip
    made: list[Made] = []

    def begin(connection: Connection) -> list[ActiveReference]:
        made.extend(_store_all(connection, fitted, window, blessed=blessed, gathering=True))
        return [one.reference for one in made if one.reference]

    gather(engine, sketcher, source, begin)
    return made


# ---- from fields ----------------------------------------------------------------------------------------------------


def make_of_fields(
    engine: Engine,
    options: ReferenceOptions,
    model: str,
    streams: Sequence[FieldStream],
    window: Window,
    *,
    blessed: bool,
) -> list[Made]:
    """Make references of what a model's stored predictions say of themselves in a window.

    Hours are sketched under them when a tick compares them; see `monitor.services.field_sketches`.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    sketcher = options.sketcher(engine)
    with transaction(engine) as connection:
        sources = {one.name: _source_of(connection, model, one) for one in streams}
        rows = rows_of_fields(connection, model, window, options.hours)
    sketcher.admit(rows)
    fitted = []
    for stream in streams:
        categories = _categories(stream, rows, options)
        chosen = contributions(stream.name, rows, categories)
        fitted.append(_fitted(sketcher, options, sources[stream.name], stream.name, chosen, categories))
    with transaction(engine) as connection:
        store.next_epoch(connection)
        return _store_all(connection, fitted, window, blessed=blessed)


def _source_of(connection: Connection, model: str, stream: FieldStream) -> Source:
    name = fingerprint(stream)
    number = embedder_id(connection, name, stream.dimension, {"features": list(stream.features)})
    return Source(model, number, name)


def _categories(stream: FieldStream, rows: Sequence[ObservedPrediction], options: ReferenceOptions) -> tuple[str, ...]:
    """What a mix counts by name: chosen on the windows that fit, for the others must be a fair sample of it."""
    having = [row for row in rows if stream.vector(row.observed, ()) is not None]
    numbers = _numbers(having, options)
    if np.unique(numbers).size < 2:
        return ()
    fits = np.isin(numbers, reference_fit.fitting_windows(numbers))
    return stream.learn([row.observed for row, is_fit in zip(having, fits.tolist(), strict=True) if is_fit])


# ---- both -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A stream's reference before it is stored; `built` is None where there was not enough."""

    source: Source
    stream: str
    rows: int
    categories: tuple[str, ...]
    built: reference_fit.Reference | None
    baselines: dict[Slice, Baseline]
    reason: str = ""
    constant: bool = False
    """Its rows are all the same."""


def _fitted(
    sketcher: SketchService,
    options: ReferenceOptions,
    source: Source,
    stream: str,
    rows: Sequence[tuple[Placed, Vector]],
    categories: tuple[str, ...] = (),
) -> _Fitted:
    """Takes seconds, and so holds no lock that ingest waits for."""
    if _is_constant(rows):
        # A mix that knows no category makes the same vector of every row, however much these differ.
        is_countable = bool(categories) or stream not in FIELD_STREAMS or bool(FIELD_STREAMS[stream].features)
        reason = f"{CONSTANT if is_countable else UNCOUNTABLE}: cannot be compared"
        log.info("no reference", extra={"model": source.model, "stream": stream, "reason": reason})
        return _Fitted(source, stream, len(rows), categories, None, {}, reason, constant=is_countable)
    try:
        built, baselines = _build(sketcher, options, source, rows)
    except NotEnoughData as error:
        log.warning("no reference", extra={"model": source.model, "stream": stream, "reason": str(error)})
        return _Fitted(source, stream, len(rows), categories, None, {}, str(error))
    return _Fitted(source, stream, len(rows), categories, built, baselines)


def _is_constant(rows: Sequence[tuple[Placed, Vector]]) -> bool:
    """Enough rows for a reference, and all of them the same."""
    return len(rows) >= reference_fit.MIN_ROWS and all(np.array_equal(vector, rows[0][1]) for _, vector in rows)


def _store_all(
    connection: Connection, fitted: Sequence[_Fitted], window: Window, *, blessed: bool, gathering: bool = False
) -> list[Made]:
    """Under the lock of the epoch. A provisional reference never takes the place of one that is there by now."""
    active = {(one.model, one.embedder_id, one.stream) for one in store.active_references(connection)}
    made = []
    for one in fitted:
        key = (one.source.model, one.source.embedder_id, one.stream)
        if one.built is None:
            if key not in active:
                unfitted.note(connection, one.source, one.stream, window, one.rows, one.reason, constant=one.constant)
            made.append(Made(one.source.model, one.stream, None, one.reason))
        elif blessed or key not in active:
            stored = store.insert_reference(
                connection, one.source, one.stream, one.built.fit, window, one.rows,
                blessed=blessed, categories=one.categories, gathering=gathering,
            )  # fmt: skip
            store.insert_baselines(connection, stored.id, one.baselines)
            unfitted.forget(connection, one.source, one.stream, blessed=blessed)
            made.append(Made(one.source.model, one.stream, stored))
    return made


def _build(
    sketcher: SketchService, options: ReferenceOptions, source: Source, rows: Sequence[tuple[Placed, Vector]]
) -> tuple[reference_fit.Reference, dict[Slice, Baseline]]:
    """The reference, and what each slice with enough rows looks like in its calibration windows."""
    if not rows:
        raise NotEnoughData("no prediction has what the stream needs")
    numbers = _numbers([row for row, _ in rows], options)
    hours = np.array([int(row.ts.timestamp()) // 3600 for row, _ in rows])
    vectors = np.stack([vector for _, vector in rows])
    built = reference_fit.build(vectors, numbers, source.fingerprint, hours=hours)
    parts: dict[Slice, list[int]] = defaultdict(list)
    for index in np.flatnonzero(np.isin(numbers, built.calibration_windows)).tolist():
        for part in sketcher.slices_of(rows[index][0]):
            parts[part].append(index)
    baselines = {ALL_TRAFFIC: Baseline(built.baseline, built.dispersion)}
    for part, members in parts.items():
        if part != ALL_TRAFFIC and len(members) >= MIN_REFERENCE:
            features = built.fit.features(vectors[members])
            dispersion = estimate(features, numbers[members], built.fit, hours=hours[members], whole=built.dispersion)
            baselines[part] = Baseline(Sketch.of_features(features, built.fit), dispersion)
    return built, baselines


def _numbers(rows: Sequence[Placed], options: ReferenceOptions) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The window in which each row lies."""
    return np.array([window_number(row.ts, options.hours) for row in rows], dtype=np.int64)
