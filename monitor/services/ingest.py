"""Store a batch of records exactly once: rows, rollups, sketches, dead letters and the offset in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine

from monitor.domain.events import Rejection
from monitor.domain.records import Batch, Record
from monitor.errors import UnstorableValue
from monitor.formats import Decoder
from monitor.sampling import selected
from monitor.services.carried import CarriedEmbeddings
from monitor.services.triage import Limits, Triage, triage
from monitor.store import offsets, predictions, rollups
from monitor.store.dead_letters import Rejected, count_outcomes, insert_dead_letters
from monitor.store.embeddings import EmbeddedPrediction, copy_embeddings
from monitor.store.engine import transaction, trial
from monitor.store.labels import insert_deployments, insert_labels, insert_tasks
from monitor.store.partitions import DayPartitions
from monitor.store.predictions import Arrival
from monitor.store.slice_values import SliceValues
from monitor.telemetry import RECORDS

LABEL_KEY = "label"
"""Key of the label sampler's hash; another key draws another, independent sample."""
Sketch = Callable[[Connection, list[EmbeddedPrediction]], None]


@dataclass(frozen=True, slots=True)
class IngestOptions:
    group: str
    decoders: Mapping[str, Decoder]
    """Topic -> decoder."""
    limits: Limits
    slice_dimensions: tuple[str, ...]
    max_slice_values: int
    label_rate: float


class IngestService:
    """Handler of the ingest group."""

    def __init__(self, engine: Engine, options: IngestOptions, sketch: Sketch) -> None:
        self._engine = engine
        self._options = options
        self._sketch = sketch
        self._days = DayPartitions(engine)
        self._carried = CarriedEmbeddings(engine)
        self._slices = SliceValues(options.slice_dimensions, options.max_slice_values)

    def write(self, batch: Batch, now: datetime) -> Counter[tuple[str, str]]:
        """Store the batch; returns the count of records per (topic, outcome).

        Raises:
            Fenced: another consumer owns a partition; nothing was stored.
            StoreUnavailable: nothing was stored, the same batch may be tried again.
        """
        try:
            outcomes = self._store(batch, batch.records, [], now)
        except UnstorableValue:
            poison = self._find_poison(batch.records, now)
            lost = {id(one.record) for one in poison}
            outcomes = self._store(batch, [one for one in batch.records if id(one) not in lost], poison, now)
        for (topic, outcome), records in outcomes.items():
            RECORDS.labels(topic, outcome).inc(records)
        return outcomes

    def _store(
        self, batch: Batch, records: Sequence[Record], poison: list[Rejected], now: datetime
    ) -> Counter[tuple[str, str]]:
        sorted_out = triage(records, self._options.decoders, self._options.limits, now)
        sorted_out.rejected.extend(poison)
        carried = self._prepare(sorted_out)
        with transaction(self._engine) as connection:
            offsets.advance(connection, self._options.group, batch, now)
            return self._insert(connection, sorted_out, carried, now)

    def _prepare(self, sorted_out: Triage) -> list[EmbeddedPrediction]:
        """Embedders, partitions and slice values, committed beforehand: they outlive a batch that fails, harmlessly."""
        carried = self._carried.read(arrival.event for arrival, _ in sorted_out.predictions.values())
        sorted_out.refuse(carried.faults)
        events = [arrival.event for arrival, _ in sorted_out.predictions.values()]
        self._days.ensure(event.ts for event in events)
        self._slices.admit(self._engine, (event.slices for event in events))
        return carried.rows

    def _insert(
        self, connection: Connection, sorted_out: Triage, carried: list[EmbeddedPrediction], now: datetime
    ) -> Counter[tuple[str, str]]:
        arrivals = self._first_seen(connection, sorted_out)
        new = insert_labels(connection, [arrival for arrival, _ in sorted_out.labels])
        new |= insert_deployments(connection, [(event, digest) for event, digest, _ in sorted_out.deployments])
        if arrivals:
            self._insert_predictions(connection, arrivals)
            first_seen = [row for row in carried if row.request_id in sorted_out.predictions]
            copy_embeddings(connection, first_seen)
            self._sketch(connection, first_seen)
        insert_dead_letters(connection, sorted_out.rejected)
        outcomes = _outcomes(sorted_out, new)
        count_outcomes(connection, outcomes, now)
        return outcomes

    def _first_seen(self, connection: Connection, sorted_out: Triage) -> list[Arrival]:
        """Claim the ids; what was known already is moved to the duplicates or the rejected."""
        if not sorted_out.predictions:
            return []
        new_ids = predictions.claim(connection, [arrival for arrival, _ in sorted_out.predictions.values()])
        old_ids = sorted_out.predictions.keys() - new_ids
        if old_ids:
            sorted_out.settle_known(new_ids, predictions.known_hashes(connection, old_ids))
        return [arrival for arrival, _ in sorted_out.predictions.values()]

    def _insert_predictions(self, connection: Connection, arrivals: list[Arrival]) -> None:
        events = [arrival.event for arrival in arrivals]
        predictions.insert(connection, arrivals)
        rollups.add(connection, events, lambda event: self._slices.of(event.slices))
        rate = self._options.label_rate
        drawn = [
            one.event
            for one in arrivals
            if one.replay is None and one.event.status == "ok" and selected(one.event.request_id, rate, LABEL_KEY)
        ]
        insert_tasks(connection, drawn, stratum="all", probability=rate)

    def _find_poison(self, records: Sequence[Record], now: datetime) -> list[Rejected]:
        """The records that PostgreSQL refuses, found by halving in transactions that are rolled back."""
        fault = self._fault(records, now)
        if fault is None:
            return []
        if len(records) == 1:
            return [Rejected(records[0], Rejection.UNSTORABLE, fault)]
        middle = len(records) // 2
        return self._find_poison(records[:middle], now) + self._find_poison(records[middle:], now)

    def _fault(self, records: Sequence[Record], now: datetime) -> str | None:
        sorted_out = triage(records, self._options.decoders, self._options.limits, now)
        try:
            carried = self._prepare(sorted_out)
            with trial(self._engine) as connection:
                self._insert(connection, sorted_out, carried, now)
        except UnstorableValue as error:
            return str(error)
        return None


def _outcomes(sorted_out: Triage, new: set[bytes]) -> Counter[tuple[str, str]]:
    """Records per (topic, outcome). A label or deployment is accepted where its content comes first, else duplicate."""
    outcomes = Counter((record.partition.topic, "accepted") for _, record in sorted_out.predictions.values())
    outcomes.update((record.partition.topic, "duplicate") for record in sorted_out.duplicates)
    outcomes.update((one.record.partition.topic, str(one.reason)) for one in sorted_out.rejected)
    left = set(new)
    others = [(label.content_hash, record) for label, record in sorted_out.labels]
    others += [(digest, record) for _, digest, record in sorted_out.deployments]
    for digest, record in others:
        outcomes[record.partition.topic, "accepted" if digest in left else "duplicate"] += 1
        left.discard(digest)
    return outcomes
