"""Which format a record has, told record by record: cheaply, and only where it is certain.

Native records come first and cost nothing more: they are decoded at once, and only what is none is looked at further.
A format asks for what only its own records have (headers, the first bytes, the names that its specification demands);
where none finds it, `marks` looks at the members.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from monitor.domain.events import Rejection
from monitor.domain.records import Record
from monitor.errors import InvalidEvent
from monitor.formats import kserve, native, oip, openai_chat, openinference, otlp, seldon, seldon2
from monitor.formats.decoder import Decoded, Decoder, Format
from monitor.formats.marks import format_of
from monitor.formats.options import FormatOptions

NATIVE_MARK: Final = b'"schema"'
_NAMED: Final = re.compile(rb'"schema"\s*:\s*"(?:prediction|label|deployment)/v')
RECOGNISED: Final[dict[str, tuple[Callable[[Record], bool], Format]]] = {
    "kserve": (kserve.recognises, kserve.decoder),
    "seldon": (seldon.recognises, seldon.decoder),
    "seldon2": (seldon2.recognises, seldon2.decoder),
    "otlp": (otlp.recognises, otlp.decoder),
    "openinference": (openinference.recognises, openinference.decoder),
    "openai_chat": (openai_chat.recognises, openai_chat.decoder),
    "oip": (oip.recognises, oip.decoder),
}
"""In this order: what headers and the topic's name say comes before what bodies look like."""
_ADVICE: Final = (
    f"no format recognises this record (looked for native, {', '.join(RECOGNISED)}): give the topic a `format`, or "
    "write a mapping file for it"
)


def decoder(options: FormatOptions) -> Decoder:
    """Hands the options on to whichever format a record has."""
    decoders = {name: (recognises, make(options)) for name, (recognises, make) in RECOGNISED.items()}

    def decode(record: Record) -> Sequence[Decoded]:
        if NATIVE_MARK in record.value:
            try:
                return (native.decode(record.value),)
            except InvalidEvent as error:
                if not _may_be_another(error, record):
                    raise
        for recognises, decode_as in decoders.values():
            if recognises(record):
                return decode_as(record)
        if (name := format_of(record.value)) is not None:
            return decoders[name][1](record)
        raise _unrecognised(record)

    return decode


def detected(record: Record) -> str | None:
    """The name of the record's format; None when nobody recognises it."""
    if NATIVE_MARK in record.value:
        try:
            native.decode(record.value)
        except InvalidEvent as error:
            if not _may_be_another(error, record):
                return "native"
        else:
            return "native"
    found = next((name for name, (recognises, _) in RECOGNISED.items() if recognises(record)), None)
    return found or format_of(record.value)


def _may_be_another(error: InvalidEvent, record: Record) -> bool:
    """Native records name their schema: what names another, or is no JSON and names none, may be of another format."""
    if error.reason is Rejection.UNREADABLE:
        return _NAMED.search(record.value) is None
    return error.reason is Rejection.UNKNOWN_SCHEMA


def _unrecognised(record: Record) -> InvalidEvent:
    if not record.value:
        return InvalidEvent(Rejection.UNREADABLE, "the record is empty")
    try:
        native.decode(record.value)
    except InvalidEvent as error:
        return InvalidEvent(error.reason, f"{_ADVICE}; as native: {error}")
    raise AssertionError("a native record without its mark")
