"""At the door: what the records of a batch say, and which are refused and why. Touches no database."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from monitor.domain.events import Deployment, Event, Label, Rejection, content_hash
from monitor.domain.halves import Half, Side, digest, is_part_of
from monitor.domain.records import Record
from monitor.domain.timeliness import check
from monitor.errors import InvalidEvent
from monitor.formats import Decoded, Decoder
from monitor.store.dead_letters import Rejected
from monitor.store.halves import HalfArrival
from monitor.store.labels import LabelArrival
from monitor.store.predictions import Arrival

log = logging.getLogger(__name__)

OUR_FAULT = "a fault of Snellen's, please report it"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a record may be."""

    max_record_bytes: int
    max_future: timedelta
    max_age: timedelta


class Accepted(NamedTuple):
    """A prediction, and what it was read from."""

    arrival: Arrival
    records: tuple[Record, ...]
    """Of this batch; the last one made it whole."""
    waited: Record | None = None
    """The other side of its call, if that came in an earlier batch."""

    @property
    def sources(self) -> tuple[Record, ...]:
        return self.records if self.waited is None else (*self.records, self.waited)


@dataclass(slots=True)
class Triage:
    """The records of a batch by what becomes of them. Predictions are keyed by id: the first of a batch wins."""

    predictions: dict[str, Accepted] = field(default_factory=dict)
    halves: dict[str, dict[Side, HalfArrival]] = field(default_factory=dict)
    """By pair, in the order of their arrival."""
    duplicates: list[Record] = field(default_factory=list)
    labels: list[tuple[LabelArrival, Record]] = field(default_factory=list)
    deployments: list[tuple[Deployment, bytes, Record]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    ignored: list[Record] = field(default_factory=list)
    """Say nothing about a prediction: spans of other work, say."""

    def add(self, said: Event | Half, record: Record) -> None:
        """Sort one thing in that a record says.

        Raises:
            InvalidEvent: the same request_id came earlier in this batch with other content, or it cannot be stored.
        """
        if isinstance(said, Label):
            self.labels.append((LabelArrival(said, content_hash(said), record.replay), record))
        elif isinstance(said, Deployment):
            self.deployments.append((said, content_hash(said), record))
        elif isinstance(said, Half):
            self._add_half(HalfArrival(said, digest(said), record, record.replay))
        else:
            self.add_prediction(Accepted(Arrival(said, content_hash(said), record.replay), (record,)))

    def add_prediction(self, accepted: Accepted) -> None:
        """Sort a prediction in.

        Raises:
            InvalidEvent: the same request_id came earlier in this batch with other content.
        """
        arrival = accepted.arrival
        request_id = arrival.event.request_id
        first = self.predictions.get(request_id)
        if first is None:
            self.predictions[request_id] = accepted
        elif first.arrival.content_hash == arrival.content_hash:
            self.duplicates.extend(accepted.records)
        else:
            raise InvalidEvent(Rejection.CONTRADICTORY, _contradiction(request_id))

    def refuse(self, faults: Mapping[str, str]) -> None:
        """Take out the predictions of these ids: what they carry cannot be read."""
        for request_id, fault in faults.items():
            refused = self.predictions.pop(request_id)
            self.rejected.extend(Rejected(record, Rejection.INVALID, fault) for record in refused.sources)

    def settle_known(self, new_ids: set[str], known: Mapping[str, bytes]) -> None:
        """Take out predictions whose id was stored before: the same content is a duplicate, other content refused."""
        for request_id in [one for one in self.predictions if one not in new_ids]:
            again = self.predictions.pop(request_id)
            if known[request_id] == again.arrival.content_hash:
                self.duplicates.extend(again.records)
            else:
                fault = _contradiction(request_id)
                self.rejected.extend(Rejected(record, Rejection.CONTRADICTORY, fault) for record in again.sources)

    def settle_known_halves(self, alone: list[HalfArrival], known: Mapping[str, bytes]) -> list[HalfArrival]:
        """The sides whose call is not stored yet; the others are duplicates of one of its sides, or contradict it."""
        unknown = []
        for one in alone:
            stored = known.get(one.half.pair_id)
            if stored is None:
                unknown.append(one)
            elif is_part_of(one.half.side, one.digest, stored):
                self.duplicates.append(one.record)
            else:
                fault = half_contradiction(one.half)
                self.rejected.append(Rejected(one.record, Rejection.CONTRADICTORY, fault))
        return unknown

    def _add_half(self, arrival: HalfArrival) -> None:
        sides = self.halves.setdefault(arrival.half.pair_id, {})
        first = sides.setdefault(arrival.half.side, arrival)
        if first is arrival:
            return
        if first.digest != arrival.digest:
            raise InvalidEvent(Rejection.CONTRADICTORY, half_contradiction(arrival.half))
        self.duplicates.append(arrival.record)


def triage(records: Iterable[Record], decoders: Mapping[str, Decoder], limits: Limits, now: datetime) -> Triage:
    """Decode every record with its topic's decoder; whatever cannot be accepted is refused with its reason.

    That includes what a decoder lets out that it should not: a fault of ours is logged and costs one record, where it
    would stop the partition for good.
    """
    sorted_out = Triage()
    for record in records:
        try:
            said = _read(record, decoders[record.partition.topic], limits)
            _sort(said, record, sorted_out, limits, now)
        except InvalidEvent as error:
            sorted_out.rejected.append(Rejected(record, error.reason, str(error)))
        except Exception as error:
            log.exception("a record could not be read, by a fault of ours", extra={"offset": record.offset})
            sorted_out.rejected.append(Rejected(record, Rejection.UNREADABLE, f"{OUR_FAULT}: {error!r}"))
    return sorted_out


def half_contradiction(half: Half) -> str:
    return f"the {half.side} of call {half.pair_id!r} is known with other content; the first one stands"


def _read(record: Record, decode: Decoder, limits: Limits) -> Sequence[Decoded]:
    if record.fault is not None:
        raise InvalidEvent(Rejection.UNREADABLE, record.fault)
    if len(record.value) > limits.max_record_bytes:
        raise InvalidEvent(
            Rejection.OVERSIZED, f"{len(record.value)} bytes, {limits.max_record_bytes} are allowed (max_record_bytes)"
        )
    return decode(record)


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
