"""What records are that no few bytes tell: their members do. Asked last, so that the others cost no more for it."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from monitor.domain.halves import Side
from monitor.formats.azure_collector import PREFIX
from monitor.formats.bedrock_logs import BEDROCK
from monitor.formats.body_shapes import (
    AROUND_ASKED,
    AROUND_SAID,
    GEMINI_ASKED,
    GEMINI_SAID,
    OLLAMA_PIECE,
    POOLED_SAID,
    REQUESTS,
    RESPONSES,
    has_shape,
)
from monitor.formats.payloads.server_events import is_stream, lines_of
from monitor.formats.replicate_logs import STATES


class Members(Struct, gc=False):
    """Of a record."""

    custom_id: Any = None
    databricks_request_id: Any = None
    captureData: Raw | UnsetType = UNSET
    logging_time: Any = None
    schemaType: Any = None
    key: Any = None
    error: Any = None
    body: Raw | UnsetType = UNSET
    params: Raw | UnsetType = UNSET
    result: Raw | UnsetType = UNSET
    request: Raw | UnsetType = UNSET
    response: Raw | UnsetType = UNSET
    call_type: Any = None
    startTime: Any = None
    """Both of LiteLLM."""
    specversion: Any = None
    type: Any = None
    """Both of Azure's data collector."""
    input: Raw | UnsetType = UNSET
    status: Any = None
    completed_at: Any = None
    urls: Any = None
    """The last four of Replicate's predictions."""
    done: Any = None
    """Of Ollama's answers, which may have a `response` too."""


_to_members = msgspec.json.Decoder(Members).decode
_EVENT: Final = re.compile(rb"^data: ?\{", re.MULTILINE)


def format_of(value: bytes) -> str | None:
    """The format that reads a line of a batch, a log of a cloud, a call of `generate`, `completion`, or one that no
    text answers, or a stream; else None."""
    try:
        members = _to_members(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        members = Members()  # answers may come in a list
    if _is_chat(members) or is_bare_stream(value):
        return "openai_chat"
    request, response = members.request, members.response
    if has_shape(request, AROUND_ASKED) or has_shape(response, AROUND_SAID):
        return "oip"
    if request is not UNSET or (response is not UNSET and members.done is None):
        return "oip" if has_shape(request, REQUESTS) or has_shape(response, RESPONSES) else None
    return "oip" if side_of(value) is not None else None


def _is_chat(members: Members) -> bool:
    bodies = (members.body, members.params, members.result, members.response)
    if members.custom_id is not None and any(one is not UNSET for one in bodies):
        return True
    request, response = members.request, members.response
    if (members.databricks_request_id is not None and request is not UNSET) or _is_of_a_cloud(members):
        return True
    if members.call_type is not None and members.startTime is not None:
        return True
    if has_shape(request, GEMINI_ASKED) or has_shape(response, GEMINI_SAID) or has_shape(response, POOLED_SAID):
        return True
    is_failure = members.key is not None and isinstance(members.error, dict | str)
    return is_failure and request is UNSET and response is UNSET


def side_of(value: bytes) -> Side | None:
    """Which side of a call a record is that is nothing but a body of `generate` or `completion`; None where it is of
    no such API."""
    if has_shape(Raw(value), REQUESTS):
        return "request"
    return "response" if has_shape(Raw(value), RESPONSES) else None


def is_bare_stream(value: bytes) -> bool:
    """Server-sent events with objects as their data, or the lines of Ollama's."""
    if is_stream(value):
        return _EVENT.search(value) is not None
    return b'"created_at"' in value and any(has_shape(Raw(one), OLLAMA_PIECE) for one in lines_of(value)[:1])


def _is_of_a_cloud(members: Members) -> bool:
    if members.captureData is not UNSET:
        return bytes(members.captureData).startswith(b"{")
    if members.logging_time is not None or members.schemaType == BEDROCK:
        return True
    if members.specversion is not None and isinstance(members.type, str):
        return members.type.startswith(PREFIX)
    timed = members.completed_at is not None or members.urls is not None
    return timed and members.status in STATES and members.input is not UNSET
