"""Lines of SageMaker's data capture: what went into an endpoint and came out, as text or in base64.

CSV and JSON Lines become V1's instances and predictions: each line is an item, and the columns of CSV, which has no
names there, go by their place.

Amazon SageMaker AI developer guide, "Capture data from real-time endpoint"
(https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html). Unless the endpoint is told
which content types are JSON, both bodies stand in base64.
"""

from __future__ import annotations

import csv
import re
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.calls import Call
from monitor.formats.moments import moment
from monitor.formats.payloads.framing import word
from monitor.formats.payloads.values import bytes_of


class Captured(Struct, gc=False):
    data: str = ""
    encoding: str = ""
    observedContentType: str | None = None
    """As the body was sent; by default all are captured in base64."""


class Bodies(Struct, gc=False):
    endpointInput: Captured | None = None
    endpointOutput: Captured | None = None


class Metadata(Struct, gc=False):
    eventId: Any = None
    inferenceId: Any = None
    """What the caller named the request, if anything; labels name it then, as SageMaker's own ground truth does."""
    inferenceTime: str | None = None


class Capture(Struct, gc=False):
    captureData: Bodies
    eventMetadata: Metadata | None = None


_LINES: Final = ("application/jsonlines", "application/x-jsonlines", "application/jsonl", "application/x-ndjson")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,20})?(?:[eE][-+]?[0-9]{1,2})?")
_to_capture = msgspec.json.Decoder(Capture).decode
_encode = msgspec.json.Encoder().encode


def from_capture(value: bytes) -> Call:
    """The call of a line; half of one where only one side is captured. Nothing in it names the model.

    Raises:
        InvalidEvent: its time is no time, or a body is neither JSON nor in base64.
        msgspec.DecodeError: a member is of another type.
    """
    line = _to_capture(value)
    told = line.eventMetadata or Metadata()
    return Call(
        word(told.inferenceId) or word(told.eventId),
        moment(told.inferenceTime, "inferenceTime") if told.inferenceTime else None,
        _body(line.captureData.endpointInput, "endpointInput", b"instances"),
        _body(line.captureData.endpointOutput, "endpointOutput", b"predictions"),
    )


def _body(captured: Captured | None, name: str, items: bytes) -> bytes | None:
    if captured is None:
        return None
    kind = captured.observedContentType or ""
    match captured.encoding.upper():
        case "CSV":
            return _of_rows(captured.data, name, items)
        case "JSON":
            body = captured.data.encode()
        case "BASE64":
            body = bytes_of(captured.data, f"{name}.data")
            if kind.lower().startswith("text/csv"):
                return _of_rows(_decoded(body, name), name, items)
        case _:
            raise InvalidEvent(
                Rejection.INVALID, f"{name}: encoding {captured.encoding[:16]!r} is not read, only JSON, CSV and BASE64"
            )
    return _of_lines(body, items) if b"\n" in body and kind.lower().startswith(_LINES) else body


def _of_rows(text: str, name: str, items: bytes) -> bytes:
    """Rows of CSV. One that has a single column is its value."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # of the whole process, so it is never lowered
    try:
        rows = [list(map(_value, row)) for row in csv.reader(text.splitlines(keepends=True), strict=True) if row]
    except csv.Error as error:
        raise InvalidEvent(Rejection.UNREADABLE, f"{name}: not CSV: {error}") from None
    if not rows:
        raise InvalidEvent(Rejection.UNREADABLE, f"{name}: the body is empty")
    return b'{"%b":%b}' % (items, _encode([row[0] if len(row) == 1 else row for row in rows]))


def _value(cell: str) -> str | Raw:
    """A number as JSON has it; any other text is a text."""
    return Raw(cell.encode()) if _NUMBER.fullmatch(cell) else cell


def _of_lines(body: bytes, items: bytes) -> bytes:
    """A single line is a body by itself."""
    lines = [one for one in map(bytes.strip, body.split(b"\n")) if one]
    return b'{"%b":[%b]}' % (items, b",".join(lines)) if len(lines) > 1 else body


def _decoded(body: bytes, name: str) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidEvent(Rejection.UNREADABLE, f"{name}: CSV that is not UTF-8") from None
