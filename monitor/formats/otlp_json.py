"""OTLP as JSON (`otlp_json`): lowerCamelCase names, ids in hexadecimal, 64-bit integers as text or numbers.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. Unknown names are passed over, as it asks.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Raw, Struct

from monitor.domain.events import Rejection
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
    too_deep,
)

TRACE_ID_DIGITS, SPAN_ID_DIGITS = 32, 16
STATUS_ERROR = (2, "STATUS_CODE_ERROR")
_KEYS = (b'"resourceSpans"', b'"resourceLogs"')
_KEY_AMONG_BYTES = 256
"""The collector writes nothing before it."""
Integer = int | str | None


class _Camel(Struct, rename="camel", frozen=True):
    """A message of OTLP."""


class _KeyValue(_Camel, frozen=True):
    key: str
    value: dict[str, Any] | None = None


class _Event(_Camel, frozen=True):
    name: str = ""
    time_unix_nano: Integer = None
    attributes: list[_KeyValue] = []


class _Status(_Camel, frozen=True):
    code: int | str = 0
    message: str = ""


class _Span(_Camel, frozen=True):
    trace_id: str = ""
    span_id: str = ""
    start_time_unix_nano: Integer = None
    end_time_unix_nano: Integer = None
    attributes: list[_KeyValue] = []
    events: list[_Event] = []
    status: _Status = _Status()


class _LogRecord(_Camel, frozen=True):
    time_unix_nano: Integer = None
    observed_time_unix_nano: Integer = None
    event_name: str = ""
    trace_id: str = ""
    span_id: str = ""
    attributes: list[_KeyValue] = []
    body: dict[str, Any] | None = None


class _Resource(_Camel, frozen=True):
    attributes: list[_KeyValue] = []


class _ScopeSpans(_Camel, frozen=True):
    spans: list[Raw] = []


class _ScopeLogs(_Camel, frozen=True):
    log_records: list[Raw] = []


class _ResourceSpans(_Camel, frozen=True):
    resource: _Resource = _Resource()
    scope_spans: list[_ScopeSpans] = []


class _ResourceLogs(_Camel, frozen=True):
    resource: _Resource = _Resource()
    scope_logs: list[_ScopeLogs] = []


class _Data(_Camel, frozen=True):
    """TracesData or LogsData; spans and log records stay raw, so that each fails alone."""

    resource_spans: list[_ResourceSpans] = []
    resource_logs: list[_ResourceLogs] = []


_data = msgspec.json.Decoder(_Data)
_span_decoder = msgspec.json.Decoder(_Span)
_log_decoder = msgspec.json.Decoder(_LogRecord)


def recognised(value: bytes) -> bool:
    """Does this look like OTLP traces or logs in JSON?"""
    start = value[:_KEY_AMONG_BYTES].lstrip()
    return start.startswith(b"{") and any(key in start for key in _KEYS)


def read(value: bytes) -> Iterator[Said]:
    """Spans and log events that may concern a model, in order.

    Raises:
        InvalidEvent: the record is no OTLP in JSON.
    """
    try:
        data = _data.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(Rejection.UNREADABLE, f"not OTLP in JSON: {error}") from None
    for group in data.resource_spans:
        yield from _each(group.resource, (raw for scope in group.scope_spans for raw in scope.spans), _span)
    for logs in data.resource_logs:
        yield from _each(logs.resource, (raw for scope in logs.scope_logs for raw in scope.log_records), _log)


def _each(
    resource: _Resource, raws: Iterable[Raw], read_one: Callable[[Raw, Attributes], Said | None]
) -> Iterator[Said]:
    """What each of these says; all of them share the resource, which is read once."""
    try:
        shared = _attributes(resource.attributes)
    except InvalidEvent as error:
        yield error
        return
    for raw in raws:
        try:
            said = read_one(raw, shared)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield InvalidEvent(Rejection.INVALID, f"a span or log record of the record: {error}")
        except InvalidEvent as error:
            yield error
        else:
            if said is not None:
                yield said


def _span(raw: Raw, resource: Attributes) -> Span | None:
    span = _span_decoder.decode(raw)
    if not concerns_a_model([*(one.key for one in span.attributes), *(one.name for one in span.events)]):
        return None
    return Span(
        trace_id=_id(span.trace_id, TRACE_ID_DIGITS, "traceId"),
        span_id=_id(span.span_id, SPAN_ID_DIGITS, "spanId"),
        start_ns=_integer(span.start_time_unix_nano, "startTimeUnixNano"),
        end_ns=_integer(span.end_time_unix_nano, "endTimeUnixNano"),
        attributes=_attributes(span.attributes),
        resource=resource,
        failed=span.status.code in STATUS_ERROR,
        message=span.status.message,
        events=tuple(
            SpanEvent(one.name, _integer(one.time_unix_nano, "timeUnixNano"), _attributes(one.attributes))
            for one in span.events
        ),
    )


def _log(raw: Raw, resource: Attributes) -> LogEvent | None:
    record = _log_decoder.decode(raw)
    named = record.event_name or next((one.value for one in record.attributes if one.key == EVENT_NAME), None)
    name = named if isinstance(named, str) else str(_scalar(named) or "")
    if not concerns_a_model([name, *(one.key for one in record.attributes)]):
        return None
    attributes = _attributes(record.attributes)
    return LogEvent(
        name=name,
        time_ns=_integer(record.time_unix_nano, "timeUnixNano")
        or _integer(record.observed_time_unix_nano, "observedTimeUnixNano"),
        trace_id=_id(record.trace_id, TRACE_ID_DIGITS, "traceId"),
        span_id=_id(record.span_id, SPAN_ID_DIGITS, "spanId"),
        attributes=attributes,
        resource=resource,
        body=_plain(record.body, MAX_NESTING),
    )


def _attributes(pairs: list[_KeyValue]) -> Attributes:
    return {one.key: _plain(one.value, MAX_NESTING) for one in pairs}


def _plain(value: Any, levels: int) -> Any:
    match value:
        case {"arrayValue": _} | {"kvlistValue": _} if not levels:
            raise too_deep()
        case {"arrayValue": {"values": list(values)}}:
            return [_plain(one, levels - 1) for one in values]
        case {"kvlistValue": {"values": list(values)}}:
            pairs = (one for one in values if isinstance(one, dict))
            return {str(one.get("key")): _plain(one.get("value"), levels - 1) for one in pairs}
        case {"arrayValue": {}}:  # empty lists are left out
            return []
        case {"kvlistValue": {}}:
            return {}
    return _scalar(value)


def _scalar(value: Any) -> Any:
    match value:
        case {"stringValue": str(content)} | {"bytesValue": str(content)}:
            return content
        case {"boolValue": bool(content)}:
            return content
        case {"intValue": content}:
            return _integer(content, "intValue")
        case {"doubleValue": content}:
            return _double(content)
    return None


def _double(content: Any) -> float:
    """NaN and the infinities are written as text."""
    try:
        return float(content)
    except (TypeError, ValueError, OverflowError):
        raise InvalidEvent(Rejection.INVALID, f"doubleValue is {str(content)[:40]!r}, which is no number") from None


def _id(text: str, digits: int, name: str) -> str:
    """Lower-case hexadecimal; base64, as plain Protocol Buffers JSON writes bytes, is read too. It may be empty.

    Raises:
        InvalidEvent: it is neither.
    """
    for read_bytes in (bytes.fromhex, lambda text: base64.b64decode(text, validate=True)):
        with suppress(ValueError):
            content = read_bytes(text[: 2 * digits])
            if not text or len(content) == digits // 2:
                return content.hex()
    raise InvalidEvent(Rejection.INVALID, f"{name} is {text[:40]!r}, not {digits} hexadecimal digits")


def _integer(content: Any, name: str) -> int:
    """Raises InvalidEvent when this is no 64-bit integer."""
    if content is None:
        return 0
    try:
        found = int(content) if isinstance(content, int | str) and len(str(content)) < 21 else None
    except ValueError:
        found = None
    if found is None or not -(2**63) <= found < 2**64:
        raise InvalidEvent(Rejection.INVALID, f"{name} is {str(content)[:40]!r}, which is no 64-bit integer")
    return found
