"""At the door: what the records of a batch say, and which are refused and why. Touches no database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from msgspec import Struct

from monitor.domain.events import Deployment, Event, Label, Prediction, Rejection, content_hash
from monitor.domain.halves import Half, Side, demand_call_id, digest, is_part_of
from monitor.domain.kept_halves import KeptHalf
from monitor.domain.records import UNPAIRED, Record, as_first_written
from monitor.domain.timeliness import check
from monitor.errors import InvalidEvent
from monitor.formats import Decoded, Decoder
from monitor.services.decoded_size import decoded_size
from monitor.services.reading import OUR_FAULT, Limits, decoder_of, log_our_fault, read_record
from monitor.store.dead_letters import Rejected
from monitor.store.halves import HalfArrival
from monitor.store.labels import LabelArrival
from monitor.store.predictions import Arrival


class Accepted(Struct, frozen=True, eq=False):
    """A prediction, and what it was read from."""

    arrival: Arrival
    records: tuple[Record, ...]
    """Of this batch; the last one made it whole."""
    waited: Record | None = None
    """The other side of its call, if that came in an earlier batch."""
    sides: tuple[HalfArrival, ...] = ()
    """What was joined, of a call that is logged in two records."""

    @property
    def sources(self) -> tuple[Record, ...]:
        """In the order in which to send them again: what was said ahead of a response has to be there before it."""
        if not self.sides:
            return self.records
        waited = () if self.waited is None else (self.waited,)
        return (*[record for side in self.sides for record in side.preludes], *waited, *self.records)


@dataclass(slots=True)
class Triage:
    """The records of a batch by what becomes of them.

    Predictions are keyed by id: the first of a batch stands, unless another one is stored already.
    """

    predictions: dict[str, Accepted] = field(default_factory=dict)
    halves: dict[str, dict[Side, HalfArrival]] = field(default_factory=dict)
    """By pair, in the order of their arrival."""
    preludes: dict[str, list[HalfArrival]] = field(default_factory=dict)
    """By call: what was said ahead of its response."""
    others: list[Accepted] = field(default_factory=list)
    """Predictions whose id came earlier in the batch with other content. One may repeat what is stored."""
    other_halves: list[HalfArrival] = field(default_factory=list)
    """Sides that came earlier in the batch with other content."""
    duplicates: list[Record] = field(default_factory=list)
    labels: list[tuple[LabelArrival, Record]] = field(default_factory=list)
    deployments: list[tuple[Deployment, bytes, Record]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    ignored: list[Record] = field(default_factory=list)
    """Say nothing about a prediction: spans of other work, say."""
    records: int = 0
    """How many were read."""

    def add(self, said: Event | Half, record: Record) -> None:
        """Sort one thing in that a record says.

        Raises:
            InvalidEvent: it cannot be stored.
        """
        if isinstance(said, Prediction):  # nearly always
            self.add_prediction(Accepted(Arrival(said, content_hash(said), record.replay), (record,)))
        elif isinstance(said, Half):
            demand_call_id(said)
            self._add_half(_arrival(said, record))
        elif isinstance(said, Label):
            self.labels.append((LabelArrival(said, content_hash(said), record.replay), record))
        else:
            self.deployments.append((said, content_hash(said), record))

    def add_prediction(self, accepted: Accepted) -> bool:
        """Sort a prediction in; says whether it is the first of its id in this batch."""
        first = self.predictions.setdefault(accepted.arrival.event.request_id, accepted)
        if first is accepted:
            return True
        if first.arrival.content_hash == accepted.arrival.content_hash:
            self.duplicates.extend(accepted.records)
        else:
            self.others.append(accepted)
        return False

    def refuse(self, faults: Mapping[str, str], reason: Rejection = Rejection.INVALID) -> None:
        """Take out the predictions of these ids: for one, what they carry cannot be read."""
        for request_id, fault in faults.items():
            refused = self.predictions.pop(request_id)
            whose = named(refused.arrival.subject_hash)
            self.rejected.extend(Rejected(record, reason, fault, subjects=whose) for record in refused.sources)

    def settle_known(self, new_ids: set[str], known: Mapping[str, bytes]) -> None:
        """Take out predictions whose id was stored before: the same content is a duplicate, other content refused.

        Args:
            known: content hashes of the ids that are not new.
        """
        if len(new_ids) == len(self.predictions) and not self.others:
            return
        stands = {request_id: one.arrival.content_hash for request_id, one in self.predictions.items()} | dict(known)
        again = [self.predictions.pop(request_id) for request_id in [*self.predictions] if request_id not in new_ids]
        for one in (*again, *self.others):
            self._repeat(one, stands.get(one.arrival.event.request_id, b""))

    def settle_known_halves(self, alone: list[HalfArrival], known: Mapping[str, bytes]) -> list[HalfArrival]:
        """The sides whose call is not stored yet; the others are duplicates of one of its sides, or contradict it.

        Args:
            known: content hashes of the calls of these sides, and of `other_halves`, that are stored by now.
        """
        for other in self.other_halves:
            stored = known.get(other.half.pair_id)
            first = self.halves[other.half.pair_id][other.half.side]
            self.repeat_half(other, same=_is_side_of(other, stored) if stored else other.digest == first.digest)
        unknown = []
        for one in alone:
            stored = known.get(one.half.pair_id)
            if stored is None:
                unknown.append(one)
            else:
                self.repeat_half(one, same=_is_side_of(one, stored))
        return unknown

    def repeat_half(self, again: HalfArrival, *, same: bool) -> None:
        """Sort a side in that came before, with the same content or with other."""
        if same:
            self.duplicates.append(again.record)
        else:
            fault = _half_contradiction(again.half)
            self.rejected.append(Rejected(again.record, Rejection.CONTRADICTORY, fault))

    def _repeat(self, again: Accepted, stored: bytes) -> None:
        """Sort a prediction in whose id is known with this content. Of a call, one side may be what it was."""
        if stored == again.arrival.content_hash:
            self.duplicates.extend(again.records)
            return
        same = {id(one.record) for one in again.sides if _is_side_of(one, stored)}
        fault, whose = _contradiction(again.arrival.event.request_id), named(again.arrival.subject_hash)
        self.duplicates.extend(record for record in again.records if id(record) in same)
        self.rejected.extend(
            Rejected(record, Rejection.CONTRADICTORY, fault, subjects=whose)
            for record in again.sources
            if id(record) not in same
        )

    def _add_half(self, arrival: HalfArrival) -> None:
        if arrival.half.side == "prelude":
            self.preludes.setdefault(arrival.half.call, []).append(arrival)
            return
        sides = self.halves.setdefault(arrival.half.pair_id, {})
        first = sides.setdefault(arrival.half.side, arrival)
        if first is arrival:
            return
        if first.digest == arrival.digest:
            self.duplicates.append(arrival.record)
        else:
            self.other_halves.append(arrival)


def triage(
    records: Iterable[Record], decoders: Mapping[str, Decoder], limits: Limits, now: datetime, *, whole: bool = True
) -> Triage:
    """Decode every record with its topic's decoder; whatever cannot be accepted is refused with its reason.

    That includes what a decoder lets out that it should not: a fault of ours is logged and costs one record, where it
    would stop the partition for good.

    Args:
        whole: False: end after the record with which they have decoded to more than the limits allow.
    """
    sorted_out = Triage()
    room = limits.decoded_bytes
    for record in records:
        if room < 0 and not whole:
            break
        sorted_out.records += 1
        try:
            original = as_first_written(record) if record.marked else record
            said = read_record(original, decoder_of(original, decoders), limits)
            room -= decoded_size(said, record)
            _sort(said, record, sorted_out, limits, now)
        except InvalidEvent as error:
            sorted_out.rejected.append(Rejected(record, error.reason, str(error)))
        except Exception as error:  # noqa: BLE001 (whatever a decoder trips over)
            log_our_fault("a record could not be read", record, error)
            sorted_out.rejected.append(Rejected(record, Rejection.UNREADABLE, f"{OUR_FAULT}: {type(error).__name__}"))
    return sorted_out


def named(subject_hash: bytes) -> tuple[bytes, ...]:
    """Of a dead letter, whose data it is."""
    return (subject_hash,) if subject_hash else ()


def _arrival(half: Half, record: Record) -> HalfArrival:
    if not isinstance(half, KeptHalf):
        return HalfArrival(half, digest(half), record, record.replay)
    plain, lost = half.plain, record.half == UNPAIRED
    return HalfArrival(plain, half.digest or digest(plain), record, record.replay, lost, subject_hash=half.subject)


def _is_side_of(one: HalfArrival, content_hash: bytes) -> bool:
    return is_part_of(one.half.side, one.digest, content_hash)


def _half_contradiction(half: Half) -> str:
    return f"the {half.side} of call {half.pair_id!r} is known with other content; the first one stands"


def _sort(said: Sequence[Decoded], record: Record, sorted_out: Triage, limits: Limits, now: datetime) -> None:
    """Sort in all that one record says. It becomes one dead letter if any part of it is refused."""
    faults: list[InvalidEvent] = []
    for one in said:
        try:
            if isinstance(one, InvalidEvent):
                raise one
            check(one.ts, now, limits.max_future, limits.max_age, replay=record.replay is not None)
            sorted_out.add(one, record)
        except InvalidEvent as error:
            faults.append(error)
    if faults:
        detail = "; ".join(map(str, faults))
        detail = f"{len(faults)} of {len(said)} parts: {detail}" if len(said) > 1 else detail
        sorted_out.rejected.append(Rejected(record, faults[0].reason, detail))
    elif not said:
        sorted_out.ignored.append(record)


def _contradiction(request_id: str) -> str:
    return f"request_id {request_id!r} is known with other content; the first one stands"
