"""Amazon Bedrock's log of model invocations: both bodies of a call, as it writes them to S3 and CloudWatch.

Amazon Bedrock user guide, "Monitor model invocation using CloudWatch Logs and Amazon S3"
(https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html). A body of more than 100 KB, as
pictures make them, lies in S3: the log has only its address.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from monitor.formats.calls import Call, body_of
from monitor.formats.moments import moment
from monitor.formats.payloads.failures import from_error, from_status_code, http_status
from monitor.formats.payloads.framing import word
from monitor.formats.payloads.rows import Fields
from monitor.formats.payloads.values import short

BEDROCK: Final = "ModelInvocationLog"
"""The `schemaType` of every record."""
_GUARDED: Final = re.compile(rb'"amazon-bedrock-guardrailAction"\s*:\s*"INTERVENED"')
_REFUSED: Final[Fields] = {"refused": True, "safety": {"flagged": True, "categories": ["content_filter"]}}


class Input(Struct, gc=False):
    inputBodyJson: Raw | UnsetType = UNSET
    inputBodyS3Path: Any = None
    inputTokenCount: Any = None


class Output(Struct, gc=False):
    outputBodyJson: Raw | UnsetType = UNSET
    outputBodyS3Path: Any = None
    outputTokenCount: Any = None


class Invocation(Struct, gc=False):
    requestId: Any = None
    timestamp: str | None = None
    modelId: Any = None
    operation: Any = None
    input: Input | None = None
    output: Output | None = None
    requestMetadata: Any = None
    errorCode: Any = None
    status: Any = None


class Metrics(Struct, gc=False):
    latencyMs: float | None = None
    invocationLatency: float | None = None


class Timed(Struct, gc=False):
    """A body of the Converse API, or the last event of a stream."""

    metrics: Metrics | None = None
    invoked: Metrics | None = msgspec.field(default=None, name="amazon-bedrock-invocationMetrics")


_to_invocation = msgspec.json.Decoder(Invocation).decode
_to_timed = msgspec.json.Decoder(Timed | list[Timed | str]).decode


def from_invocation(value: bytes) -> Call:
    """The call of an invocation. Its tags (`requestMetadata`) are its metadata. Where a body is not in the log, because
    it is large or because it was not to be logged, the call counts without it.

    Raises:
        InvalidEvent: its time is no time.
        msgspec.DecodeError: a member is of another type.
    """
    log = _to_invocation(value)
    asked, said = log.input or Input(), log.output or Output()
    metadata = log.requestMetadata if isinstance(log.requestMetadata, dict) else {}
    request, response = body_of(asked.inputBodyJson), body_of(said.outputBodyJson)
    kept = {"operation": log.operation, "input_body": asked.inputBodyS3Path, "output_body": said.outputBodyS3Path}
    extra: Fields = {name: one for name, value in kept.items() if (one := short(value)) is not None}
    if tags := {name: one for name, value in metadata.items() if (one := short(value)) is not None}:
        extra["metadata"] = tags
    tokens = {"in": asked.inputTokenCount, "out": said.outputTokenCount}
    fields: Fields = {"extra": extra, "tokens": {name: one for name, one in tokens.items() if type(one) is int}}
    failure = _failure(log)
    if response is not None:
        if (latency := _latency(response)) is not None:
            fields["latency_ms"] = latency
        if _GUARDED.search(response):
            fields["output"] = _REFUSED
    return Call(
        word(log.requestId),
        moment(log.timestamp, "timestamp") if log.timestamp else None,
        request or b"{}",
        response,
        word(log.modelId).rpartition("/")[2],
        failure or ({"status": "ok"} if response is None else None),
        fields,
        (metadata,),
        succeeded=failure is None,
    )


def _failure(log: Invocation) -> Fields | None:
    status = http_status(log.status)
    if log.errorCode is not None:
        return from_error({"type": log.errorCode}, status)
    return from_status_code(status) if status is not None else None


def _latency(response: bytes) -> float | None:
    """Milliseconds; only the Converse API and streams say them."""
    try:
        timed = _to_timed(response)
    except msgspec.DecodeError:
        return None
    for one in reversed(timed) if isinstance(timed, list) else (timed,):
        if isinstance(one, Timed):
            metrics = one.metrics or one.invoked or Metrics()
            if (found := metrics.latencyMs if metrics.latencyMs is not None else metrics.invocationLatency) is not None:
                return found
    return None
