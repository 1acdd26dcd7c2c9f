"""Personal data leaves what was read, after its content hash was taken and before anything of it is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from msgspec.structs import replace as changed

from monitor.domain.events import Rejection
from monitor.domain.kept_halves import KeptHalf, read_kept, written
from monitor.domain.records import OURS, Record
from monitor.errors import InvalidEvent
from monitor.privacy import Redactor, Subjects
from monitor.privacy.subject import NOBODY
from monitor.services.reading import OUR_FAULT, log_our_fault
from monitor.services.triage import Accepted, Triage
from monitor.store.dead_letters import Rejected
from monitor.store.halves import HalfArrival
from monitor.store.labels import LabelArrival
from monitor.store.predictions import Arrival

T = TypeVar("T")

NOT_REDACTED = f"{OUR_FAULT}: personal data could not be looked for"
MAX_KEPT = 16 * 1024 * 1024
"""Bytes of a dead letter. To look for personal data in more takes longer than Kafka waits for us."""
MAX_REMOVED = 10_000
"""Texts that are removed from a dead letter, each of which may be the id by which its person has it erased."""


@dataclass(frozen=True, slots=True)
class Privacy:
    """What is removed, and whose data a record is."""

    redactor: Redactor
    subjects: Subjects

    def arrival(self, arrival: Arrival) -> Arrival:
        """A prediction as it is stored."""
        event = self.redactor.prediction(arrival.event)
        subject = arrival.subject_hash or self.subjects.digest_of(arrival.event)
        if event is arrival.event and subject == arrival.subject_hash:
            return arrival
        return Arrival(event, arrival.content_hash, arrival.replay, subject)

    def label(self, arrival: LabelArrival) -> LabelArrival:
        """A label as it is stored."""
        event, subject = self.redactor.label(arrival.event), self.subjects.digest_of(arrival.event)
        if event is arrival.event and subject == NOBODY:
            return arrival
        return replace(arrival, event=event, subject_hash=subject)

    def half(self, arrival: HalfArrival) -> HalfArrival:
        """One side of a call as it waits for the other; whose it is has to be read before it is redacted."""
        half, subject = arrival.half, self.subject_of(arrival)
        fields = self.redactor.fields(half.fields)
        half = half if fields is half.fields else changed(half, fields=fields)
        return changed(arrival, half=half, subject_hash=subject)

    def subject_of(self, arrival: HalfArrival) -> bytes:
        """Whose data one side of a call is, by what that side says alone: so it does not matter whether it waited."""
        known = arrival.subject_hash
        return self.subjects.digest_of_fields(arrival.half.fields) if known is None else known

    def rejected(self, rejected: Rejected) -> Rejected:
        """A dead letter as it is kept; the digest of its bytes as they came tells it apart all the same."""
        try:
            kept = self._kept(rejected)
        except Exception as error:  # noqa: BLE001 (a text that trips the redactor must not stop its partition)
            log_our_fault("a dead letter could not be redacted, its bytes are not kept", rejected.record, error)
            kept = self._without_content(rejected, NOT_REDACTED)
        return replace(kept, digest=hashlib.sha256(rejected.record.value).digest())

    def _kept(self, rejected: Rejected) -> Rejected:
        record, detail = rejected.record, self.redactor.text(rejected.detail)
        if len(record.value) > MAX_KEPT:
            return self._without_content(rejected, f"{detail}; no content is kept of more than {MAX_KEPT} bytes")
        if self.redactor.drops_dead_letters:
            return self._without_content(rejected, detail)
        removed: set[str] = set()
        halves = _halves(record)
        kept = replace(
            record,
            value=self._redacted(record.value, halves, removed),
            key=record.key and self.redactor.attached(record.key, removed),
            headers=tuple(self._header(one, removed) for one in record.headers),
        )
        if len(removed) > MAX_REMOVED:
            return self._without_content(rejected, f"{detail}; no content is kept of more than {MAX_REMOVED} addresses")
        whose = {one.subject for one in halves if one.subject} or self.subjects.named_in(record.value)
        subjects = {*rejected.subjects, *whose, *map(self.subjects.digest, removed)}
        return Rejected(kept, rejected.reason, detail, subjects=tuple(sorted(subjects)))

    def _redacted(self, value: bytes, halves: Sequence[KeptHalf], removed: set[str]) -> bytes:
        """What the record says, or the sides of calls that it is."""
        if not halves:
            return self.redactor.dead_letter(value, removed)
        left = [changed(one, fields=self.redactor.refused_fields(one.fields, removed)) for one in halves]
        return written(left, like=value)

    def _without_content(self, rejected: Rejected, detail: str) -> Rejected:
        ours = tuple(one for one in rejected.record.headers if one[0] in OURS)
        return Rejected(replace(rejected.record, value=b"", key=None, headers=ours), rejected.reason, detail)

    def _header(self, header: tuple[str, bytes], removed: set[str]) -> tuple[str, bytes]:
        name, content = header
        return header if name in OURS else (name, self.redactor.attached(content, removed))


def _halves(record: Record) -> Sequence[KeptHalf]:
    """The sides of calls that it is; of one that says so and is none, nothing."""
    with suppress(InvalidEvent):
        return read_kept(record) if record.half is not None else ()
    return ()


def protect(sorted_out: Triage, privacy: Privacy) -> None:
    """Redact the events of a batch in place; one that trips the redactor becomes a dead letter.

    Halves that wait and dead letters are told apart only later.
    """
    for request_id, accepted in list(sorted_out.predictions.items()):
        arrival = _guarded(privacy.arrival, accepted.arrival, accepted, sorted_out)
        if arrival is None:
            del sorted_out.predictions[request_id]
        elif arrival is not accepted.arrival:
            sorted_out.predictions[request_id] = changed(accepted, arrival=arrival)
    labels = ((_guarded(privacy.label, one, record, sorted_out), record) for one, record in sorted_out.labels)
    sorted_out.labels = [(arrival, record) for arrival, record in labels if arrival is not None]
    deployments = (
        (_guarded(privacy.redactor.deployment, event, record, sorted_out), digest, record)
        for event, digest, record in sorted_out.deployments
    )
    sorted_out.deployments = [(event, digest, record) for event, digest, record in deployments if event is not None]


def _guarded(change: Callable[[T], T], value: T, source: Accepted | Record, sorted_out: Triage) -> T | None:
    """None when it could not be done: what came is then refused, and nothing of it stored."""
    try:
        return change(value)
    except Exception as error:  # noqa: BLE001 (a text that trips the redactor must not stop its partition)
        sources = source.sources if isinstance(source, Accepted) else (source,)
        log_our_fault("an event could not be redacted", sources[0], error)
        sorted_out.rejected.extend(Rejected(one, Rejection.UNREADABLE, NOT_REDACTED) for one in sources)
        return None
