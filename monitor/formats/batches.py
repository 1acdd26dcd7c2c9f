"""Lines of batch files: a request under the id that its caller gave it, and in another file what became of it.

OpenAI API reference, "The request input object" and "The request output object"
(https://platform.openai.com/docs/api-reference/batch); vLLM's `run-batch` reads and writes the same. Anthropic API
reference, "Message Batches" (https://docs.anthropic.com/en/api/creating-message-batches).
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from monitor.formats.calls import Call, Envelope, from_envelope


class BatchLine(Envelope, gc=False):
    """The envelope, and what lines of batch files have besides."""

    custom_id: Any = None
    """What the caller named the request."""
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


_to_line = msgspec.json.Decoder(BatchLine).decode
_to_result = msgspec.json.Decoder(Result).decode


def from_line(value: bytes) -> Call | None:
    """Half a call; None where no side of one is there. Files of both sides meet by the id that the caller gave, which
    labels name as well. Nobody waited for the answer, so there is no latency.

    Raises:
        msgspec.DecodeError: it is no such line.
    """
    line = _to_line(value)
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


def _error_of(result: Result) -> Any:
    """Anthropic's, without the object around it; what was not answered says only so (`canceled`, `expired`)."""
    match result.error:
        case {"error": dict(error)}:
            return error
    return result.error if result.message is not UNSET else {"type": result.type}
