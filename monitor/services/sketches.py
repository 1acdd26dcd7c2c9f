"""Add vectors to the hourly sketches of every reference in use, in the transaction that stores them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import numpy as np
from sqlalchemy import Connection, Engine

from monitor.domain.grouping import grouped
from monitor.domain.slices import ALL_TRAFFIC, Slice
from monitor.domain.window import HOUR, floor
from monitor.drift.sketch import Sketch, merge
from monitor.store import references
from monitor.store.embeddings import EmbeddedPrediction
from monitor.store.references import ActiveReference
from monitor.store.sketches import add_sketches
from monitor.store.slice_values import SliceValues
from monitor.streams import VECTOR_STREAMS, Vector

log = logging.getLogger(__name__)

NONE_YET = -1
_HOUR_S = 3600
Cell = tuple[Slice, datetime]
"""A slice and an hour."""
Cells = dict[Cell, Sketch]
UpdateSketches = Callable[[Connection, list[EmbeddedPrediction]], None]
"""`SketchService.update`, as the services that store vectors know it."""


class Placed(Protocol):
    """Something of a prediction, and where it counts."""

    @property
    def ts(self) -> datetime: ...

    @property
    def version(self) -> str: ...

    @property
    def variant(self) -> str: ...

    @property
    def slices(self) -> Mapping[str, str]: ...


class SketchService:
    """Knows the references in use. One per process; reads them anew when their epoch changes."""

    def __init__(self, engine: Engine, dimensions: tuple[str, ...], cap: int) -> None:
        self._engine = engine
        self._slices = SliceValues(dimensions, cap)
        self._epoch = NONE_YET
        self._references: list[ActiveReference] = []

    def update(self, connection: Connection, rows: Sequence[EmbeddedPrediction]) -> None:
        """Sketch vectors that are stored by this transaction and were not there before.

        Raises:
            FingerprintMismatch: a vector of another embedder than its number says.
            UnreadableState: a reference of theirs is of another version, which compares with what we would leave out.
        """
        if not rows:
            return  # and wait for nobody who changes the references
        epoch = references.share_epoch(connection)
        if epoch != self._epoch:
            self._references, self._epoch = _undamaged(references.sketched_references(connection)), epoch
        if self._references:
            self.admit(rows)
        for reference in self._references:
            add_sketches(connection, reference.id, self.sketch(reference, rows))

    def admit(self, rows: Sequence[Placed]) -> None:
        """Take up slice values never seen, before these rows are sketched; in a transaction of its own."""
        self._slices.admit(self._engine, [row.slices for row in rows])

    def sketch(self, reference: ActiveReference, rows: Sequence[EmbeddedPrediction]) -> Cells:
        """The rows' sketches under a reference, by slice and hour; rows of other models or embedders are left out."""
        stream = VECTOR_STREAMS.get(reference.stream)
        if stream is None:
            return {}
        chosen = [
            (row, vector)
            for row in rows
            if row.model == reference.model
            and row.embedder_id == reference.embedder_id
            and (vector := stream.vector(row.vectors)) is not None
        ]
        if chosen:
            reference.fit.demand(chosen[0][0].fingerprint)
        return self.cells(reference, chosen)

    def cells(self, reference: ActiveReference, rows: Sequence[tuple[Placed, Vector]]) -> Cells:
        """Sketches under a reference of the vectors that rows contribute to its stream."""
        if not rows:
            return {}
        features = reference.fit.features(np.stack([vector for _, vector in rows]))
        kinds, kind_of = grouped((row for row, _ in rows), self._kind)
        places, place_of = grouped((self._places(row) for row in kinds), tuple)
        cells: Cells = {}
        for number, place in enumerate(places):
            own = Sketch.of_features(features[place_of[kind_of] == number], reference.fit)
            for cell in place:
                cells[cell] = merge(cells[cell], own) if cell in cells else own
        return cells

    def _kind(self, row: Placed) -> tuple[object, ...]:
        """Rows of a kind are in the same cells; values beyond the cap, which may be many, are kinds of their own."""
        hour = int(row.ts.timestamp()) // _HOUR_S
        return hour, row.version, row.variant, *[row.slices.get(one) for one in self._slices.dimensions]

    def _places(self, row: Placed) -> tuple[Cell, ...]:
        hour = floor(row.ts, HOUR)
        return tuple((part, hour) for part in self.slices_of(row))

    def slices_of(self, row: Placed) -> list[Slice]:
        """All traffic, what the model calls itself, and the slices that are configured."""
        own = [Slice("variant", row.variant), Slice("version", row.version)]
        configured = [Slice(*pair) for pair in self._slices.of(row.slices)]
        return [ALL_TRAFFIC, *own, *configured]


def _undamaged(found: Sequence[ActiveReference]) -> list[ActiveReference]:
    """Without those whose fit is damaged, each of which is told. Nobody compares with them, and vectors are stored all
    the same: the reference that takes such a one's place is sketched from there."""
    for one in found:
        if one.is_damaged:
            log.error("nothing is sketched under %s: its fit is damaged, `snellen reference create` makes it anew", one)
    return [one for one in found if not one.is_damaged]
