"""CloudEvents in Kafka records: binary mode, structured mode and batches.

Kafka Protocol Binding for CloudEvents 1.0.2, section 3, and JSON Event Format 1.0.2, sections 2 to 4
(https://github.com/cloudevents/spec). Attributes are record headers `ce_NAME`; HTTP's spelling `ce-NAME` is read too,
because bridges pass it on. The content type need not tell structured mode: the Python SDK writes that of the data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from monitor.domain.events import Rejection
from monitor.domain.records import Record
from monitor.errors import InvalidEvent
from monitor.formats.limits import refuse_nul, storable
from monitor.formats.payloads.values import bytes_of

STRUCTURED = "application/cloudevents"
BATCH = "application/cloudevents-batch"
_PREFIXES = ("ce_", "ce-")
_REMEMBERED, _SHORT = 1024, 64
"""So many names of so many characters at most."""
_OTHER = ":"
"""Before the names of headers that are no attributes; none of these has it."""
_CONTENT_TYPE = f"{_OTHER}content-type"


class CloudEvent(Struct, frozen=True):
    attributes: Mapping[str, bytes]
    """Context attributes and extensions by their (lower-case) name, without prefix, in UTF-8."""
    data: bytes
    """Its content type is not asked: it may be the request's."""

    def __getitem__(self, name: str) -> str:
        """Text of an attribute; empty if there is none.

        Raises:
            InvalidEvent: it has the NUL character.
        """
        content = self.attributes.get(name)
        return storable(content.decode("utf-8", "replace")) if content else ""

    @property
    def content_type(self) -> str:
        """What the sender calls the data, in lower case: of a response that may be the type of its request."""
        return (self["datacontenttype"] or self[_CONTENT_TYPE]).lower()


_read_members = msgspec.json.Decoder(dict[str, Raw]).decode
_read_value = msgspec.json.Decoder(Any).decode
_read_text = msgspec.json.Decoder(str).decode
_read_batch = msgspec.json.Decoder(list[Raw]).decode


def cloud_events(record: Record) -> Sequence[CloudEvent]:
    """The events of a record: one, or all of a batch.

    Raises:
        InvalidEvent: an event has no type, or structured mode is not the JSON that it should be.
    """
    attributes = {_attributes[name]: content for name, content in record.headers}
    if attributes.get("type"):
        return (CloudEvent(attributes, record.value),)
    kind = attributes.get(_CONTENT_TYPE, b"").decode("utf-8", "replace").lower()
    if not kind.startswith(STRUCTURED) and b'"specversion"' not in record.value:
        raise InvalidEvent(Rejection.INVALID, "ce_type: no CloudEvent, neither in the headers nor in the value")
    refuse_nul(record.value)
    try:
        parts = _read_batch(record.value) if kind.startswith(BATCH) else (record.value,)
        return [_structured(part) for part in parts]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(Rejection.UNREADABLE, f"no CloudEvent in JSON: {error}") from None


class _Attributes(dict[str, str]):
    """The attribute that a header of this name holds. The names of a topic's headers are few: they are remembered."""

    def __missing__(self, header: str) -> str:
        name = header.lower()
        attribute = name[3:] if name.startswith(_PREFIXES) else f"{_OTHER}{name}"
        if len(self) < _REMEMBERED and len(header) <= _SHORT:
            self[header] = attribute
        return attribute


_attributes = _Attributes()


def _structured(raw: bytes | Raw) -> CloudEvent:
    members = _read_members(raw)
    data = _data(members.pop("data", None), members.pop("data_base64", None))
    event = CloudEvent({name.lower(): _text(value) for name, value in members.items()}, data)
    if not event["type"]:
        raise InvalidEvent(Rejection.INVALID, "type: the CloudEvent has none")
    return event


def _text(raw: Raw) -> bytes:
    value: Any = _read_value(raw)
    return value.encode() if isinstance(value, str) else b"" if value is None else bytes(raw)


def _data(data: Raw | None, data_base64: Raw | None) -> bytes:
    """`data` as it stands, or the text or bytes that it wraps."""
    if data_base64 is None:
        content = bytes(data or b"")
        return _read_text(content).encode() if content.startswith(b'"') else content
    return bytes_of(_read_text(data_base64), "data_base64")
