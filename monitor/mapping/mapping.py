"""The mapping file: how a row of some log becomes a prediction and, where the row knows the outcome, a label."""

from __future__ import annotations

import hashlib
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
_REMEDIES = {
    "Expected `str`, got `int`": "{transform: string, of: ...} makes a text of it",
    "Expected `str`, got `float`": "{transform: string, of: ...} makes a text of it",
    "Expected `str`, got `bool`": "{transform: string, of: ...} makes a text of it",
    "Expected `float`, got `str`": "{transform: number, of: ...} makes a number of it",
    "Expected `int`, got `str`": "{transform: integer, of: ...} makes a whole number of it",
    "Expected `datetime`, got `int`": "{transform: epoch, of: ..., unit: ...} makes a time of a count since 1970",
    "Expected `datetime`, got `float`": "{transform: epoch, of: ..., unit: ...} makes a time of a count since 1970",
    "Expected `datetime` with a timezone component": "{transform: assume_utc, of: ...} reads it as UTC",
    "Expected `float` <= 1.0": "{transform: scale, of: ..., by: 0.01} makes a share of a percentage",
}
"""What the contract says of a value -> the transform that mends it, where there is one."""
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
    """Which rows are meant."""
    where_prediction: Expression | None
    """Which of those are predictions, where labels are rows of their own."""
    where_label: Expression | None
    digest: bytes
    """Changes with what the file says, not with its comments or layout."""

    @property
    def synthesis(self) -> Synthesis | None:
        """How event times are made; None where the log has its own."""
        ts = self.prediction["ts"] if self.prediction else None
        return ts.synthesize if isinstance(ts, Synthesized) else None

    def events(self, row: Row, times: RowTimes | None = None) -> list[Prediction | Label]:
        """The prediction of a row, then its label if the row knows the outcome; nothing where no `where` holds.

        Args:
            times: of the rows, where `synthesis` asks for them.

        Raises:
            RowFault: a value is missing or not what the contract asks for; the message names the field.
        """
        if not _holds(self.where, row, "where"):
            return []
        prediction = self._prediction(row, times)
        together = prediction if self.where_label is None else None
        return [one for one in (prediction, self._label(row, together)) if one is not None]

    def _prediction(self, row: Row, times: RowTimes | None) -> Prediction | None:
        if self.prediction is None or not _holds(self.where_prediction, row, "prediction.where"):
            return None
        fields = _values(self.prediction, row, "prediction")
        if isinstance(fields["ts"], Synthesized) and times is not None:
            fields["ts"] = times.at(row.number)
        return _event(fields, Prediction)

    def _label(self, row: Row, prediction: Prediction | None) -> Label | None:
        """The label of this row; with `prediction`, the one in the same row."""
        if self.label is None or not _holds(self.where_label, row, "label.where"):
            return None
        fields = _values(self.label, row, "label")
        if all(fields.get(word) in (None, []) for word in _WORDS):
            return None
        if prediction is not None:
            ts = fields["ts"]
            if isinstance(ts, AfterPrediction):
                fields["ts"] = prediction.ts + ts.after_prediction
            fields["request_id"] = prediction.request_id
        return _event(fields, Label)


def _holds(where: Expression | None, row: Row, name: str) -> bool:
    try:
        return where is None or where.value(row) not in (None, False)
    except RowFault as fault:
        raise RowFault(f"{name}: {fault}") from None


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
        where_prediction=checked.prediction and checked.prediction.where,
        where_label=checked.label and checked.label.where,
        digest=digest,
    )


def _mapped_fields(section: Section) -> dict[str, Any]:
    """Only the fields that the file maps, sections as plain dicts."""
    fields = ((name, one) for name, one in section if one is not None and name != "where")
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
        raise RowFault(f"{section}{_field_first(str(error))}") from None
    if len(raw) > MAX_EVENT_BYTES:
        raise RowFault(f"{section}: {len(raw)} bytes, {MAX_EVENT_BYTES} can be sent")
    return cast("Sent", event)


def _field_first(message: str) -> str:
    """What the contract says of a value, behind the name of the field; `$` is of the row's own paths."""
    said, _, field = message.removesuffix("`").partition(" - at `$")
    remedy = _REMEDIES.get(said.replace(" | null", ""))
    return f"{field}: {said}" + (f"; {remedy}" if remedy else "")


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
