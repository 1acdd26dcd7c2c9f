"""At the door: which records of a batch are events, and which are refused and why. Touches no database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitor.domain.events import Deployment, Event, Label, Rejection, content_hash
from monitor.domain.records import Record
from monitor.domain.timeliness import check
from monitor.errors import InvalidEvent
from monitor.formats import Decoder
from monitor.store.dead_letters import Rejected
from monitor.store.labels import LabelArrival
from monitor.store.predictions import Arrival


@dataclass(frozen=True, slots=True)
class Limits:
    """What a record may be."""

    max_record_bytes: int
    max_future: timedelta
    max_age: timedelta


@dataclass(slots=True)
class Triage:
    """The records of a batch by what becomes of them. Predictions are keyed by id: the first of a batch wins."""

    predictions: dict[str, tuple[Arrival, Record]] = field(default_factory=dict)
    duplicates: list[Record] = field(default_factory=list)
    labels: list[tuple[LabelArrival, Record]] = field(default_factory=list)
    deployments: list[tuple[Deployment, bytes, Record]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    def add(self, event: Event, record: Record) -> None:
        """Sort one event in.

        Raises:
            InvalidEvent: the same request_id came earlier in this batch with other content.
        """
        digest = content_hash(event)
        if isinstance(event, Label):
            self.labels.append((LabelArrival(event, digest, record.replay), record))
        elif isinstance(event, Deployment):
            self.deployments.append((event, digest, record))
        else:
            self._add_prediction(Arrival(event, digest, record.replay), record)

    def refuse(self, faults: Mapping[str, str]) -> None:
        """Take out the predictions of these ids: what they carry cannot be read."""
        for request_id, fault in faults.items():
            _, record = self.predictions.pop(request_id)
            self.rejected.append(Rejected(record, Rejection.INVALID, fault))

    def settle_known(self, new_ids: set[str], known: Mapping[str, bytes]) -> None:
        """Take out predictions whose id was stored before: the same content is a duplicate, other content refused."""
        for request_id in [one for one in self.predictions if one not in new_ids]:
            arrival, record = self.predictions.pop(request_id)
            if known[request_id] == arrival.content_hash:
                self.duplicates.append(record)
            else:
                self.rejected.append(Rejected(record, Rejection.CONTRADICTORY, _contradiction(request_id)))

    def _add_prediction(self, arrival: Arrival, record: Record) -> None:
        request_id = arrival.event.request_id
        first = self.predictions.get(request_id)
        if first is None:
            self.predictions[request_id] = (arrival, record)
        elif first[0].content_hash == arrival.content_hash:
            self.duplicates.append(record)
        else:
            raise InvalidEvent(Rejection.CONTRADICTORY, _contradiction(request_id))


def triage(records: Iterable[Record], decoders: Mapping[str, Decoder], limits: Limits, now: datetime) -> Triage:
    """Decode every record with its topic's decoder; whatever cannot be accepted is refused with its reason."""
    sorted_out = Triage()
    for record in records:
        try:
            event = _read(record, decoders[record.partition.topic], limits, now)
            sorted_out.add(event, record)
        except InvalidEvent as error:
            sorted_out.rejected.append(Rejected(record, error.reason, str(error)))
    return sorted_out


def _read(record: Record, decode: Decoder, limits: Limits, now: datetime) -> Event:
    if len(record.value) > limits.max_record_bytes:
        raise InvalidEvent(
            Rejection.OVERSIZED, f"{len(record.value)} bytes, {limits.max_record_bytes} are allowed (max_record_bytes)"
        )
    (event,) = decode(record)  # type: ignore[misc]
    check(event.ts, now, limits.max_future, limits.max_age, replay=record.replay is not None)
    return event


def _contradiction(request_id: str) -> str:
    return f"request_id {request_id!r} is known with other content; the first one stands"
