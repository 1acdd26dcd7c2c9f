"""Anthropic's Messages API: its messages and streams, said as a chat completion says it.

Anthropic API reference, "Messages" and "Streaming messages" (https://docs.anthropic.com/en/api/messages-streaming).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from monitor.formats.payloads.chat_response import Answer, ChatResponse, Choice, Function, ToolCall, Usage, read_chat
from monitor.formats.payloads.framing import Read

_REASONS: Final = {
    "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls",
    "refusal": "content_filter",
}  # fmt: skip
"""How a chat completion calls the same end."""


class Block(Struct, gc=False):
    type: str = ""
    text: str | None = None
    name: str | None = None
    input: Any = None


class Counts(Struct, gc=False):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None


class Message(Struct, gc=False):
    id: Any = None
    model: Any = None
    content: list[Block] | str | None = None
    stop_reason: str | None = None
    usage: Counts | None = None


class Delta(Struct, gc=False):
    """What a block goes on with, or how the message ended."""

    text: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class Event(Struct, gc=False):
    type: str = ""
    index: int = 0
    message: Message | None = None
    content_block: Block | None = None
    delta: Delta | None = None
    usage: Counts | None = None
    error: Any = None


to_message = msgspec.json.Decoder(Message).decode
_to_event = msgspec.json.Decoder(Event).decode


def as_chat(message: Message) -> ChatResponse:
    """The chat completion that says the same. A text in several blocks is one text: citations part it."""
    content = message.content
    blocks = [Block("text", content)] if isinstance(content, str) else content or []
    texts = [block.text for block in blocks if block.type == "text" and block.text is not None]
    calls = [ToolCall(Function(block.name, block.input)) for block in blocks if block.type == "tool_use"]
    reason = message.stop_reason
    choice = Choice(
        message=Answer("".join(texts) if texts else None, tool_calls=calls or None),
        finish_reason=_REASONS.get(reason or "", reason),
    )
    return ChatResponse(id=message.id, model=message.model, choices=[choice], usage=_usage(message.usage or Counts()))


def _usage(counts: Counts) -> Usage:
    """What came out of the cache, or went into it, was read as well."""
    read = [counts.input_tokens, counts.cache_creation_input_tokens, counts.cache_read_input_tokens]
    known = [one for one in read if one is not None]
    return Usage(sum(known) if known else None, counts.output_tokens)


class MessageStream:
    """The pieces of one message."""

    def __init__(self) -> None:
        self._message = Message()
        self._counts: dict[str, int] = {}
        self._blocks: dict[int, tuple[Block, list[str]]] = {}
        self._error: Any = None

    def add(self, data: bytes) -> None:
        event = _to_event(data)
        if event.message is not None:
            self._message = event.message
        for usage in (event.message and event.message.usage, event.usage):
            said = msgspec.structs.asdict(usage) if usage is not None else {}
            self._counts |= {name: count for name, count in said.items() if count is not None}
        if event.content_block is not None:
            self._blocks[event.index] = event.content_block, []
        if (delta := event.delta) is not None:
            self._message.stop_reason = delta.stop_reason or self._message.stop_reason
            if (piece := delta.text or delta.partial_json) and event.index in self._blocks:
                self._blocks[event.index][1].append(piece)
        self._error = self._error if event.error is None else event.error

    def read(self, *, done: bool, torn: bool) -> Read:
        del done, torn  # the reason why it stopped says it
        message = self._message
        message.content = [_whole(block, "".join(pieces)) for block, pieces in self._blocks.values()]
        message.usage = Counts(**self._counts)
        chat = as_chat(message)
        chat.error = self._error
        return read_chat(chat, cut=message.stop_reason is None)


def _whole(block: Block, rest: str) -> Block:
    """The block as it began, and the pieces behind it: more of its text, or the JSON text of its input."""
    if block.type == "tool_use":
        return Block(block.type, name=block.name, input=rest or block.input)
    return Block(block.type, text=(block.text or "") + rest)
