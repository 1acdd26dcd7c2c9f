"""Calls logged as HTTP had them: objects with `method`, `url`, `headers` or `status`, in which `body` is one member.

OpenAI's batches and vLLM's `run-batch` (API reference, "The request output object"), Portkey (API reference, "Insert a
log"), APISIX's kafka-logger with `include_req_body` (its bodies are text) and llama-stack's recordings.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from monitor.formats.payloads.failures import http_status

_BODIES: Final = (
    b'{"model', b'{"messages"', b'{"inputs"', b'{"instances"', b'{"outputs"', b'{"predictions"', b'{"choices"',
    b'{"id":"chatcmpl', b'{"id": "chatcmpl', b'{"generated_text"',
)  # fmt: skip
"""How bodies mostly begin, and no HTTP message does: they are not read a second time."""


class Message(Struct, gc=False):
    """A request or a response."""

    body: Raw | UnsetType = UNSET
    method: Any = None
    url: Any = None
    headers: Any = None
    status: Any = None
    status_code: Any = None

    def told(self) -> int:
        """How many of the members are there: of a body by itself one at most, by chance."""
        known = (self.method, self.url, self.headers, self.status, self.status_code)
        return (self.body is not UNSET) + sum(one is not None for one in known)


class Typed(Struct, gc=False):
    """What llama-stack makes of a body: an object beside the name of its type."""

    data: Raw | UnsetType = msgspec.field(default=UNSET, name="__data__")


class Exchange(NamedTuple):
    """The bodies of both messages, and the HTTP status where it is said."""

    request: Raw | UnsetType
    response: Raw | UnsetType
    status: int | None


_SUCCESSES: Final = frozenset(map(str, range(200, 300)))
_NONE: Final = Message()
_to_message = msgspec.json.Decoder(Message).decode
_to_typed = msgspec.json.Decoder(Typed).decode


def exchange(request: bytes | None, response: bytes | None) -> Exchange | None:
    """What the HTTP messages of a call hold; None where both sides are bodies by themselves, as they mostly are.

    One message with a body and another member tells that both sides are messages, of which the other may have no body.
    """
    asked = _NONE if request is None or request.startswith(_BODIES) else _message(request)
    said = _NONE if response is None or response.startswith(_BODIES) else _message(response)
    if asked.body is UNSET and said.body is UNSET:  # mostly
        return None
    if not any(one.body is not UNSET and one.told() > 1 for one in (asked, said)):
        return None
    status = _status(said.status if said.status_code is None else said.status_code)
    return Exchange(_inside(asked, request), _inside(said, response), status)


def _status(given: Any) -> int | None:
    return http_status(given) or (200 if str(given) in _SUCCESSES else None)


def _message(content: bytes) -> Message:
    try:
        return _to_message(content) if content.startswith(b"{") else _NONE
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _NONE  # a text that is no JSON: reading it as a body tells what is wrong


def _inside(message: Message, content: bytes | None) -> Raw | UnsetType:
    """The body of a message; of what is none, the whole."""
    if message.body is UNSET:
        return UNSET if content is None or message.told() > 1 else Raw(content)
    body = bytes(message.body)
    typed = _to_typed(body) if body.startswith(b"{") else Typed()
    return message.body if typed.data is UNSET else typed.data
