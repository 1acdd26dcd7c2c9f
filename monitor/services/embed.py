"""Embed the sampled predictions of a batch: vectors, sketches and the offset in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from monitor.domain.events import Prediction
from monitor.domain.records import Batch
from monitor.embedding.embedder import Embedded, Embedder
from monitor.errors import TooManyDays
from monitor.formats import Decoder
from monitor.sampling import selected
from monitor.services.draw_labels import NO_LABELS, LabelDesign, LabelSampler
from monitor.services.pairing import Pairing
from monitor.services.protect import Privacy
from monitor.services.replay_marks import ReplayMarks
from monitor.services.triage import Limits, Triage, triage
from monitor.store import offsets
from monitor.store.embeddings import EmbeddedPrediction, Vector, embedder_id, insert_embeddings
from monitor.store.engine import transaction
from monitor.store.partitions import DayPartitions
from monitor.store.predictions import Arrival, known_hashes
from monitor.streams import image_quality as quality
from monitor.telemetry import EMBEDDED

EMBED_KEY = "embed"
"""Key of the embedding sampler's hash; another key draws another, independent sample."""
Sketch = Callable[[Connection, list[EmbeddedPrediction]], None]


@dataclass(frozen=True, slots=True)
class EmbedOptions:
    group: str
    decoders: Mapping[str, Decoder]
    """Topic -> decoder."""
    limits: Limits
    """The same as the ingest group's, so that both keep the same events."""
    sample_rate: float
    pair_patience: timedelta
    """How long one side of a call that is logged in two records waits for the other."""
    privacy: Privacy
    """Vectors are made of what came; their slices, and halves that wait, are redacted."""
    store_rate: float = 1.0
    labels: LabelDesign = NO_LABELS
    """As the ingest group's: vectors of what it does not store would belong to nothing."""


@dataclass(frozen=True, slots=True)
class EmbedOutcome:
    """What became of the predictions of one batch. Records that are none, or are refused, the ingest group reports."""

    carried: int
    """Came with vectors of their own, which the ingest group stores."""
    unsampled: int
    embedded: int
    """Got at least one vector that was not stored before."""
    vectors: int
    refused_images: Counter[str]
    """By `monitor.embedding.refusals.Refusal`."""

    def __add__(self, other: EmbedOutcome) -> EmbedOutcome:
        return EmbedOutcome(
            self.carried + other.carried,
            self.unsampled + other.unsampled,
            self.embedded + other.embedded,
            self.vectors + other.vectors,
            self.refused_images + other.refused_images,
        )


class EmbedService:
    """Handler of the embed group."""

    def __init__(self, engine: Engine, embedder: Embedder, options: EmbedOptions, sketch: Sketch) -> None:
        self._engine = engine
        self._embedder = embedder
        self._options = options
        self._sketch = sketch
        self._days = DayPartitions(engine)
        self._sampler = LabelSampler(engine, options.labels, options.store_rate)
        self._replays = ReplayMarks(engine)
        self._pairing = Pairing(engine, options.group, options.pair_patience, options.privacy)

    def write(self, batch: Batch, now: datetime) -> EmbedOutcome:
        """Embed and store; the encoding, which is slow, happens before the transaction begins.

        Raises:
            Fenced: another consumer owns a partition; nothing was stored.
            StoreUnavailable: nothing was stored, the same batch may be tried again.
        """
        batch = self._replays.checked(batch)
        self._sampler.refresh(now)
        outcome = EmbedOutcome(0, 0, 0, 0, Counter())
        sorted_out = self._triage(batch, now)
        while (records := sorted_out.records) < len(batch.records):
            first, batch = batch.cut(records)
            outcome += self._write(first, sorted_out, now)
            sorted_out = Triage()  # what was read is let go before there is more
            sorted_out = self._triage(batch, now)
        return outcome + self._write(batch, sorted_out, now)

    def _triage(self, batch: Batch, now: datetime) -> Triage:
        return triage(batch.records, self._options.decoders, self._options.limits, now, whole=False)

    def _write(self, batch: Batch, sorted_out: Triage, now: datetime) -> EmbedOutcome:
        meeting = self._pairing.meet(sorted_out)
        arrived = [one.arrival for one in sorted_out.predictions.values()]
        plain = [arrival for arrival in arrived if not arrival.event.embeddings]
        chosen = [one for one in plain if self._is_chosen(one)]
        try:
            self._days.ensure(one.event.ts for one in chosen)
        except TooManyDays:
            if len(batch.records) > 1:
                first, second = batch.cut(len(batch.records) // 2)
                return self.write(first, now) + self.write(second, now)
            chosen = []  # the ingest group refuses this record
        embedded = self._embedder.embed([one.event for one in chosen])
        with transaction(self._engine) as connection:
            offsets.advance(connection, self._options.group, batch, now)
            self._pairing.settle(connection, meeting, now)
            stored = self._store(connection, chosen, embedded)
        outcome = EmbedOutcome(
            carried=len(arrived) - len(plain),
            unsampled=len(plain) - len(chosen),
            embedded=len(stored),
            vectors=sum(len(row.vectors) for row in stored),
            refused_images=embedded.refused_images,
        )
        _count(outcome)
        return outcome

    def _is_chosen(self, arrival: Arrival) -> bool:
        """Is it drawn for embedding, and stored?"""
        request_id = arrival.event.request_id
        if not selected(request_id, self._options.sample_rate, EMBED_KEY):
            return False
        redacted = self._options.privacy.redactor.prediction
        return arrival.replay is not None or self._sampler.is_stored(redacted(arrival.event))

    def _store(self, connection: Connection, chosen: list[Arrival], embedded: Embedded) -> list[EmbeddedPrediction]:
        """Insert and sketch what was made of predictions that do not contradict a known one.

        Returns what the encoder made that was new.
        """
        known = known_hashes(connection, {one.event.request_id: one.event.ts for one in chosen})
        redacted = self._options.privacy.redactor.prediction
        made = [
            (redacted(one.event), by_kind, measured)
            for one, by_kind, measured in zip(chosen, embedded.vectors, embedded.quality, strict=True)
            if known.get(one.event.request_id, one.content_hash) == one.content_hash
        ]
        encoder = self._embedder.encoder
        number = embedder_id(connection, encoder.fingerprint, encoder.dimension, encoder.detail)
        rows = [EmbeddedPrediction.of(event, number, encoder.fingerprint, by_kind) for event, by_kind, _ in made]
        stored = insert_embeddings(connection, rows + _measured(connection, made))
        if stored:
            self._sketch(connection, stored)
        return [row for row in stored if row.embedder_id == number]


def _measured(
    connection: Connection, made: list[tuple[Prediction, dict[str, Vector], Vector | None]]
) -> list[EmbeddedPrediction]:
    """What was measured of the pictures, as vectors of an embedder of their own."""
    pictures = [(event, {quality.KIND: vector}) for event, _, vector in made if vector is not None]
    if not pictures:
        return []
    detail = {"features": list(quality.QUALITY_UNITS)}
    number = embedder_id(connection, quality.FINGERPRINT, len(quality.QUALITY_UNITS), detail)
    return [EmbeddedPrediction.of(event, number, quality.FINGERPRINT, by_kind) for event, by_kind in pictures]


def _count(outcome: EmbedOutcome) -> None:
    EMBEDDED.labels("carried").inc(outcome.carried)
    EMBEDDED.labels("unsampled").inc(outcome.unsampled)
    EMBEDDED.labels("embedded").inc(outcome.embedded)
    for reason, pictures in outcome.refused_images.items():
        EMBEDDED.labels(f"image {reason}").inc(pictures)
