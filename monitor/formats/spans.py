"""What OpenTelemetry records say, whichever way they were encoded: spans, and log records that are events."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from monitor.domain.events import Rejection
from monitor.domain.window import EPOCH
from monitor.errors import InvalidEvent

Attributes = Mapping[str, Any]
"""Name -> text, truth value, number, or lists and objects of them; bytes stand as base64 text."""

OPENINFERENCE_KIND: Final = "openinference.span.kind"
"""The attribute that every span of OpenInference has."""
EVENT_NAME: Final = "event.name"
"""The attribute that held the name of a log record's event, before there was a field for it."""
MAX_NESTING = 32
"""Levels inside one attribute; the conventions need five."""
MARKS = (
    *("gen_ai.", "openinference.", "llm.", "annotations.", "evaluations."),
    *("ai.operationId", "langfuse.observation.", "mlflow.spanType", "genkit:type"),
)
"""How the attributes begin that both conventions, and the dialects of frameworks, put on what concerns a model. Other
spans are passed over unread."""


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened at one moment of a span."""

    name: str
    time_ns: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of work. Ids in lower-case hexadecimal, times in nanoseconds since 1970, 0 where not known."""

    trace_id: str
    span_id: str
    start_ns: int
    end_ns: int
    attributes: Attributes
    resource: Attributes
    failed: bool = False
    """Its status code is ERROR."""
    message: str = ""
    """Of the status."""
    events: tuple[SpanEvent, ...] = ()

    @property
    def place(self) -> str:
        """For messages."""
        return f"span {self.span_id or '(no id)'} of trace {self.trace_id or '(no id)'}"


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A log record with an event name; `trace_id` and `span_id` are those of the span that it belongs to, or empty."""

    name: str
    time_ns: int
    trace_id: str
    span_id: str
    attributes: Attributes
    resource: Attributes = field(default_factory=dict)
    body: Any = None

    def as_span(self) -> Span:
        """The span that it stands for: its moment is the end, its begin is not known."""
        return Span(self.trace_id, self.span_id, 0, self.time_ns, self.attributes, self.resource)


Said = Span | LogEvent | InvalidEvent
"""What one record holds, in order; an InvalidEvent stands for one span or log record that cannot be read."""


def concerns_a_model(names: Iterable[str]) -> bool:
    """Is any of these attributes (or events) one of the conventions'?"""
    return any(name.startswith(MARKS) for name in names)


def with_attributes(span: Span, more: Attributes) -> Span:
    """The same span, saying more; what it says itself stands."""
    return replace(span, attributes={**more, **span.attributes})


def moment_of(time_ns: int, what: str) -> datetime:
    """A time of OpenTelemetry as ours, to the microsecond.

    Raises:
        InvalidEvent: it is missing, or beyond the calendar.
    """
    if time_ns <= 0:
        raise InvalidEvent(Rejection.INVALID, f"{what} is missing")
    try:
        return EPOCH + timedelta(microseconds=time_ns // 1000)
    except OverflowError:
        raise InvalidEvent(Rejection.INVALID, f"{what} is {time_ns} ns since 1970, which is no date") from None


def text_of_bytes(content: bytes) -> str:
    return base64.b64encode(content).decode()


def too_deep() -> InvalidEvent:
    return InvalidEvent(Rejection.INVALID, f"an attribute is nested deeper than {MAX_NESTING} levels")
