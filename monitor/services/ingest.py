"""Store a batch of records exactly once: rows, rollups, sketches, dead letters and the offset in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from monitor.domain.events import Prediction, Rejection, Taken
from monitor.domain.records import Batch, Record
from monitor.errors import StoreUnavailable, TooManyDays, UnstorableValue
from monitor.formats import Decoder
from monitor.services.ahead import MAX_PACKED, Ahead, look_ahead
from monitor.services.carried import Embedders
from monitor.services.draw_labels import LabelDesign, LabelSampler
from monitor.services.pairing import Meeting, Pairing, count_met
from monitor.services.protect import Privacy, protect
from monitor.services.reading import Limits
from monitor.services.replay_marks import ReplayMarks
from monitor.services.sketches import UpdateSketches
from monitor.services.triage import Triage, triage
from monitor.store import offsets, predictions, rollups
from monitor.store.dead_letters import Rejected, count_outcomes, insert_dead_letters, resolve_dead_letters
from monitor.store.embeddings import EmbeddedPrediction, copy_embeddings
from monitor.store.engine import transaction, trial
from monitor.store.labels import insert_deployments, insert_labels, insert_tasks
from monitor.store.partitions import DayPartitions
from monitor.store.served_models import ModelKey, ServedModels
from monitor.store.slice_values import SliceValues
from monitor.telemetry import RECORDS


@dataclass(frozen=True, slots=True)
class IngestOptions:
    group: str
    decoders: Mapping[str, Decoder]
    """Topic -> decoder."""
    limits: Limits
    slice_dimensions: tuple[str, ...]
    max_slice_values: int
    labels: LabelDesign
    pair_patience: timedelta
    """How long one side of a call that is logged in two records waits for the other, before it counts as lost."""
    privacy: Privacy
    store_rate: float
    """Share of live predictions that are stored in full; all of them count."""
    max_models: int
    max_embedders: int


@dataclass(slots=True)
class Read:
    """A batch after what can be done while the one before is being stored."""

    sorted_out: Triage
    ahead: Ahead | None
    """None while halves of calls have to meet: then the predictions are not complete yet, nor redacted."""


@dataclass(slots=True)
class Prepared:
    """A batch, read and checked, before the transaction that stores it."""

    sorted_out: Triage
    ahead: Ahead
    meeting: Meeting
    carried: list[EmbeddedPrediction]


class IngestService:
    """Handler of the ingest group."""

    def __init__(self, engine: Engine, options: IngestOptions, sketch: UpdateSketches) -> None:
        self._engine = engine
        self._options = options
        self._sketch = sketch
        self._days = DayPartitions(engine)
        self._embedders = Embedders(engine, options.max_embedders)
        self._pairing = Pairing(engine, options.group, options.pair_patience, options.privacy)
        self._slices = SliceValues(options.slice_dimensions, options.max_slice_values)
        self._models = ServedModels(options.max_models)
        self._replays = ReplayMarks(engine)
        self._sampler = LabelSampler(engine, options.labels, options.store_rate)

    def read(self, batch: Batch, now: datetime) -> Read:
        """Decode and check the batch's records: all that can be done while the batch before is being stored.

        Of a batch that decodes to very much only its first records, see `Limits.decoded_bytes`.
        """
        return self._read(batch.records, now, whole=False)

    def write(self, batch: Batch, now: datetime, read: Read | None = None) -> Counter[tuple[str, str]]:
        """Store the batch; returns the count of records per (topic, outcome).

        Args:
            read: what `read` made of it, used up by this call also when it fails; None: it is read here.

        Raises:
            Fenced: another consumer owns a partition; nothing was stored.
            StoreUnavailable: nothing was stored, the same batch may be tried again.
        """
        self._sampler.refresh(now)
        self._models.refresh(now)
        checked = self._replays.checked(batch)
        if checked is not batch:
            batch, read = checked, None
        outcomes: Counter[tuple[str, str]] = Counter()
        read = read or self.read(batch, now)
        while (records := read.sorted_out.records) < len(batch.records):
            first, batch = batch.cut(records)
            outcomes += self._write(first, read, now)
            read.sorted_out, read.ahead = Triage(), None  # the caller still holds it
            read = self.read(batch, now)
        return outcomes + self._write(batch, read, now)

    def _write(self, batch: Batch, read: Read, now: datetime) -> Counter[tuple[str, str]]:
        """Store a batch that is read whole."""
        try:
            outcomes = self._store(batch, read, now)
        except TooManyDays as error:
            if len(batch.records) > 1:
                first, second = batch.cut(len(batch.records) // 2)
                return self.write(first, now) + self.write(second, now)
            refused = Triage(rejected=[Rejected(one, Rejection.INVALID, str(error)) for one in batch.records])
            outcomes = self._store(batch, Read(refused, None), now)
        except UnstorableValue:
            poison = self._find_poison(self._units(batch.records, now), now)
            lost = {id(one.record) for one in poison}
            rest = self._read([one for one in batch.records if id(one) not in lost], now)
            rest.sorted_out.rejected.extend(poison)
            outcomes = self._store(batch, rest, now)
        for (topic, outcome), records in outcomes.items():
            RECORDS.labels(topic, outcome).inc(records)
        return outcomes

    def _store(self, batch: Batch, read: Read, now: datetime) -> Counter[tuple[str, str]]:
        prepared = self._prepare(read)
        with transaction(self._engine) as connection:
            offsets.advance(connection, self._options.group, batch, now)
            outcomes = self._insert(connection, prepared, now)
            resolve_dead_letters(connection, _taken(batch, read.sorted_out), now)
        return outcomes

    def _triage(self, records: Sequence[Record], now: datetime, *, whole: bool = True) -> Triage:
        return triage(records, self._options.decoders, self._options.limits, now, whole=whole)

    def _read(self, records: Sequence[Record], now: datetime, *, whole: bool = True) -> Read:
        sorted_out = self._triage(records, now, whole=whole)
        if sorted_out.halves or sorted_out.preludes:
            return Read(sorted_out, None)
        size = sum(len(one.value) for one in records)
        return Read(sorted_out, self._complete(sorted_out, packs=size <= MAX_PACKED))

    def _complete(self, sorted_out: Triage, *, packs: bool = False) -> Ahead:
        """What is done with predictions once all of the batch are there."""
        protect(sorted_out, self._options.privacy)
        arrivals = [one.arrival for one in sorted_out.predictions.values()]
        packs = packs and self._options.store_rate == 1
        return look_ahead(arrivals, self._slices.dimensions, self._sampler, self._embedders, packs=packs)

    def _prepare(self, read: Read) -> Prepared:
        """Embedders, partitions and slice values, committed beforehand: they outlive a batch that fails, harmlessly."""
        sorted_out = read.sorted_out
        meeting = self._pairing.meet(sorted_out)
        ahead = self._complete(sorted_out) if read.ahead is None else read.ahead
        sorted_out.refuse(ahead.unpacked.faults)
        self._refuse_models(sorted_out, _counted(sorted_out, ahead))
        # What was refused must not use up the embedders that records may name, nor the values of a dimension.
        carried = ahead.carried
        if carried is None:
            carried, faults = self._embedders.assign(ahead.unpacked.among(sorted_out.predictions))
            sorted_out.refuse(faults)
        self._days.ensure([one.arrival.event.ts for one in sorted_out.predictions.values()])
        self._slices.admit(self._engine, [event.slices for event in _counted(sorted_out, ahead)])
        return Prepared(sorted_out, ahead, meeting, carried)

    def _refuse_models(self, sorted_out: Triage, counted: Iterable[Prediction]) -> None:
        """Take out the predictions of models that are too many to be counted."""
        beyond = self._models.beyond(self._engine, set(map(ModelKey.of, counted)))
        if beyond:
            faults = {
                request_id: beyond[key]
                for request_id, one in sorted_out.predictions.items()
                if (key := ModelKey.of(one.arrival.event)) in beyond
            }
            sorted_out.refuse(faults, Rejection.TOO_MANY_MODELS)

    def _insert(self, connection: Connection, prepared: Prepared, now: datetime) -> Counter[tuple[str, str]]:
        sorted_out = prepared.sorted_out
        self._first_seen(connection, prepared)
        self._settle_halves(connection, prepared, now)
        new = insert_labels(connection, [arrival for arrival, _ in sorted_out.labels])
        new |= insert_deployments(connection, [(event, digest) for event, digest, _ in sorted_out.deployments])
        if sorted_out.predictions:
            self._insert_predictions(connection, prepared)
        insert_dead_letters(connection, [self._options.privacy.rejected(one) for one in sorted_out.rejected])
        outcomes = _outcomes(prepared, new)
        count_outcomes(connection, outcomes, now)
        return outcomes

    def _settle_halves(self, connection: Connection, prepared: Prepared, now: datetime) -> None:
        """Sides of calls that are stored already need not wait; the others do, or have met."""
        sorted_out, meeting = prepared.sorted_out, prepared.meeting
        if not (sorted_out.halves or sorted_out.preludes):
            return
        asked = (*meeting.alone, *meeting.preludes, *sorted_out.other_halves)
        known = predictions.known_hashes(connection, {one.half.call: one.half.ts for one in asked})
        meeting.alone = sorted_out.settle_known_halves(meeting.alone, known)
        meeting.preludes = [one for one in meeting.preludes if one.half.call not in known]
        self._pairing.settle(connection, meeting, now)
        count_met(connection, meeting, (one.arrival.event for one in sorted_out.predictions.values()))

    def _first_seen(self, connection: Connection, prepared: Prepared) -> None:
        """Claim the ids; what was known already is moved to the duplicates or the rejected.

        Raises:
            StoreUnavailable: the day of a known id was retired just now; look again.
        """
        sorted_out, packed = prepared.sorted_out, prepared.ahead.packed
        arrivals = [one.arrival for one in sorted_out.predictions.values()]
        new_ids = predictions.claim(connection, arrivals, packed.ids if packed else None) if arrivals else set()
        known: dict[str, bytes] = {}
        if len(new_ids) < len(arrivals):
            old = {one.event.request_id: one.event.ts for one in arrivals if one.event.request_id not in new_ids}
            known = predictions.known_hashes(connection, old)
            if len(known) < len(old):
                raise StoreUnavailable(
                    f"{len(old) - len(known)} ids were known a moment ago: their day is being retired"
                )
        sorted_out.settle_known(new_ids, known)

    def _insert_predictions(self, connection: Connection, prepared: Prepared) -> None:
        """All that are left count and are sketched; what is chosen of them is stored."""
        arrivals = [one.arrival for one in prepared.sorted_out.predictions.values()]
        ahead, carried = prepared.ahead, prepared.carried
        ids = {one.event.request_id for one in arrivals}
        if len(ids) < len(ahead.request_ids):
            ahead, carried = ahead.among(ids), _of(ids, carried)
        rollups.add(connection, ahead.tally, self._slices.of)
        chosen = self._sampler.choose(arrivals, ahead.coins, self._slices.of)
        insert_tasks(connection, chosen.tasks)
        if ahead.packed is not None:
            predictions.insert_packed(connection, ahead.packed.predictions, ids)
            new = copy_embeddings(connection, carried, ahead.packed.vectors)
        else:
            predictions.insert(connection, chosen.stored, chosen.inclusion)
            stored = {one.event.request_id for one in chosen.stored}
            new = [*copy_embeddings(connection, _of(stored, carried)), *_but(stored, carried)]
        self._sketch(connection, new)

    def _find_poison(self, units: Sequence[Sequence[Record]], now: datetime) -> list[Rejected]:
        """The records that PostgreSQL refuses, found by halving in transactions that are rolled back."""
        fault = self._fault([record for unit in units for record in unit], now)
        if fault is None:
            return []
        if len(units) == 1:
            return [Rejected(record, Rejection.UNSTORABLE, fault) for record in units[0]]
        middle = len(units) // 2
        return self._find_poison(units[:middle], now) + self._find_poison(units[middle:], now)

    def _units(self, records: Sequence[Record], now: datetime) -> list[list[Record]]:
        """The records, those of one call together: what is wrong with it may show only when it is whole."""
        sorted_out = self._triage(records, now)
        pairs = {id(one.record): pair for pair, sides in sorted_out.halves.items() for one in sides.values()}
        pairs |= {id(one.record): call for call, said in sorted_out.preludes.items() for one in said}
        units: dict[str | int, list[Record]] = {}
        for record in records:
            units.setdefault(pairs.get(id(record), id(record)), []).append(record)
        return list(units.values())

    def _fault(self, records: Sequence[Record], now: datetime) -> str | None:
        try:
            prepared = self._prepare(self._read(records, now))
            with trial(self._engine) as connection:
                self._insert(connection, prepared, now)
        except UnstorableValue as error:
            return str(error)
        return None


def _preludes_taken(prepared: Prepared) -> list[Record]:
    """Of each prelude its record, but for those that were refused with their call: they count as that."""
    sorted_out = prepared.sorted_out
    refused = {id(one.record) for one in sorted_out.rejected}
    gone = prepared.meeting.introduced - sorted_out.predictions.keys()
    several = sorted_out.preludes.items()
    return [one.record for call, said in several for one in said if not (call in gone and id(one.record) in refused)]


def _counted(sorted_out: Triage, ahead: Ahead) -> list[Prediction]:
    """One prediction of each kind that counts, or all where some were refused after they had been read."""
    stored = sorted_out.predictions.values()
    return ahead.tally.kinds if len(stored) == len(ahead.request_ids) else [one.arrival.event for one in stored]


def _taken(batch: Batch, sorted_out: Triage) -> list[Record]:
    refused = {id(one.record) for one in sorted_out.rejected}
    return [one for one in batch.records if id(one) not in refused]


def _of(request_ids: Container[str], rows: Sequence[EmbeddedPrediction]) -> list[EmbeddedPrediction]:
    return [row for row in rows if row.request_id in request_ids]


def _but(request_ids: Container[str], rows: Sequence[EmbeddedPrediction]) -> list[EmbeddedPrediction]:
    return [row for row in rows if row.request_id not in request_ids]


def _outcomes(prepared: Prepared, new: set[bytes]) -> Counter[tuple[str, str]]:
    """What was said per (topic, outcome). A label or deployment is accepted where its content comes first, else
    duplicate. Of a call in two records the one that makes it whole is accepted, the other counts as half."""
    sorted_out = prepared.sorted_out
    outcomes: Counter[tuple[str, str]] = Counter()
    sources = [one.records for one in sorted_out.predictions.values()]
    whole = Counter([one[-1].partition.topic for one in sources])
    parts = Counter([half.partition.topic for one in sources if len(one) > 1 for half in one[:-1]])
    outcomes.update({(topic, Taken.ACCEPTED): count for topic, count in whole.items()})
    outcomes.update({(topic, Taken.HALF): count for topic, count in parts.items()})
    outcomes.update((one.record.partition.topic, Taken.HALF) for one in prepared.meeting.alone)
    outcomes.update((record.partition.topic, Taken.HALF) for record in _preludes_taken(prepared))
    outcomes.update((record.partition.topic, Taken.DUPLICATE) for record in sorted_out.duplicates)
    outcomes.update((record.partition.topic, Taken.IGNORED) for record in sorted_out.ignored)
    outcomes.update((one.record.partition.topic, str(one.reason)) for one in sorted_out.rejected)
    left = set(new)
    others = [(label.content_hash, record) for label, record in sorted_out.labels]
    others += [(digest, record) for _, digest, record in sorted_out.deployments]
    for digest, record in others:
        outcomes[record.partition.topic, Taken.ACCEPTED if digest in left else Taken.DUPLICATE] += 1
        left.discard(digest)
    return outcomes
