"""What is made of a batch's predictions before their turn has come: all that needs no answer from PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from monitor.errors import StoreError
from monitor.services.carried import Embedders, Unpacked, unpack
from monitor.services.draw_labels import Coins, LabelSampler
from monitor.store import predictions
from monitor.store.embeddings import EmbeddedPrediction, pack_vectors
from monitor.store.engine import translated
from monitor.store.packing import Block
from monitor.store.predictions import Arrival
from monitor.store.rollups import Tally

MAX_PACKED: Final = 16 * 1024 * 1024
"""Bytes of a batch's records. What is larger is packed block by block while it is sent: two batches are in memory."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows as they are sent, of all that a batch brought; which of them are stored is decided later."""

    ids: list[Block]
    predictions: list[Block]
    vectors: list[Block]


@dataclass(frozen=True, slots=True)
class Ahead:
    """Of predictions that are whole, checked and redacted."""

    request_ids: list[str]
    unpacked: Unpacked
    tally: Tally
    coins: Coins
    carried: list[EmbeddedPrediction] | None = None
    """None: PostgreSQL has to be asked for an embedder, or something of a prediction cannot be read."""
    packed: Packed | None = None
    """None: rows are packed while they are sent."""

    def among(self, request_ids: set[str]) -> Ahead:
        """Counts and coins of these alone."""
        keep = np.array([one in request_ids for one in self.request_ids], dtype=bool)
        kept = [one for one in self.request_ids if one in request_ids]
        return replace(self, request_ids=kept, tally=self.tally.among(keep), coins=self.coins.among(keep))


def look_ahead(
    arrivals: Sequence[Arrival], dimensions: Sequence[str], sampler: LabelSampler, embedders: Embedders, *, packs: bool
) -> Ahead:
    """Read vectors, count, throw coins and, where `packs`, write the rows of what is stored whole."""
    events = [one.event for one in arrivals]
    request_ids = [one.request_id for one in events]
    unpacked = unpack(events)
    tally, coins = Tally.of(events, dimensions), sampler.throw(request_ids)
    carried = None if unpacked.faults else embedders.known(unpacked)
    packed = _packed(arrivals, carried) if packs and carried is not None else None
    return Ahead(request_ids, unpacked, tally, coins, carried, packed)


def _packed(arrivals: Sequence[Arrival], carried: Sequence[EmbeddedPrediction]) -> Packed | None:
    """None: a value is none of its column's type. Whoever stores it finds out which."""
    try:
        with translated():
            ids, rows = list(predictions.pack_ids(arrivals)), list(predictions.pack_rows(arrivals, {}))
            return Packed(ids, rows, list(pack_vectors(carried)))
    except StoreError:
        return None
