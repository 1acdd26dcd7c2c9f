"""Embed the sampled predictions of a batch: vectors, sketches and the offset in one transaction."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from monitor.domain.events import Prediction
from monitor.domain.records import Batch
from monitor.embedding.embedder import Embedder
from monitor.errors import StoreError, TooManyDays, UnstorableValue
from monitor.formats import Decoder
from monitor.sampling import selected
from monitor.services.draw_labels import LabelDesign, LabelSampler
from monitor.services.embed_halves import left_to_embed, made_before, to_embed, with_vectors
from monitor.services.pairing import Pairing
from monitor.services.protect import Privacy
from monitor.services.reading import Limits
from monitor.services.replay_marks import ReplayMarks
from monitor.services.sketches import UpdateSketches
from monitor.services.triage import Accepted, Triage, triage
from monitor.store import offsets
from monitor.store.embeddings import EmbeddedPrediction, HalfVector, Vector, embedder_id, insert_embeddings
from monitor.store.engine import transaction
from monitor.store.halves import HalfArrival
from monitor.store.partitions import DayPartitions
from monitor.store.predictions import Arrival, known_hashes
from monitor.store.served_models import ModelKey, ServedModels
from monitor.streams import image_quality as quality
from monitor.telemetry import EMBEDDED

log = logging.getLogger(__name__)

EMBED_KEY = "embed"
"""Key of the embedding sampler's hash; another key draws another, independent sample."""


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
    """Vectors are made of what came, also those of halves that wait; these and the slices of vectors are redacted."""
    store_rate: float
    max_models: int
    labels: LabelDesign
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


Result = tuple[dict[str, Vector], Vector | None]
"""Vectors by kind, and what was measured of the picture."""


class Made(NamedTuple):
    """What was made of one prediction."""

    arrival: Arrival
    vectors: dict[str, Vector | HalfVector]
    quality: Vector | HalfVector | None


class EmbedService:
    """Handler of the embed group."""

    def __init__(self, engine: Engine, embedder: Embedder, options: EmbedOptions, sketch: UpdateSketches) -> None:
        self._engine = engine
        self._embedder = embedder
        self._options = options
        self._sketch = sketch
        self._days = DayPartitions(engine)
        self._sampler = LabelSampler(engine, options.labels, options.store_rate)
        self._models = ServedModels(options.max_models)
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
        self._models.refresh(now)
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
        """Embed and store a batch that is read whole; a record of it that PostgreSQL refuses is passed over."""
        try:
            return self._embed(batch, sorted_out, now)
        except (TooManyDays, UnstorableValue) as error:
            if len(batch.records) > 1:
                first, second = batch.cut(len(batch.records) // 2)
                return self.write(first, now) + self.write(second, now)
            return self._pass_over(batch, error, now)

    def _pass_over(self, batch: Batch, error: StoreError, now: datetime) -> EmbedOutcome:
        """Nothing of this record: the ingest group makes a dead letter of it."""
        for one in batch.records:
            where = {"topic": one.partition.topic, "partition": one.partition.number, "offset": one.offset}
            log.warning("a record cannot be stored and is passed over: %s", error, extra=where)
        with transaction(self._engine) as connection:
            offsets.advance(connection, self._options.group, batch, now)
        EMBEDDED.labels("unstorable").inc(len(batch.records))
        return EmbedOutcome(0, 0, 0, 0, Counter())

    def _embed(self, batch: Batch, sorted_out: Triage, now: datetime) -> EmbedOutcome:
        meeting = self._pairing.meet(sorted_out)
        arrived = list(sorted_out.predictions.values())
        plain = [one for one in arrived if not one.arrival.event.embeddings]
        chosen = self._of_counted_models([one for one in plain if self._is_chosen(one.arrival)])
        self._days.ensure(one.arrival.event.ts for one in chosen)
        sides = self._sides_to_embed([*meeting.alone, *meeting.preludes])
        embedded = self._embedder.embed([*map(left_to_embed, chosen), *sides.values()])
        results = list(zip(embedded.vectors, embedded.quality, strict=True))
        made = self._made(chosen, results[: len(chosen)])
        of_sides = dict(zip(sides, results[len(chosen) :], strict=True))
        meeting.alone = self._with_vectors(meeting.alone, of_sides)
        meeting.preludes = self._with_vectors(meeting.preludes, of_sides)
        with transaction(self._engine) as connection:
            offsets.advance(connection, self._options.group, batch, now)
            self._pairing.settle(connection, meeting, now)
            stored = self._store(connection, made)
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

    def _of_counted_models(self, chosen: list[Accepted]) -> list[Accepted]:
        """The ingest group refuses the others."""
        beyond = self._models.beyond(self._engine, {ModelKey.of(one.arrival.event) for one in chosen})
        return [one for one in chosen if ModelKey.of(one.arrival.event) not in beyond] if beyond else chosen

    def _sides_to_embed(self, alone: list[HalfArrival]) -> dict[str, Prediction]:
        """What there is to embed of sides that are to wait, by pair; nothing of calls that will not be stored."""
        drawn = [one for one in alone if selected(one.half.call, self._options.sample_rate, EMBED_KEY)]
        coins = self._sampler.throw([one.half.call for one in drawn])
        may_be_stored = (coins.may_be_drawn | coins.held).tolist()
        halves = [one for one, may in zip(drawn, may_be_stored, strict=True) if may or one.replay is not None]
        return {one.half.pair_id: event for one in halves if (event := to_embed(one)) is not None}

    def _with_vectors(self, alone: list[HalfArrival], results: Mapping[str, Result]) -> list[HalfArrival]:
        fingerprint = self._embedder.encoder.fingerprint
        return [
            with_vectors(one, fingerprint, *results[one.half.pair_id]) if one.half.pair_id in results else one
            for one in alone
        ]

    def _made(self, chosen: list[Accepted], results: list[Result]) -> list[Made]:
        """What there is of each prediction now, and what there was of the side of it that waited."""
        made = []
        for one, (by_kind, measured) in zip(chosen, results, strict=True):
            before, measured_before = made_before(one, self._embedder.encoder.fingerprint)
            quality_vector = measured_before if measured is None else measured
            made.append(Made(one.arrival, {**by_kind, **before}, quality_vector))
        return made

    def _store(self, connection: Connection, made: list[Made]) -> list[EmbeddedPrediction]:
        """Insert and sketch what was made of predictions that do not contradict a known one.

        Returns what the encoder made that was new.
        """
        arrivals = [one.arrival for one in made]
        known = known_hashes(connection, {one.event.request_id: one.event.ts for one in arrivals})
        redacted = self._options.privacy.redactor.prediction
        to_store = [
            (redacted(one.event), by_kind, measured)
            for one, by_kind, measured in made
            if known.get(one.event.request_id, one.content_hash) == one.content_hash
        ]
        encoder = self._embedder.encoder
        number = embedder_id(connection, encoder.fingerprint, encoder.dimension, encoder.detail)
        rows = [EmbeddedPrediction.of(event, number, encoder.fingerprint, by_kind) for event, by_kind, _ in to_store]
        stored = insert_embeddings(connection, rows + _measured(connection, to_store))
        if stored:
            self._sketch(connection, stored)
        return [row for row in stored if row.embedder_id == number]


def _measured(
    connection: Connection, made: list[tuple[Prediction, dict[str, Vector | HalfVector], Vector | HalfVector | None]]
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
