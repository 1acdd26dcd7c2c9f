"""Lines of SageMaker's data capture: what went into an endpoint and came out, as text or in base64.

Amazon SageMaker AI developer guide, "Capture data from real-time endpoint"
(https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html). Unless the endpoint is told
which content types are JSON, both bodies stand in base64.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.calls import Call
from monitor.formats.moments import moment
from monitor.formats.payloads.framing import word
from monitor.formats.payloads.values import bytes_of


class Captured(Struct, gc=False):
    data: str = ""
    encoding: str = ""


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


_to_capture = msgspec.json.Decoder(Capture).decode


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
        _body(line.captureData.endpointInput, "endpointInput"),
        _body(line.captureData.endpointOutput, "endpointOutput"),
    )


def _body(captured: Captured | None, name: str) -> bytes | None:
    if captured is None:
        return None
    match captured.encoding.upper():
        case "JSON":
            return captured.data.encode()
        case "BASE64":
            return bytes_of(captured.data, f"{name}.data")
    raise InvalidEvent(
        Rejection.INVALID, f"{name}: encoding {captured.encoding[:16]!r} is not read, only JSON and BASE64"
    )
