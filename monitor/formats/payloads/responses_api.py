"""OpenAI's Responses API, which vLLM serves too: its responses and streams, said as a chat completion says it.

OpenAI API reference, "Responses" and "Streaming events" (https://platform.openai.com/docs/api-reference/responses). The
last event of a stream holds the whole response; what had come in pieces counts where the stream ended before it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.payloads.chat_request import ChatRequest
from monitor.formats.payloads.chat_request import Message as AskedMessage
from monitor.formats.payloads.chat_response import (
    Answer,
    ChatResponse,
    Choice,
    Function,
    ToolCall,
    Usage,
    read_chat,
)
from monitor.formats.payloads.confidence import Token
from monitor.formats.payloads.framing import Read
from monitor.formats.payloads.logprobs import Logprobs

_ENDS: Final = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
_REASONS: Final = {"completed": "stop", "max_output_tokens": "length"}
"""How a chat completion calls the same end."""
_PENDING: Final = ("queued", "in_progress")
"""An answer will come, but not in this response: it was asked for in the background (`background`)."""
_OF_ITEMS: Final = frozenset({"role", "type", "id"})
"""An item of a request has one of these at least; texts and pictures to be embedded (Jina) have none."""


class Part(Struct, gc=False):
    type: str = ""
    text: str | None = None
    refusal: str | None = None
    logprobs: list[Token] | None = None


class Item(Struct, gc=False):
    """A message, a call of a function, or something else that is passed over."""

    type: str = ""
    content: list[Part] | str | None = None
    name: str | None = None
    arguments: Any = None


class Counts(Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None


class Incomplete(Struct, gc=False):
    reason: str | None = None


class Response(Struct, gc=False):
    id: Any = None
    model: Any = None
    created_at: Any = None
    status: str | None = None
    output: list[Item] | None = None
    usage: Counts | None = None
    incomplete_details: Incomplete | None = None
    error: Any = None


class Event(Struct, gc=False):
    type: str = ""
    response: Response | None = None
    delta: Any = None
    error: Any = None
    message: Any = None
    code: Any = None
    """The last two are those of the event `error`."""


def request_of(body: dict[str, Any]) -> ChatRequest | None:
    """The chat request that asks the same; None where this is none. Items without a role (calls of tools and their
    results, reasoning) are nobody's messages."""
    match body.get("input"):
        case str(text):
            messages = [AskedMessage(content=text)]
        case list(items) if all(isinstance(one, dict) and one.keys() & _OF_ITEMS for one in items):
            messages = msgspec.convert([one for one in items if "role" in one], list[AskedMessage])
        case _:
            return None
    if isinstance(context := body.get("instructions"), str):
        messages.insert(0, AskedMessage("system", context))
    request = msgspec.convert(body, ChatRequest)
    request.messages = messages
    return request


to_response = msgspec.json.Decoder(Response).decode
_to_event = msgspec.json.Decoder(Event).decode


def settled(response: Response) -> Response:
    """The response itself, if it says what became of the call.

    Raises:
        InvalidEvent: it waits for its answer, and so is neither an answer nor a failure.
    """
    if response.status in _PENDING:
        raise InvalidEvent(
            Rejection.INVALID,
            f"status: {response.status!r}: this response has no answer yet; log the one that is fetched when it has",
        )
    return response


def as_chat(response: Response) -> ChatResponse:
    """The chat completion that says the same: all messages are one answer."""
    error = response.error
    if error is None and response.status == "failed":
        error = {"type": "failed"}
    items = response.output or []
    parts = [part for item in items if isinstance(item.content, list) for part in item.content]
    said = [part for part in parts if part.type == "output_text" and part.text is not None]
    refusals = [part.refusal for part in parts if part.refusal]
    calls = [ToolCall(Function(item.name, item.arguments)) for item in items if item.type == "function_call"]
    answer = Answer(
        content="\n".join(part.text or "" for part in said) if said else None,
        refusal="\n".join(refusals) or None,
        tool_calls=calls or None,
    )
    tokens = [token for part in said for token in part.logprobs or ()]
    details = response.incomplete_details
    reason = (details.reason if details is not None else None) or response.status
    choice = Choice(message=answer, finish_reason=_REASONS.get(reason or "", reason), logprobs=Logprobs(tokens))
    silent = not (said or refusals or calls) and reason != "content_filter"
    if response.status == "cancelled" or (response.status == "incomplete" and silent):
        choice.error = {"type": reason}
    usage = response.usage or Counts()
    return ChatResponse(
        id=response.id,
        model=response.model,
        created=response.created_at,
        choices=[choice],
        usage=Usage(usage.input_tokens, usage.output_tokens),
        error=error,
    )


class ResponseStream:
    """The pieces of one response."""

    def __init__(self) -> None:
        self._response = Response()
        self._ended = False
        self._texts: list[str] = []
        self._refusals: list[str] = []

    def add(self, data: bytes) -> None:
        event = _to_event(data)
        if event.response is not None:
            self._response = event.response
            self._ended = event.type in _ENDS
        elif event.type == "error":
            self._response.error = event.error or {"code": event.code, "message": event.message}
        elif isinstance(event.delta, str):
            if event.type == "response.output_text.delta":
                self._texts.append(event.delta)
            elif event.type == "response.refusal.delta":
                self._refusals.append(event.delta)

    def read(self, *, done: bool, torn: bool) -> Read:
        del done, torn  # its own last event says it
        if not self._response.output and (self._texts or self._refusals):
            parts = [
                Part("output_text", text="".join(self._texts) or None),
                Part("refusal", refusal="".join(self._refusals) or None),
            ]
            self._response.output = [Item("message", parts)]
        return read_chat(as_chat(self._response), cut=not self._ended)
