"""OTLP where the span has the times and the model, and a log event beside it what was asked and answered.

So instrumentations write when they capture content on events instead of spans: the span without messages, and in its
context the event `gen_ai.client.inference.operation.details` or, up to conventions 1.36, an event for each message.
Both are halves of one call here; span ids pair them. Traces and logs usually go to two topics, which both need this
format.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from monitor.domain.halves import Half, Side
from monitor.domain.records import Record
from monitor.formats import dialects, evaluations, genai, message_events, otlp
from monitor.formats.decoder import Decoded, Decoder
from monitor.formats.dialects import adk
from monitor.formats.options import FormatOptions
from monitor.formats.predictions import demand_model, request_id
from monitor.formats.spans import OPENINFERENCE_KIND, LogEvent, Said, Span, moment_of

_OF_WHOLE: Final = (OPENINFERENCE_KIND, genai.SERVED)
"""Attributes of spans that say all themselves."""


def decoder(options: FormatOptions) -> Decoder:
    """Uses `task`, `model`, `slices` and `subject` as `otlp` does."""

    def decode(record: Record) -> Sequence[Decoded]:
        return otlp.bounded(_parts(record.value, options))

    return decode


def _parts(value: bytes, options: FormatOptions) -> Iterator[Decoded]:
    messages: list[LogEvent] = []
    yield from otlp.each(message_events.apart(otlp.said_in(value), messages), _halves, options)
    yield from message_events.halves(messages)


def _halves(said: Said, options: FormatOptions) -> Iterator[Decoded]:
    if isinstance(said, Span) and adk.is_outer(said):
        return  # what is logged belongs to the inner span
    if isinstance(said, Span) and not _is_whole(said):
        yield from _half(said, "request", options)
        yield from evaluations.of_span(said)
    elif isinstance(said, LogEvent) and said.name == genai.DETAILS:
        yield from _half(genai.inference(said), "response", options)
    else:
        yield from otlp.decoded(said, options)


def _is_whole(span: Span) -> bool:
    """Nothing is logged beside it."""
    told = dialects.is_of_one(span) or not span.attributes.keys().isdisjoint(_OF_WHOLE)
    return told or message_events.is_whole(span)


def _half(span: Span, side: Side, options: FormatOptions) -> Iterator[Half]:
    fields = genai.fields(span, options)
    if fields is None:
        return
    if side == "request":
        demand_model(span, fields)
    elif fields["status"] == "ok":
        del fields["status"]  # an event without an error does not say that the span has none
    time = moment_of(span.start_ns or span.end_ns, f"{span.place}: its time")
    yield Half(request_id(span), side, time, fields, may_have_prelude=True)
