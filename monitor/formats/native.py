"""The native format: one JSON object per record, as `monitor.domain.events` types it."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final, get_args, get_type_hints

import msgspec
from msgspec import Struct

from monitor.domain.events import SCHEMAS, Event, Extra, Rejection
from monitor.domain.records import Record
from monitor.domain.storable import MAX_DEPTH
from monitor.errors import InvalidEvent
from monitor.formats.decoder import Decoder
from monitor.formats.limits import demand_shallow, refuse_nul
from monitor.formats.options import FormatOptions

OWN_DEPTH = 8
"""Levels of the contract itself, at most."""
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_HINTS: Final = (
    (
        re.compile(rb"[:,\[]\s*-?(?:NaN|Infinity)\b"),
        "JSON has no NaN and no Infinity: leave the field out, or write null",
    ),
    (re.compile(rb"\\u[dD][89a-fA-F]"), "a \\ud800 to \\udfff must be a whole surrogate pair"),
)
"""What parsers call malformed without saying why."""


def decoder(options: FormatOptions) -> Decoder:
    """The native format says everything itself: no option changes anything."""
    del options
    return _one_event


def _one_event(record: Record) -> tuple[Event]:
    return (decode(record.value),)


def decode(raw: bytes) -> Event:
    """Read one native record.

    Raises:
        InvalidEvent: with the `Rejection` that applies and a message naming the field.
    """
    refuse_nul(raw)
    try:
        event = _decoder.decode(raw)
    except msgspec.ValidationError:
        event = _decode_with_extra(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(raw, error) from None
    demand_shallow(event.extra)
    return event


def _decode_with_extra(raw: bytes) -> Event:
    """The slow path: move what the contract does not know into `extra`, keyed by its dotted path."""
    record = _parse(raw)
    schema = _schema_of(record)
    demand_shallow(record, MAX_DEPTH + OWN_DEPTH)
    extra: Extra = {}
    known = _keep_known(record, SCHEMAS[schema], "", extra)
    known["schema"] = schema
    given = known.get("extra")
    if extra and isinstance(given, dict | None):
        known["extra"] = {**(given or {}), **extra}
    try:
        event: Event = msgspec.convert(known, Event, strict=True)
    except msgspec.ValidationError as error:
        raise InvalidEvent(Rejection.INVALID, f"{schema}: {error}") from None
    return event


def _schema_of(record: Any) -> str:
    """Tell an unknown schema from a bad field: the first is a question of versions, the second of the producer."""
    if not isinstance(record, dict):
        raise InvalidEvent(Rejection.UNREADABLE, f"a JSON object was expected, not {type(record).__name__}")
    schema = record.get("schema")
    if not isinstance(schema, str) or schema not in SCHEMAS:
        said = "it has no `schema`" if schema is None else f"schema is {schema!r}"
        raise InvalidEvent(Rejection.UNKNOWN_SCHEMA, f"{said}; this version reads {', '.join(SCHEMAS)}")
    return schema


def _keep_known(value: dict[str, Any], kind: type[Struct], path: str, extra: Extra) -> dict[str, Any]:
    kinds = _fields(kind)
    known: dict[str, Any] = {}
    for key, item in value.items():
        if key in kinds:
            known[key] = _descend(item, kinds[key], f"{path}{key}", extra)
        elif path or key != "schema":
            extra[f"{path}{key}"] = item
    return known


def _descend(item: Any, kind: type[Struct] | None, path: str, extra: Extra) -> Any:
    if kind is None:
        return item
    if isinstance(item, dict):
        return _keep_known(item, kind, f"{path}.", extra)
    if isinstance(item, list):
        return [_descend(one, kind, f"{path}[{index}]", extra) for index, one in enumerate(item)]
    return item


@cache
def _fields(kind: type[Struct]) -> dict[str, type[Struct] | None]:
    """Wire name of each field -> the struct that it holds (directly, optionally or in a tuple), or None."""
    hints = get_type_hints(kind)
    return {info.encode_name: _struct_in(hints[info.name]) for info in msgspec.structs.fields(kind)}


def _struct_in(hint: Any) -> type[Struct] | None:
    if isinstance(hint, type) and issubclass(hint, Struct):
        return hint
    return next((found for arg in get_args(hint) if (found := _struct_in(arg)) is not None), None)


def _parse(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(raw, error) from None


def _unreadable(raw: bytes, error: Exception) -> InvalidEvent:
    hints = "".join(f"; {hint}" for found, hint in _HINTS if found.search(raw))
    return InvalidEvent(Rejection.UNREADABLE, f"not a JSON record: {error}{hints}")
