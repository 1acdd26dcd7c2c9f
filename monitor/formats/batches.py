"""Lines of batch files: a request under the id that its caller gave it, and in another file what became of it.

OpenAI API reference, "The request input object" and "The request output object"
(https://platform.openai.com/docs/api-reference/batch); vLLM's `run-batch` reads and writes the same. Anthropic API
reference, "Message Batches" (https://docs.anthropic.com/en/api/creating-message-batches). Gemini API, "Batch API"
(https://ai.google.dev/gemini-api/docs/batch-api); Vertex AI has both sides in the lines of its results.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from monitor.formats.calls import Call, Envelope, from_envelope


class BatchLine(Envelope, gc=False):
    """The envelope, and what lines of batch files have besides."""

    custom_id: Any = None
    """What the caller named the request."""
    key: Any = None
    """The same of Gemini."""
    processed_time: str | None = None
    """Of Vertex AI's results."""
    status: Any = None
    """There, what failed."""
    body: Raw | UnsetType = UNSET
    """What OpenAI is asked."""
    params: Raw | UnsetType = UNSET
    """What Anthropic is asked."""
    result: Raw | UnsetType = UNSET
    """What became of it there."""


class Result(Struct, gc=False):
    type: str = ""
    message: Raw | UnsetType = UNSET
    error: Any = None


_NUMBERS: Final = {
    1: "CANCELLED", 3: "INVALID_ARGUMENT", 4: "DEADLINE_EXCEEDED", 5: "NOT_FOUND", 7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED", 9: "FAILED_PRECONDITION", 13: "INTERNAL", 14: "UNAVAILABLE", 16: "UNAUTHENTICATED",
}  # fmt: skip
"""Codes of gRPC, which Gemini has in place of HTTP's there."""
_OF_GEMINI: Final = (b'"contents"', b'"candidates"', b'"promptFeedback"')
_to_line = msgspec.json.Decoder(BatchLine).decode
_to_result = msgspec.json.Decoder(Result).decode


def from_line(value: bytes) -> Call | None:
    """Half a call; None where no side of one is there. Files of both sides meet by the id that the caller gave, which
    labels name as well. Nobody waited for the answer, so there is no latency.

    Raises:
        msgspec.DecodeError: it is no such line.
    """
    line = _to_line(value)
    if line.custom_id is None:
        return _of_gemini(line)
    sides = (line.body, line.params, line.response, line.result)
    if line.request is not UNSET or all(one is UNSET for one in sides):
        return None
    line.id = line.custom_id or line.id
    line.request = line.params if line.body is UNSET else line.body
    if line.result is not UNSET:
        result = _to_result(line.result)
        line.response, line.error = result.message, _error_of(result)
    call = from_envelope(line, {})
    call.fields["latency_ms"] = None
    return call


def _of_gemini(line: BatchLine) -> Call | None:
    """A line has a request, a response or an error under a key; results of Vertex AI have the request again."""
    if line.id is not None or line.request_id is not None or not _is_of_gemini(line):
        return None
    line.id, line.ts = line.key, line.ts or line.processed_time
    match line.error:
        case {"code": int(number), **more} if number in _NUMBERS:
            line.error = {**more, "type": _NUMBERS[number]}
    if isinstance(line.status, str) and line.status:
        line.error, line.response = line.error or line.status, UNSET
    call = from_envelope(line, {})
    call.fields["latency_ms"] = None
    return call


def _is_of_gemini(line: BatchLine) -> bool:
    """Others may call something a key too."""
    sides = [bytes(one) for one in (line.request, line.response) if one is not UNSET]
    if not sides:
        return line.error is not None and line.ts is None and line.timestamp is None
    return any(mark in side for side in sides for mark in _OF_GEMINI)


def _error_of(result: Result) -> Any:
    """Anthropic's, without the object around it; what was not answered says only so (`canceled`, `expired`)."""
    match result.error:
        case {"error": dict(error)}:
            return error
    return result.error if result.message is not UNSET else {"type": result.type}
