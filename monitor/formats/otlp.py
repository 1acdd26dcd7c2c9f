"""OTLP: what the OpenTelemetry Collector writes to Kafka, many spans or log records in one record.

Protocol Buffers (`otlp_proto`, the default of its Kafka exporter) and JSON (`otlp_json`) are told apart per record.
Spans may keep the GenAI conventions (`monitor.formats.genai`) or OpenInference (`monitor.formats.openinference`), also
mixed on one topic. Spans that are no model call are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from monitor.domain.events import Rejection
from monitor.domain.records import Record
from monitor.errors import InvalidEvent
from monitor.formats import evaluations, genai, openinference, otlp_json, otlp_protobuf
from monitor.formats.decoder import Decoded, Decoder
from monitor.formats.options import FormatOptions
from monitor.formats.predictions import prediction
from monitor.formats.spans import OPENINFERENCE_KIND, LogEvent, Said

MAX_REFUSED = 8
"""Parts of one record that are refused one by one: each dead letter keeps the whole record."""
Reader = Callable[[Said, FormatOptions], Iterator[Decoded]]


def decoder(options: FormatOptions) -> Decoder:
    """Uses `task`, `model`, `slices` and `subject` (names of attributes of the span or its resource)."""

    def decode(record: Record) -> Sequence[Decoded]:
        return bounded(each(said_in(record.value), decoded, options))

    return decode


def recognises(record: Record) -> bool:
    """Does this look like OTLP traces or logs?"""
    return otlp_protobuf.signal(record.value) is not None or otlp_json.recognised(record.value)


def decoded(said: Said, options: FormatOptions) -> Iterator[Decoded]:
    """Predictions and labels of a span, or of an event that was logged on its own.

    Raises:
        InvalidEvent: the conventions do not allow what it says.
    """
    if isinstance(said, InvalidEvent):
        yield said
    elif isinstance(said, LogEvent):
        yield from _of_event(said, options)
    elif OPENINFERENCE_KIND in said.attributes:
        yield from openinference.decoded(said, options)
    else:
        yield from genai.decoded(said, options)


def evaluation(event: LogEvent) -> Iterator[Decoded]:
    """The label of an evaluation that was logged on its own.

    Raises:
        InvalidEvent: it names no span, or does not keep the contract.
    """
    if event.name == evaluations.RESULT and (label := evaluations.of_event(event)) is not None:
        yield label


def _of_event(event: LogEvent, options: FormatOptions) -> Iterator[Decoded]:
    if event.name == genai.DETAILS:
        span = genai.said_by(event)
        fields = genai.fields(span, options)
        if fields is not None:
            yield prediction(span, fields)
    yield from evaluation(event)


def each(found: Iterable[Said], reader: Reader, options: FormatOptions) -> Iterator[Decoded]:
    """What `reader` makes of each of them; of one that it refuses, why."""
    for said in found:
        try:
            yield from reader(said, options)
        except InvalidEvent as error:
            yield error


def said_in(value: bytes) -> Iterator[Said]:
    """The spans and log events of a record.

    JSON begins with a brace; behind white space only what is no Protocol Buffers, whose first byte is a newline.

    Raises:
        InvalidEvent: it is no OTLP.
    """
    in_json = value.lstrip().startswith(b"{") and (value.startswith(b"{") or otlp_protobuf.signal(value) is None)
    return otlp_json.read(value) if in_json else otlp_protobuf.read(value)


def bounded(parts: Iterator[Decoded]) -> list[Decoded]:
    """All parts, but of those refused only the first; how many more there were is said once."""
    taken: list[Decoded] = []
    refused = 0
    for part in parts:
        if isinstance(part, InvalidEvent):
            refused += 1
            if refused >= MAX_REFUSED:
                continue
        taken.append(part)
    if refused >= MAX_REFUSED:
        more = refused - MAX_REFUSED + 1
        taken.append(InvalidEvent(Rejection.INVALID, f"{more} more spans or log records of this record are refused"))
    return taken
