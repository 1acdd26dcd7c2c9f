"""Spans of model calls as predictions: what both conventions share, and the attributes that are ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import msgspec

from monitor.domain.events import Event, Label, Prediction, Rejection, encode
from monitor.errors import InvalidEvent
from monitor.formats.limits import demand_shallow, refuse_nul
from monitor.formats.options import FormatOptions
from monitor.formats.payloads import failures
from monitor.formats.payloads.rows import Fields, demand_id, over
from monitor.formats.spans import Span, moment_of

REQUEST_ID = "snellen.request_id"
"""The id under which labels will come, where that is not the span's."""
CONFIDENCE = "snellen.confidence"
"""In [0, 1]: neither convention has one."""
TASK, VERSION, VARIANT = "snellen.task", "snellen.model.version", "snellen.model.variant"
RESOURCE = ("service.name", "service.version", "deployment.environment.name", "deployment.environment")
"""Attributes of the resource that are kept in `extra`."""
MAX_SHARED = 256
"""Characters of a resource's attribute that every span of a record repeats; longer ones are left out."""
_HTTP = ("http.response.status_code", "http.status_code")
"""Attributes that say the HTTP status; the other is the older name (botocore's instrumentation)."""
_EXACT = 2**53
"""Below it a float holds every whole number."""
_MAX_DIGITS = 15
"""Of a whole number that is written as text."""

Written = TypeVar("Written", Prediction, Label)
_read_back: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def request_id(span: Span) -> str:
    """`<trace id>-<span id>`: stable when a span is exported again, and unique, which ids of responses are not
    (some servers draw them out of a thousand).

    Raises:
        InvalidEvent: the span has no ids, or too long ones.
    """
    if own := span.attributes.get(REQUEST_ID):
        demand_id(str(own), f"{span.place}: {REQUEST_ID}")
        return str(own)
    if not span.trace_id or not span.span_id:
        raise InvalidEvent(Rejection.INVALID, f"{span.place}: no traceId and spanId, and no {REQUEST_ID}")
    found = f"{span.trace_id}-{span.span_id}"
    demand_id(found, f"{span.place}: traceId and spanId")
    return found


def call_fields(span: Span, said: Fields, options: FormatOptions) -> Fields:
    """A `prediction/v1` without id and time: what a convention read, and around it what every span says.

    It has no model where nothing names one.
    """
    attributes = {**span.resource, **span.attributes}
    fields = over({"task": attributes.get(TASK, options.task), "trace_id": span.trace_id or None}, _outcome(span), said)
    fields["model"] = _model(span, fields.get("model", {}), options.model)
    if CONFIDENCE in attributes:
        fields["output"] = {**fields.get("output", {}), "confidence": attributes[CONFIDENCE]}
    fields["slices"] = {**fields.get("slices", {}), **_slices(span, options.slices)}
    if span.start_ns > 0 and span.end_ns >= span.start_ns:
        fields["latency_ms"] = (span.end_ns - span.start_ns) / 1e6
    fields["extra"] = _shared(span) | _given(fields.get("extra", {})) | _subject(span, options.subject)
    return _given(fields)


def demand_model(span: Span, fields: Fields) -> None:
    """
    Raises:
        InvalidEvent: no model is named.
    """
    if "name" not in fields.get("model", {}):
        raise InvalidEvent(
            Rejection.INVALID,
            f"{span.place}: names no model (gen_ai.request.model or llm.model_name); set `model` for the topic",
        )


def known_tokens(counts: Mapping[str, Any]) -> Fields:
    """Those that are said. A data frame makes floats of whole numbers where one of a column is missing; gateways write
    text (Higress), empty where nothing is known (LiteLLM).
    """
    return {name: _whole(count) for name, count in counts.items() if count not in (None, "")}


def prediction(span: Span, fields: Fields, suffix: str = "") -> Prediction:
    """The prediction of a span; its time is when the call began.

    Raises:
        InvalidEvent: it is none of the wire contract; the message names the field.
    """
    demand_model(span, fields)
    ts = moment_of(span.start_ns or span.end_ns, f"{span.place}: the start time")
    return written({**fields, "request_id": request_id(span) + suffix, "ts": ts}, Prediction, span.place)


def written(fields: Fields, kind: type[Written], place: str) -> Written:
    """The event of these plain values, as the contract types it.

    Raises:
        InvalidEvent: it does not keep the contract, or holds what cannot be stored; the message begins with `place`.
    """
    try:
        demand_shallow(fields.get("extra", {}))
        raw = encode(msgspec.convert(fields, kind))
        refuse_nul(raw)
        event: Any = _read_back.decode(raw)  # protobuf has NaN and infinities, the contract has not
    except InvalidEvent as error:
        raise InvalidEvent(error.reason, f"{place}: {error}") from None
    except (msgspec.ValidationError, UnicodeError, OverflowError) as error:
        raise InvalidEvent(Rejection.INVALID, f"{place}: {error}") from None
    return cast("Written", event)


def _outcome(span: Span) -> Fields:
    """`status` and `error_code`, by the HTTP status, `error.type` (which may be one), the exception, or the span's own
    status.
    """
    exception = next((one.attributes for one in span.events if one.name == "exception"), {})
    kind = span.attributes.get("error.type") or (exception.get("exception.type") if span.failed else None)
    if not span.failed and not kind:
        return {"status": "ok"}
    code = next((one for name in _HTTP if (one := failures.http_status(span.attributes.get(name)))), None)
    error = {"type": str(kind or ""), "code": code, "message": span.message or exception.get("exception.message", "")}
    return failures.from_error(error)


def _model(span: Span, said: Mapping[str, Any], default: str | None) -> Fields:
    """What the call says, else what the topic's options say, else the service. Our attributes win."""
    attributes = {**span.resource, **span.attributes}
    named = {"name": default or span.resource.get("service.name")} | _given(said)
    return _given(named | _given({"version": attributes.get(VERSION), "variant": attributes.get(VARIANT)}))


def _slices(span: Span, names: Mapping[str, str]) -> dict[str, str]:
    """Slice dimension -> what the named attribute says, of the span first, then of its resource."""
    found = {dimension: span.attributes.get(name, span.resource.get(name)) for dimension, name in names.items()}
    return {dimension: _text(value) for dimension, value in found.items() if isinstance(value, str | int | float)}


def _subject(span: Span, name: str | None) -> dict[str, str]:
    return _slices(span, {"user_id": name}) if name else {}


def _text(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shared(span: Span) -> Fields:
    found = {name: span.resource.get(name) for name in RESOURCE}
    return {name: value for name, value in found.items() if isinstance(value, str) and 0 < len(value) <= MAX_SHARED}


def _whole(count: Any) -> Any:
    if isinstance(count, str) and count.isdecimal() and len(count) <= _MAX_DIGITS:
        return int(count)
    return int(count) if isinstance(count, float) and count.is_integer() and abs(count) < _EXACT else count


def _given(fields: Mapping[str, Any]) -> Fields:
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}
