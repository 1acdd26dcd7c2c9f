"""The mapping file: how a row of some log becomes a prediction and, where the row knows the outcome, a label."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
from pydantic import ValidationError

from monitor.domain.events import Event, Label, Prediction, content_hash, encode
from monitor.errors import SettingsError
from monitor.mapping.expressions import Expression, RowFault
from monitor.mapping.row import Row
from monitor.mapping.sections import AfterPrediction, Document, Section, Synthesized
from monitor.mapping.times import RowTimes, Synthesis
from monitor.slo.documents import read_documents

MAX_EVENT_BYTES = 8 * 1024 * 1024
"""Of one encoded event; brokers refuse far smaller ones by default, and collectors larger than `max_record_bytes`."""
_WORDS = ("verdict", "answers", "rating", "safety_violation", "correction")
"""A label that says none of these says nothing, and is not sent."""
_NO_TEXT = ("Expected `str`, got `int`", "Expected `str`, got `float`", "Expected `str`, got `bool`")
_SPECIAL_TIMES = (Synthesized, AfterPrediction)
Sent = TypeVar("Sent", Prediction, Label)
_read_back: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


@dataclass(frozen=True, slots=True)
class Mapped:
    """An event as it will be sent."""

    request_id: str
    ts: datetime
    is_label: bool
    raw: bytes
    content_hash: bytes
    """As the collector will compute it."""

    @classmethod
    def of(cls, event: Prediction | Label) -> Mapped:
        return cls(event.request_id, event.ts, isinstance(event, Label), encode(event), content_hash(event))


@dataclass(frozen=True, slots=True)
class Mapping:
    """A checked mapping file: expressions by field, nested as the contract is."""

    prediction: dict[str, Any] | None
    label: dict[str, Any] | None
    where: Expression | None
    digest: bytes
    """Changes with what the file says, not with its comments or layout."""

    @property
    def synthesis(self) -> Synthesis | None:
        """How event times are made; None where the log has its own."""
        ts = self.prediction["ts"] if self.prediction else None
        return ts.synthesize if isinstance(ts, Synthesized) else None

    def events(self, row: Row, times: RowTimes | None = None) -> list[Prediction | Label]:
        """The prediction of a row, then its label if the row knows the outcome; nothing where `where` does not hold.

        Args:
            times: of the rows, where `synthesis` asks for them.

        Raises:
            RowFault: a value is missing or not what the contract asks for; the message names the field.
        """
        if self.where is not None and not self._is_meant(self.where, row):
            return []
        if self.prediction is None:
            return list(self._label(row, None))
        fields = _values(self.prediction, row, "prediction")
        if isinstance(fields["ts"], Synthesized) and times is not None:
            fields["ts"] = times.at(row.number)
        prediction: Prediction = _event(fields, Prediction)
        return [prediction, *self._label(row, prediction)]

    def _is_meant(self, where: Expression, row: Row) -> bool:
        try:
            return where.value(row) not in (None, False)
        except RowFault as fault:
            raise RowFault(f"where: {fault}") from None

    def _label(self, row: Row, prediction: Prediction | None) -> Iterator[Label]:
        if self.label is None:
            return
        fields = _values(self.label, row, "label")
        if all(fields.get(word) in (None, []) for word in _WORDS):
            return
        if prediction is not None:
            ts = fields["ts"]
            if isinstance(ts, AfterPrediction):
                fields["ts"] = prediction.ts + ts.after_prediction
            fields["request_id"] = prediction.request_id
        yield _event(fields, Label)


def load_mapping(path: Path) -> Mapping:
    """Read and check a mapping file.

    Raises:
        SettingsError: with every fault, where it stands and how to mend it.
    """
    faults: list[str] = []
    try:
        documents = read_documents(path.name, path.read_bytes(), faults)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    if faults:
        raise SettingsError(faults)
    if len(documents) != 1 or not isinstance(documents[0].content, dict):
        raise SettingsError(f"{path.name}: one YAML document with the sections prediction and label is needed")
    content = _floats(documents[0].content)
    try:
        checked: Any = Document.model_validate(content)
    except ValidationError as error:
        raise SettingsError([f"{path.name}: {_fault(one)}" for one in error.errors()]) from None
    digest = hashlib.sha256(repr(content).encode()).digest()
    return Mapping(
        prediction=checked.prediction and _mapped_fields(checked.prediction),
        label=checked.label and _mapped_fields(checked.label),
        where=checked.where,
        digest=digest,
    )


def _mapped_fields(section: Section) -> dict[str, Any]:
    """Only the fields that the file maps, sections as plain dicts."""
    fields = ((name, one) for name, one in section if one is not None)
    return {name: _mapped_fields(one) if _is_plain(one) else one for name, one in fields}


def _is_plain(node: Any) -> bool:
    return isinstance(node, Section) and not isinstance(node, _SPECIAL_TIMES)


def _values(fields: dict[str, Any], row: Row, where: str) -> dict[str, Any]:
    """The fields' values for this row; null ones are left out, special times stay as they are."""
    values: dict[str, Any] = {}
    for name, one in fields.items():
        if isinstance(one, dict):
            values[name] = _values(one, row, f"{where}.{name}")
        elif isinstance(one, _SPECIAL_TIMES):
            values[name] = one
        else:
            try:
                value = one.value(row)
            except RowFault as fault:
                raise RowFault(f"{where}.{name}: {fault}") from None
            if value is not None:
                values[name] = value
    return values


def _event(fields: dict[str, Any], kind: type[Sent]) -> Sent:
    """Build the event as the contract types it, and read it back: so it is the same whether it is sent first or not."""
    section = kind.__name__.lower()
    try:
        raw = encode(msgspec.convert(fields, kind))
        event: Any = _read_back.decode(raw)
    except (msgspec.ValidationError, ValueError, TypeError, RecursionError) as error:
        hint = "; {transform: string, of: ...} makes a text of it" if str(error).startswith(_NO_TEXT) else ""
        raise RowFault(f"{section}: {error}{hint}") from None
    if len(raw) > MAX_EVENT_BYTES:
        raise RowFault(f"{section}: {len(raw)} bytes, {MAX_EVENT_BYTES} can be sent")
    return cast("Sent", event)


def _floats(node: Any) -> Any:
    """The document with plain floats: its reader keeps decimal numbers exact, events hold floats."""
    match node:
        case Decimal():
            return float(node)
        case list():
            return [_floats(one) for one in node]
        case dict():
            return {str(name): _floats(one) for name, one in node.items()}
    return node


def _fault(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "the file"
    match error["type"]:
        case "extra_forbidden":
            return f"{where}: no such field; docs/events.md lists those of predictions and labels"
        case "missing":
            return f"{where}: missing, and every event needs it"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"
