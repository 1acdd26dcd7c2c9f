"""Ollama's own API: responses of `/api/chat` and `/api/generate`, said as a chat completion says them, whole or put
together of the objects that a stream has on its lines.

Ollama, "API" (https://github.com/ollama/ollama/blob/main/docs/api.md).
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from monitor.formats.payloads.chat_response import Answer, ChatResponse, Choice, ToolCall, Usage, calls_of, read_chat
from monitor.formats.payloads.confidence import Token
from monitor.formats.payloads.framing import Read
from monitor.formats.payloads.logprobs import Logprobs


class Response(Struct, gc=False):
    model: Any = None
    message: Answer | None = None
    response: str | None = None
    """What `/api/generate` has instead of a message."""
    thinking: Any = None
    """There, what the model thought before."""
    done: bool | None = None
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    logprobs: list[Token] | None = None
    error: Any = None
    """In place of all else, where a stream fails."""


to_response = msgspec.json.Decoder(Response).decode


def as_chat(response: Response) -> ChatResponse:
    """The chat completion that says the same."""
    choice = Choice(
        message=_answer(response),
        finish_reason=response.done_reason,
        logprobs=Logprobs(response.logprobs),
    )
    usage = Usage(response.prompt_eval_count, response.eval_count)
    return ChatResponse(model=response.model, choices=[choice], usage=usage, error=response.error)


class OllamaStream:
    """The pieces of one answer: the last of them is `done`, and has the counts."""

    def __init__(self) -> None:
        self._last = Response()
        self._texts: list[str] = []
        self._calls: list[ToolCall] = []
        self._tokens: list[Token] = []
        self._thought = False

    def add(self, data: bytes) -> None:
        piece = to_response(data)
        piece.model = piece.model or self._last.model
        piece.error = piece.error or self._last.error
        self._last = piece
        said = _answer(piece)
        if isinstance(said.content, str):
            self._texts.append(said.content)
        if said.tool_calls:
            self._calls += calls_of(said)
        self._thought = self._thought or bool(said.thinking)
        self._tokens += piece.logprobs or ()

    def read(self, *, done: bool, torn: bool) -> Read:
        """It is complete where a piece says so."""
        del torn
        whole = self._last
        text = "".join(self._texts) if self._texts else None
        whole.message = Answer(text, tool_calls=self._calls or None, thinking=self._thought)
        whole.logprobs = self._tokens or None
        return read_chat(as_chat(whole), cut=not (done or whole.done))


def _answer(response: Response) -> Answer:
    return response.message or Answer(response.response, thinking=response.thinking)
