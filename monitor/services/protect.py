"""Personal data leaves what was read, after its content hash was taken and before anything of it is stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from monitor.domain.records import DEAD_LETTER_HEADER, REPLAY_HEADER
from monitor.privacy import Redactor, Subjects
from monitor.privacy.subject import NOBODY
from monitor.services.triage import Triage
from monitor.store.dead_letters import Rejected
from monitor.store.halves import HalfArrival
from monitor.store.labels import LabelArrival
from monitor.store.predictions import Arrival

OURS = (REPLAY_HEADER, DEAD_LETTER_HEADER)
"""Headers that hold a number or a name of ours, never a person's data."""


@dataclass(frozen=True, slots=True)
class Privacy:
    """What is removed, and whose data a record is."""

    redactor: Redactor
    subjects: Subjects

    def arrival(self, arrival: Arrival) -> Arrival:
        """A prediction as it is stored."""
        event, subject = self.redactor.prediction(arrival.event), self.subjects.digest_of(arrival.event)
        if event is arrival.event and subject == NOBODY:
            return arrival
        return replace(arrival, event=event, subject_hash=subject)

    def label(self, arrival: LabelArrival) -> LabelArrival:
        """A label as it is stored."""
        event, subject = self.redactor.label(arrival.event), self.subjects.digest_of(arrival.event)
        if event is arrival.event and subject == NOBODY:
            return arrival
        return replace(arrival, event=event, subject_hash=subject)

    def half(self, arrival: HalfArrival) -> HalfArrival:
        """One side of a call as it waits for the other."""
        half = arrival.half
        return replace(arrival, half=replace(half, fields=self.redactor.fields(half.fields)))

    def rejected(self, rejected: Rejected) -> Rejected:
        """A dead letter as it is kept; the digest of its bytes as they came tells it apart all the same."""
        raw = rejected.record.value
        kept, detail = self.redactor.dead_letter(raw), self.redactor.text(rejected.detail)
        record = replace(rejected.record, value=kept)
        if self.redactor.drops_dead_letters:
            ours = tuple(one for one in record.headers if one[0] in OURS)
            record = replace(record, key=None, headers=ours)
        else:
            key = record.key and self.redactor.attached(record.key)
            record = replace(record, key=key, headers=tuple(map(self._header, record.headers)))
        digest = None if kept is raw else hashlib.sha256(raw).digest()
        return Rejected(record, rejected.reason, detail, digest)

    def _header(self, header: tuple[str, bytes]) -> tuple[str, bytes]:
        name, content = header
        return header if name in OURS else (name, self.redactor.attached(content))


def protect(sorted_out: Triage, privacy: Privacy) -> None:
    """Redact the events of a batch in place. Halves that wait and dead letters are told apart only later."""
    for request_id, accepted in sorted_out.predictions.items():
        arrival = privacy.arrival(accepted.arrival)
        if arrival is not accepted.arrival:
            sorted_out.predictions[request_id] = accepted._replace(arrival=arrival)
    sorted_out.labels = [(privacy.label(arrival), record) for arrival, record in sorted_out.labels]
    sorted_out.deployments = [
        (privacy.redactor.deployment(event), digest, record) for event, digest, record in sorted_out.deployments
    ]
