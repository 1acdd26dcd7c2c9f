"""Streams of Gemini and Cohere, those that Bedrock logs of its models, Text Generation Inference's and llama.cpp's: the
pieces of one answer.

Gemini API reference, "streamGenerateContent" (https://ai.google.dev/api/generate-content), as events or, as it comes
unasked, as a list; Cohere, "Streaming Responses" (https://docs.cohere.com/v2/docs/streaming); Amazon Bedrock API
reference, "ConverseStream"; Text Generation Inference, `docs/openapi.json`, `generate_stream`. The pieces of all others
are their whole body, cut up.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from monitor.formats.payloads.chat_response import Answer, ChatResponse, Choice, Function, ToolCall, Usage, read_chat
from monitor.formats.payloads.cloud_apis import as_chat, ended_as, tokens_of, usage_of
from monitor.formats.payloads.confidence import Token
from monitor.formats.payloads.framing import Read, word
from monitor.formats.payloads.logprobs import Logprobs
from monitor.formats.payloads.text_answers import answer_of, calls_of_cohere, own_tokens

OF_COHERE: Final = ("stream-start", "text-generation", "stream-end")
"""Events that streams of Cohere's first Chat API begin with; the last may be logged alone."""
_to_piece = msgspec.json.Decoder(dict[str, Any]).decode


class TextStream:
    """The pieces of one answer."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._calls: list[tuple[str, list[str]]] = []
        self._given: list[ToolCall] = []
        self._whole = ChatResponse()
        self._reason: str | None = None
        self._tokens: list[Token] = []

    def add(self, data: bytes) -> None:
        piece = _to_piece(data)
        if isinstance(token := piece.get("token"), dict):
            self._go_on_with(token, piece)
            return
        if isinstance(piece.get("event_type"), str):
            self._go_on_with_first_cohere(piece)
            return
        if (chat := as_chat(piece) or answer_of(piece)) is not None:
            self._go_on(chat)
            return
        match piece:
            case {"error": error}:
                self._whole.error = error
            case {"contentBlockStart": {"start": {"toolUse": {"name": str(name)}}}}:
                self._calls.append((name, []))
            case {"contentBlockDelta": {"delta": {"text": str(text)}}}:
                self._texts.append(text)
            case {"contentBlockDelta": {"delta": {"toolUse": {"input": str(arguments)}}}} if self._calls:
                self._calls[-1][1].append(arguments)
            case {"messageStop": {"stopReason": reason}}:
                self._reason = ended_as(reason)
            case {"metadata": {"usage": usage}} | {"usageMetadata": usage}:
                self._whole.usage = usage_of(usage)
            case {"type": str(kind), "delta": dict(delta)}:
                self._go_on_with_cohere(kind, delta)

    def read(self, *, done: bool, torn: bool) -> Read:
        """It is complete where the reason of its end is there."""
        del done, torn
        calls = self._given + [ToolCall(Function(name, "".join(pieces))) for name, pieces in self._calls]
        answer = Answer("".join(self._texts) if self._texts else None, tool_calls=calls or None)
        logprobs = Logprobs(self._tokens) if self._tokens else None
        self._whole.choices = [Choice(message=answer, finish_reason=self._reason, logprobs=logprobs)]
        return read_chat(self._whole, cut=self._reason is None)

    def _go_on_with(self, token: dict[str, Any], piece: dict[str, Any]) -> None:
        """Of Text Generation Inference: the last piece has the whole text, and why it ended if that was asked for."""
        tokens = own_tokens([token])
        self._tokens += tokens
        self._texts += [one.token for one in tokens]
        if isinstance(piece.get("generated_text"), str):
            last = answer_of(piece) or ChatResponse(choices=[Choice(finish_reason="stop")])
            self._whole.usage = last.usage
            self._reason = next((one.finish_reason for one in last.choices or ()), None) or "stop"

    def _go_on_with_cohere(self, kind: str, delta: dict[str, Any]) -> None:
        match kind, delta:
            case "content-delta", {"message": {"content": {"text": str(text)}}}:
                self._texts.append(text)
            case "tool-call-start", {"message": {"tool_calls": {"function": {"name": str(name), **more}}}}:
                self._calls.append((name, [str(more.get("arguments") or "")]))
            case "tool-call-delta", {"message": {"tool_calls": {"function": {"arguments": str(text)}}}} if self._calls:
                self._calls[-1][1].append(text)
            case "message-end", {"finish_reason": reason, **more}:
                self._reason = ended_as(reason)
                self._whole.usage = usage_of(tokens_of(more.get("usage")))

    def _go_on_with_first_cohere(self, piece: dict[str, Any]) -> None:
        """Of its first Chat API: the last event has the whole answer again, and may come alone."""
        match piece:
            case {"event_type": "text-generation", "text": str(text)}:
                self._texts.append(text)
            case {"event_type": "tool-calls-generation", "tool_calls": list(calls)}:
                self._given += calls_of_cohere(calls)
            case {"event_type": "stream-end", **more}:
                whole = more.get("response")
                chat = answer_of(whole) if isinstance(whole, dict) else None
                if chat is not None:
                    self._whole.id, self._whole.usage = chat.id, chat.usage
                    self._texts = self._texts or [one.text for one in chat.choices or () if one.text]
                self._reason = ended_as(more.get("finish_reason"))

    def _go_on(self, chat: ChatResponse) -> None:
        whole = self._whole
        whole.id, whole.model = whole.id or chat.id, whole.model or word(chat.model)
        whole.usage = _counted(whole.usage, chat.usage)
        for choice in chat.choices or ():
            said = choice.message or Answer(choice.text)
            if isinstance(said.content, str):
                self._texts.append(said.content)
            if isinstance(said.tool_calls, list):
                self._given += said.tool_calls
            self._reason = choice.finish_reason or self._reason


def _counted(before: Usage | None, after: Usage | None) -> Usage | None:
    """Counts grow from piece to piece; some pieces have only one of them."""
    if before is None or after is None:
        return after or before
    read = before.prompt_tokens if after.prompt_tokens is None else after.prompt_tokens
    written = before.completion_tokens if after.completion_tokens is None else after.completion_tokens
    return Usage(read, written, after.prompt_tokens_details or before.prompt_tokens_details)
