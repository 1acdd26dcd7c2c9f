"""OTLP as Protocol Buffers: the default encoding of the OpenTelemetry Collector's Kafka exporter (`otlp_proto`).

A record is a TracesData or LogsData message (the same bytes as an Export...ServiceRequest). Nothing in it tells which:
both nest resources, scopes and leaves under the same field numbers, so the first leaf decides by what its fields are.
https://github.com/open-telemetry/opentelemetry-proto (trace.proto, logs.proto), versions 1.x.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, Literal

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status, TracesData

from monitor.domain.events import Rejection
from monitor.domain.varints import varint
from monitor.errors import InvalidEvent
from monitor.formats.spans import (
    EVENT_NAME,
    MAX_NESTING,
    Attributes,
    LogEvent,
    Said,
    Span,
    SpanEvent,
    concerns_a_model,
    text_of_bytes,
    too_deep,
)

Signal = Literal["traces", "logs"]
TRACE_ID_BYTES, SPAN_ID_BYTES = 16, 8
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""Wire types of https://protobuf.dev/programming-guides/encoding."""
_LOOKED_AT: Final = 64
"""Fields of one message, at most: whoever looks for more is not looking at OTLP."""
_NESTED: Final = 4
"""Resources, and scopes of each, in which a leaf is looked for: the first may be empty."""


def signal(value: bytes) -> Signal | None:
    """Does this look like OTLP traces or logs with anything in them? Costs some microseconds, whatever the size."""
    try:
        leaf = next(_nested(memoryview(value), 1, 2, 2))  # resource, scope, span or log record
        fields = {field: (wire, len(content)) for field, wire, content in _fields(leaf)}
    except (StopIteration, ValueError, IndexError):
        return None
    if fields.get(1) == (_BYTES, TRACE_ID_BYTES) and fields.get(2) == (_BYTES, SPAN_ID_BYTES):
        return "traces"
    if fields.get(1, (_FIXED64,))[0] == _FIXED64 and fields.get(11, (_FIXED64,))[0] == _FIXED64:
        return "logs" if {1, 11} & fields.keys() else None  # one of its two times
    return None


def read(value: bytes) -> Iterator[Said]:
    """Spans and log events that may concern a model, in order.

    Raises:
        InvalidEvent: the record is no OTLP message, or is cut off.
    """
    try:
        if signal(value) == "logs":
            yield from _logs(LogsData.FromString(value))
        else:
            yield from _traces(TracesData.FromString(value))
    except DecodeError as error:
        raise InvalidEvent(Rejection.UNREADABLE, f"not OTLP in Protocol Buffers: {error}") from None


def _traces(data: TracesData) -> Iterator[Said]:
    if not data.resource_spans:
        raise InvalidEvent(Rejection.UNREADABLE, "not OTLP in Protocol Buffers: no resource in it")
    for group in data.resource_spans:
        if any(scope.spans for scope in group.scope_spans):
            spans = (span for scope in group.scope_spans for span in scope.spans)
            yield from _each(group.resource.attributes, spans, _span)


def _logs(data: LogsData) -> Iterator[Said]:
    for group in data.resource_logs:
        if any(scope.log_records for scope in group.scope_logs):
            records = (record for scope in group.scope_logs for record in scope.log_records)
            yield from _each(group.resource.attributes, records, _log)


def _each(pairs: Any, messages: Iterable[Any], read_one: Callable[[Any, Attributes], Said | None]) -> Iterator[Said]:
    """What each of these says; all of them share the resource's attributes, which are read once."""
    try:
        resource = _attributes(pairs)
    except InvalidEvent as error:
        yield error
        return
    for message in messages:
        try:
            said = read_one(message, resource)
        except InvalidEvent as error:
            yield error
        else:
            if said is not None:
                yield said


def _span(span: SpanMessage, resource: Attributes) -> Span | None:
    if len(span.trace_id) != TRACE_ID_BYTES or len(span.span_id) != SPAN_ID_BYTES:
        return None  # OpenTelemetry has receivers drop these; metrics read as spans look like it, too
    if not concerns_a_model([*(one.key for one in span.attributes), *(one.name for one in span.events)]):
        return None
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        resource=resource,
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        message=span.status.message,
        events=tuple(SpanEvent(one.name, one.time_unix_nano, _attributes(one.attributes)) for one in span.events),
    )


def _log(record: LogRecord, resource: Attributes) -> LogEvent | None:
    named = (one.value.string_value for one in record.attributes if one.key == EVENT_NAME)
    name = record.event_name or next(named, "")
    if not concerns_a_model([name, *(one.key for one in record.attributes)]):
        return None
    attributes = _attributes(record.attributes)
    return LogEvent(
        name=name,
        time_ns=record.time_unix_nano or record.observed_time_unix_nano,
        trace_id=record.trace_id.hex(),
        span_id=record.span_id.hex(),
        attributes=attributes,
        resource=resource,
        body=_plain(record.body, MAX_NESTING),
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {one.key: _plain(one.value, MAX_NESTING) for one in pairs}


def _plain(value: AnyValue, levels: int) -> Any:
    if not levels:
        raise too_deep()
    match value.WhichOneof("value"):
        case "array_value":
            return [_plain(one, levels - 1) for one in value.array_value.values]
        case "kvlist_value":
            return {one.key: _plain(one.value, levels - 1) for one in value.kvlist_value.values}
        case "bytes_value":
            return text_of_bytes(value.bytes_value)
        case None:
            return None
        case kind:
            return getattr(value, kind)


def _nested(message: memoryview, *numbers: int) -> Iterator[memoryview]:
    """Messages within messages, by the numbers of the fields that hold them; the first ones of each.

    Raises:
        ValueError, IndexError: these bytes are no message.
    """
    if not numbers:
        yield message
        return
    found = (content for field, wire, content in _fields(message) if (field, wire) == (numbers[0], _BYTES))
    for content in islice(found, _NESTED):
        yield from _nested(content, *numbers[1:])


def _fields(message: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """(number, wire type, content) of the first fields of a message; content is empty unless the type is bytes.

    Raises:
        ValueError, IndexError: these bytes are no message.
    """
    place = 0
    for _ in range(_LOOKED_AT):
        if place >= len(message):
            return
        tag, place = varint(message, place)
        number, wire = tag >> 3, tag & 7
        size = 0
        match wire:
            case 0:
                _, place = varint(message, place)
            case 1 | 5:
                place += 8 if wire == _FIXED64 else 4
            case 2:
                size, place = varint(message, place)
            case _:
                raise ValueError(wire)
        if not number or place + size > len(message):
            raise ValueError(place)
        yield number, wire, message[place : place + size]
        place += size
