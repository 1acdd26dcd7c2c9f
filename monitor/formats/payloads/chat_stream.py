"""A streamed chat completion, or text completion: its chunks put together.

OpenAI API reference, "The chat completion chunk object" (https://platform.openai.com/docs/api-reference/chat/streaming);
Groq API reference, `x_groq`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Raw, Struct

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.payloads.chat_response import (
    MAX_CHOICES,
    MAX_TOOL_CALLS,
    Answer,
    ChatResponse,
    Choice,
    Function,
    ToolCall,
    Usage,
    calls_of,
    error_of,
    read_chat,
    reasoned,
    said_in,
    text_of_arguments,
)
from monitor.formats.payloads.confidence import Token
from monitor.formats.payloads.framing import Read, word
from monitor.formats.payloads.logprobs import Logprobs, tokens_of_text


class Groq(Struct, gc=False):
    """What Groq says in the last chunk, beside its choices."""

    usage: Usage | None = None
    error: Any = None
    """Why the answer ended early."""


class Chunk(ChatResponse, gc=False):
    x_groq: Groq | None = None


_to_chunk = msgspec.json.Decoder(Chunk).decode


class ChatStream:
    """The pieces of one chat completion."""

    def __init__(self) -> None:
        self._whole = ChatResponse()
        self._growing: dict[int, _Growing] = {}

    def add(self, data: bytes) -> None:
        """
        Raises:
            InvalidEvent: there are more choices than allowed.
            msgspec.DecodeError: this is no chunk.
        """
        chunk, whole = _to_chunk(data), self._whole
        if chunk.x_groq is not None:
            chunk.usage, chunk.error = chunk.usage or chunk.x_groq.usage, chunk.error or chunk.x_groq.error
        whole.id = whole.id or chunk.id
        whole.object = whole.object or chunk.object
        whole.model = whole.model or chunk.model
        whole.created = whole.created or chunk.created
        whole.usage = chunk.usage or whole.usage
        whole.system_fingerprint = chunk.system_fingerprint or whole.system_fingerprint
        if (error := error_of(chunk)) is not None:
            whole.error = error
        for piece in chunk.choices or ():
            self._growing.setdefault(piece.index, _Growing()).add(piece)
            if len(self._growing) > MAX_CHOICES:
                raise InvalidEvent(Rejection.INVALID, f"choices: more than the {MAX_CHOICES} that are allowed")

    def read(self, *, done: bool, torn: bool) -> Read:
        """It is complete where each choice has ended, or the stream said that it is done."""
        del torn
        ended = bool(self._growing) and all(one.finish_reason is not None for one in self._growing.values())
        self._whole.choices = [one.choice(index) for index, one in self._growing.items()]
        return read_chat(self._whole, cut=not (done or ended))


@dataclass(slots=True)
class _GrowingCall:
    """A tool call while its arguments come in."""

    id: str = ""
    name: str | None = None
    arguments: list[str] = field(default_factory=list)

    def ends_at(self, call: ToolCall) -> bool:
        """Does this piece begin another call? It then names a function, and has another id or comes after arguments.

        The place of a call among the others does not tell: Gemini (openai-python, issue 2806) and Xinference (issue
        3634) leave it out, Ollama (issue 15457) calls each the first. Nor does an id alone: Poolside (pool, issue 9)
        gives the pieces of one call two.
        """
        if call.function is None or not call.function.name:
            return False
        given = word(call.id)
        return self.id != given if self.id and given else bool(self.arguments)


@dataclass(slots=True)
class _Growing:
    """A choice while its pieces come in, in lists: joining texts piece by piece would take quadratic time."""

    content: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    refusal_tokens: list[Token] = field(default_factory=list)
    calls: list[_GrowingCall] = field(default_factory=list)
    newest: dict[int | None, _GrowingCall] = field(default_factory=dict)
    """The calls that further pieces belong to, by their place."""
    reasoned: bool = False
    finish_reason: str | None = None
    filters: dict[str, Raw] | None = None
    error: Any = None

    def add(self, piece: Choice) -> None:
        self.finish_reason = piece.finish_reason or self.finish_reason
        self.filters = piece.content_filter_results or self.filters
        self.error = piece.error or self.error
        delta = piece.delta or piece.message or Answer(content=piece.text)
        if content := said_in(delta):
            self.content.append(content)
        elif reasoned(delta):  # the words of a plain answer are not asked
            self.reasoned = True
        if delta.refusal:
            self.refusal.append(delta.refusal)
        if delta.tool_calls or delta.function_call:
            for call in calls_of(delta):
                self._call(call)
        if isinstance(piece.logprobs, Logprobs):
            self.reasoned = self.reasoned or reasoned(delta)
            self.tokens.extend(piece.logprobs.content or tokens_of_text(piece.logprobs))
            self.refusal_tokens.extend(piece.logprobs.refusal or ())

    def _call(self, piece: ToolCall) -> None:
        """The first piece of a call names its function, the following ones bring its arguments."""
        call, function = self.newest.get(piece.index), piece.function or Function()
        if call is None or call.ends_at(piece):
            call = self.newest[piece.index] = _GrowingCall(word(piece.id), function.name)
            if len(self.calls) < MAX_TOOL_CALLS:
                self.calls.append(call)
        if arguments := text_of_arguments(function):
            call.arguments.append(arguments)

    def choice(self, index: int) -> Choice:
        calls = [ToolCall(Function(one.name, "".join(one.arguments))) for one in self.calls]
        refusal = "".join(self.refusal) or None
        content = "".join(self.content) if self.content or not (refusal or calls) else None
        return Choice(
            index=index,
            message=Answer(content, refusal, calls or None, reasoning=self.reasoned),
            finish_reason=self.finish_reason,
            logprobs=Logprobs(self.tokens, self.refusal_tokens),
            content_filter_results=self.filters,
            error=self.error,
        )
