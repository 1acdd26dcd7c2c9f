"""Calls that failed: which `status` and `error_code` an HTTP status or an error body stands for."""

from __future__ import annotations

import re
from typing import Any, Final

from monitor.formats.payloads.rows import Fields

_TIMEOUTS = frozenset({408, 504, 524})
_CLIENT = re.compile(
    r"invalid|badrequest|bad_request|not_?found|authentication|permission|unprocessable|rate_?limit|contextwindow"
    r"|content_?(filter|policy)|unsupported|context_length|\bvalidation(exception)?\b|access_?denied|unauthenticated"
    r"|throttl|too_?many_?requests|resource_?exhausted|quota|billing|(request|payload)_?too_?large|conflict"
    r"|failed_?precondition",
    re.IGNORECASE,
)
"""Names of what HTTP would call 4xx: OpenAI's, Anthropic's, those of Bedrock's exceptions, and of gRPC's codes."""
_TIMEOUT = re.compile(r"time_?d?_?out|deadline_?exceeded", re.IGNORECASE)
_FILTERED = re.compile(r"content_?(filter|policy)|responsible_?ai", re.IGNORECASE)
UNTOLD: Final = "error"
"""The `error_code` of what says nothing of its kind."""
_IDS: Final = frozenset({"id", "request_id", "requestId"})
_MAX_CODE = 128
_MAX_MESSAGE = 1024


def from_status_code(code: int) -> Fields:
    """HTTP status: 408, 504 and 524 (a proxy's) are time-outs, other 4xx the fault of the request."""
    if code < 400:
        return {"status": "ok"}
    return {"status": _status(code, ""), "error_code": str(code)}


def from_error(error: Any, code: int | None = None) -> Fields:
    """An error body: text, or an object with `message`, `type` and `code` as OpenAI and vLLM send it.

    Args:
        error: what stands under `error`.
        code: HTTP status of the response, where it was logged.
    """
    parts = error if isinstance(error, dict) else {"message": error}
    kind, given, message = (_word(parts.get(name)) for name in ("type", "code", "message"))
    number = code or http_status(given) or http_status(kind)
    words = f"{kind} {given}"
    fields: Fields = {
        "status": _status(number, words),
        "error_code": (given or kind or (str(code) if code else UNTOLD))[:_MAX_CODE],
    }
    if _FILTERED.search(words):
        fields["output"] = {"refused": True, "safety": {"flagged": True, "categories": ["content_filter"]}}
    if message:
        fields["extra"] = {"error_message": message[:_MAX_MESSAGE]}
    return fields


def error_in(body: Any) -> Any:
    """What failed, as `from_error` takes it, by a body that is nothing but an error of a server: FastAPI's `detail`, or
    a message beside an HTTP status of 400 and more (TorchServe, Azure), or what names the type of an exception of AWS.
    None where it is none."""
    match body:
        case {"detail": str() | list() as detail, **more} if not more:
            return {"message": detail if isinstance(detail, str) else str(detail)}
        case {"__type": str(kind), **more}:
            return {"message": more.get("message", more.get("Message")), "type": kind.rpartition("#")[2]}
        case {"message": str(message), "code": int(code), **more} | {
            "message": str(message),
            "statusCode": int(code),
            **more,
        } if http_status(code):
            return {"message": message, "code": code, "type": more.get("type")}
    return None


def message_in(body: Any) -> Any:
    """The same of a body that is nothing but a message and an id, as the gateways of AWS, Kong and APISIX send back,
    Bedrock and Cohere too. Any service may answer so as well: the status of the call must tell."""
    match body:
        case {"message": str(message), **more} | {"Message": str(message), **more} if message and more.keys() <= _IDS:
            return {"message": message}
    return None


def told(row: Fields) -> Fields:
    """What was sent back by a call that failed, and looks like an answer: it says why (a proxy's page, say)."""
    message = row.get("output", {}).get("answer")
    said = {"error_message": message[:_MAX_MESSAGE]} if message else {}
    return {"extra": {**row.get("extra", {}), **said}} if said or "extra" in row else {}


def http_status(value: Any) -> int | None:
    """The HTTP status of a failure that this number or text is; None where it is none."""
    text = _word(value)
    return int(text) if text.isdecimal() and len(text) == 3 and int(text) >= 400 else None


def _word(value: Any) -> str:
    return str(value) if isinstance(value, str | int) and value is not False else ""


def _status(code: int | None, words: str) -> str:
    if code in _TIMEOUTS or (code is None and _TIMEOUT.search(words)):
        return "timeout"
    if (code is not None and 400 <= code < 500) or (code is None and _CLIENT.search(words)):
        return "rejected"
    return "error"
