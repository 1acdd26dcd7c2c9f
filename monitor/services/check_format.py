"""What would be made of these records: how often each field is found, and what fails and why. Stores nothing."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, get_args

import msgspec

from monitor.domain.events import SCHEMAS, Event, Prediction, Rejection, content_hash
from monitor.domain.halves import Half, Side, demand_call_id, join, prelude_of, with_prelude
from monitor.domain.records import Record
from monitor.domain.timeliness import check
from monitor.errors import InvalidEvent
from monitor.formats import Decoder
from monitor.services.found_fields import leaves, names, paths, short, size
from monitor.services.reading import Limits, read_record
from monitor.services.samples import Sample

EXAMPLES: Final = 3
"""Kept of each reason that records are refused for."""
PATHS: Final = 40
"""Into refused objects, at most."""
WITHOUT: Final = {
    "model.version": "releases cannot be told apart",
    "input.image.ref": "no image drift, unless image embeddings come along; no picture for labellers",
    "input.prompt": "no prompt drift; labellers do not see the question",
    "output.answer": "nothing to score",
    "output.confidence": "no calibration; uncertain answers are not labelled first",
    "latency_ms": "no latency SLI",
    "slices": "numbers cannot be broken down; option `slices` of the topic names what to take",
}
"""Field of a prediction -> what its absence costs."""
_PREDICTION, _LABEL, _DEPLOYMENT = SCHEMAS


@dataclass(frozen=True, slots=True)
class FieldCount:
    name: str
    found: int
    share: float
    """Of the events of its schema."""
    example: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: str
    count: int
    examples: list[tuple[str, str]]
    """(place, message) of the first ones with different messages."""


@dataclass(frozen=True, slots=True)
class Halves:
    requests: int
    responses: int
    met: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a sample holds. Counts are of records, but for `events` and `refused`, of which a record may hold many."""

    records: int
    passed_over: int
    """Records about something else."""
    detected: dict[str, int]
    """Format -> records; empty unless formats were told record by record."""
    events: dict[str, int]
    """Schema -> events, those made of two halves included."""
    duplicates: int
    halves: Halves
    fields: dict[str, list[FieldCount]]
    """Schema -> its fields; names under `slices` and `extra` as they come."""
    unpaired: dict[str, list[FieldCount]]
    """Side of halves whose other side is not in the sample -> what they say."""
    refused: list[Refusal]
    late: list[Refusal]
    """Events that can be read, but whose time collectors would refuse now."""
    missing: dict[str, str]
    """Field of predictions that is never found -> what that costs."""
    paths: list[FieldCount]
    """Into JSON objects that were refused or passed over: what a mapping could take. Shares are of those records."""

    @property
    def decoded(self) -> bool:
        """Was anything understood?"""
        return bool(sum(self.events.values()) or self.halves.requests or self.halves.responses)


def check_format(
    samples: Iterable[Sample],
    decode: Decoder,
    limits: Limits,
    now: datetime,
    *,
    detect: Callable[[Record], str | None] | None = None,
    show_values: bool = True,
) -> Report:
    """Decode every sample and count.

    Args:
        detect: tells the format of a record, where `decode` does.
        show_values: False: examples tell only type and size.
    """
    tally = _Tally(limits, now, show_values)
    for sample in samples:
        tally.records += 1
        if detect is not None:
            tally.detected[detect(sample.record) or "none"] += 1
        tally.read(sample, decode)
    return tally.report()


@dataclass(slots=True)
class _Tally:
    limits: Limits
    now: datetime
    show_values: bool
    records: int = 0
    passed_over: int = 0
    duplicates: int = 0
    met: int = 0
    detected: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    sides: Counter[str] = field(default_factory=Counter)
    objects: int = 0
    paths: dict[str, list[Any]] = field(default_factory=dict)
    """Path -> [count, example]."""
    waiting: dict[str, Half] = field(default_factory=dict)
    hashes: dict[str, bytes] = field(default_factory=dict)
    found: dict[str, dict[str, list[Any]]] = field(
        default_factory=lambda: {_PREDICTION: {}, _LABEL: {}, _DEPLOYMENT: {}}
    )
    """Schema -> field -> [count, example]."""
    refused: dict[str, Refusal] = field(default_factory=dict)
    late: dict[str, Refusal] = field(default_factory=dict)

    def read(self, sample: Sample, decode: Decoder) -> None:
        place, record = sample
        try:
            parts = read_record(record, decode, self.limits)
        except InvalidEvent as error:
            self._refuse(place, error)
            if error.reason != Rejection.OVERSIZED:  # that is not for a mapping to mend
                self._note_paths(record.value)
            return
        if not parts:
            self.passed_over += 1
            self._note_paths(record.value)
        for part in parts:
            if isinstance(part, InvalidEvent):
                self._refuse(place, part)
            elif isinstance(part, Half):
                self._pair(place, part)
            else:
                self._count(place, part)

    def report(self) -> Report:
        counts = {schema: self._fields(schema) for schema in SCHEMAS if self.events[schema]}
        never = {one.name for one in counts.get(_PREDICTION, ()) if not one.found}
        if _PREDICTION in counts and not any(one.name.startswith("slices.") for one in counts[_PREDICTION]):
            never.add("slices")
        return Report(
            records=self.records,
            passed_over=self.passed_over,
            detected=dict(self.detected.most_common()),
            events={schema: self.events[schema] for schema in SCHEMAS},
            duplicates=self.duplicates,
            halves=Halves(self.sides["request"], self.sides["response"], self.met),
            fields=counts,
            unpaired={side: fields for side in get_args(Side) if (fields := self._unpaired(side))},
            refused=sorted(self.refused.values(), key=lambda one: -one.count),
            late=sorted(self.late.values(), key=lambda one: -one.count),
            missing={name: cost for name, cost in WITHOUT.items() if name in never},
            paths=[
                FieldCount(name, count, count / self.objects, example) for name, (count, example) in self.paths.items()
            ],
        )

    def _refuse(self, place: str, error: InvalidEvent) -> None:
        _add(self.refused, error.reason, place, str(error))

    def _pair(self, place: str, half: Half) -> None:
        try:
            demand_call_id(half)
        except InvalidEvent as error:
            self._refuse(place, error)
            return
        self.sides[half.side] += 1
        if half.side == "prelude":
            self._introduce(half)
            return
        other = self.waiting.get(half.pair_id)
        if other is None or other.side == half.side:
            self.waiting[half.pair_id] = half
            return
        del self.waiting[half.pair_id]
        try:
            request, response = (half, other) if half.side == "request" else (other, half)
            said = self.waiting.pop(prelude_of(half.call), None)
            whole = join(request, response if said is None else with_prelude(response, said))
        except InvalidEvent as error:
            self._refuse(place, error)
        else:
            self.met += 1
            self._count(place, whole)

    def _introduce(self, prelude: Half) -> None:
        """Let it wait for the sides of its call to meet."""
        said = self.waiting.get(prelude.pair_id)
        self.waiting[prelude.pair_id] = prelude if said is None else with_prelude(prelude, said)

    def _count(self, place: str, event: Event) -> None:
        if isinstance(event, Prediction) and self._is_known(place, event):
            return
        try:
            check(event.ts, self.now, self.limits.max_future, self.limits.max_age, replay=False)
        except InvalidEvent as error:
            _add(self.late, error.reason, place, str(error))
        plain = msgspec.to_builtins(event, builtin_types=(bytes,))
        schema = plain.pop("schema")
        self.events[schema] += 1
        for name, value in leaves(plain, ""):
            self.found[schema].setdefault(name, [0, self._shown(value)])[0] += 1

    def _is_known(self, place: str, event: Prediction) -> bool:
        digest = content_hash(event)
        known = self.hashes.setdefault(event.request_id, digest)
        if known is digest:
            return False
        self.duplicates += known == digest
        if known != digest:
            message = f"request_id {event.request_id!r} came before with other content; the first one stands"
            _add(self.refused, Rejection.CONTRADICTORY, place, message)
        return True

    def _fields(self, schema: str) -> list[FieldCount]:
        """Those of the contract in its order, found or not, and those found under free names."""
        found, events = self.found[schema], self.events[schema]
        contract = [name for name in names(SCHEMAS[schema], "") if name not in ("slices", "extra")]
        return [
            FieldCount(name, count, count / events, example)
            for name in [*contract, *sorted(found.keys() - set(contract))]
            for count, example in [found.get(name, (0, None))]
        ]

    def _unpaired(self, side: Side) -> list[FieldCount]:
        halves = [one for one in self.waiting.values() if one.side == side]
        found: dict[str, list[Any]] = {}
        for half in halves:
            for name, value in leaves(half.fields, ""):
                found.setdefault(name, [0, self._shown(value)])[0] += 1
        return [FieldCount(name, count, count / len(halves), example) for name, (count, example) in found.items()]

    def _note_paths(self, raw: bytes) -> None:
        try:
            content = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if not isinstance(content, dict):
            return
        self.objects += 1
        for path, value in itertools.islice(paths(content), PATHS):
            if path in self.paths or len(self.paths) < PATHS:
                self.paths.setdefault(path, [0, self._shown(value)])[0] += 1

    def _shown(self, value: Any) -> str:
        return short(value) if self.show_values else size(value)


def _add(table: dict[str, Refusal], reason: str, place: str, message: str) -> None:
    known = table.get(reason) or Refusal(reason, 0, [])
    examples = known.examples
    if len(examples) < EXAMPLES and message not in (text for _, text in examples):
        examples.append((place, message))
    table[reason] = Refusal(reason, known.count + 1, examples)
