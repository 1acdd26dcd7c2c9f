"""Spans as Phoenix and Arize export them in JSON: an object per span, as the API gives it or as a data frame's row.

OpenTelemetry's own SDK for Python writes nearly the same (`to_json`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.moments import moment
from monitor.formats.payloads.rows import Fields
from monitor.formats.spans import OPENINFERENCE_KIND, Span, SpanEvent

MAX_LEVELS: Final = 16
"""Of nested attributes; the conventions need ten."""
_LOOKED_AT = 4096


def looks_exported(value: bytes) -> bool:
    """Has this the names that an exported span begins with?"""
    start = value[:_LOOKED_AT]
    spelled = b'"context.span_id"' in start or (b'"context"' in start and b'"span_id"' in start)
    return spelled and start.lstrip().startswith(b"{")


def read_exported(raw: bytes) -> Span:
    """The span of one exported row.

    Raises:
        InvalidEvent: it is no exported span.
    """
    row = _row(raw)
    context, status = _object(row.get("context")), _object(row.get("status"))
    kind = row.get("span_kind")
    named = {name.removeprefix("attributes."): value for name, value in row.items() if name.startswith("attributes.")}
    attributes = {**_flat(_object(row.get("attributes"))), **_flat(named)}
    attributes = {name: value for name, value in attributes.items() if value is not None}
    if isinstance(kind, str):
        attributes.setdefault(OPENINFERENCE_KIND, kind)
    return Span(
        trace_id=_id(context.get("trace_id", row.get("context.trace_id"))),
        span_id=_id(context.get("span_id", row.get("context.span_id"))),
        start_ns=_nanoseconds(row.get("start_time"), "start_time"),
        end_ns=_nanoseconds(row.get("end_time"), "end_time"),
        attributes=attributes,
        resource=_flat(_object(_object(row.get("resource")).get("attributes"))),
        failed="ERROR" in (row.get("status_code"), status.get("status_code")),
        message=_text(row.get("status_message")) or _text(status.get("description")),
        events=_events(row.get("events")),
    )


def _row(raw: bytes) -> Fields:
    try:
        row = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(Rejection.UNREADABLE, f"not a span in JSON: {error}") from None
    if not isinstance(row, dict) or not (isinstance(row.get("context"), dict) or "context.span_id" in row):
        raise InvalidEvent(Rejection.UNREADABLE, "no exported span: `context` (or `context.span_id`) is missing")
    return row


def _flat(attributes: Mapping[str, Any], prefix: str = "", levels: int = MAX_LEVELS) -> dict[str, Any]:
    """Nested objects (`{"llm": {"model_name": ...}}`) under dotted names; lists and `metadata` as they are."""
    found: dict[str, Any] = {}
    for name, value in attributes.items():
        if isinstance(value, dict) and f"{prefix}{name}" != "metadata" and levels:
            found |= _flat(value, f"{prefix}{name}.", levels - 1)
        else:
            found[f"{prefix}{name}"] = value
    return found


def _events(value: Any) -> tuple[SpanEvent, ...]:
    rows = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    return tuple(
        SpanEvent(
            _text(one.get("name")),
            _nanoseconds(one.get("timestamp"), "events.timestamp"),
            _flat(_object(one.get("attributes"))),
        )
        for one in rows
    )


def _nanoseconds(value: Any, name: str) -> int:
    if not isinstance(value, str | int | float):
        return 0
    return round(moment(value, name).timestamp() * 1_000_000) * 1000


def _id(value: Any) -> str:
    """As OTLP has it; the SDK puts 0x before it."""
    return _text(value).removeprefix("0x")


def _object(value: Any) -> Fields:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
