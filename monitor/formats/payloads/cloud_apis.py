"""Chats of Gemini's `generateContent`, Bedrock's Converse and Cohere's API, said as a chat completion says them.

Gemini API reference, "Generating content" (https://ai.google.dev/api/generate-content), which Vertex AI shares; Amazon
Bedrock API reference, "Converse" (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html),
which Nova's own bodies follow; Cohere API reference, "Chat" (https://docs.cohere.com/reference/chat).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from monitor.formats.payloads.chat_request import ChatRequest, Message, Part
from monitor.formats.payloads.chat_response import Answer, ChatResponse, Choice, Function, ToolCall, Usage

_REASONS: Final = {
    "end_turn": "stop",
    "complete": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "tool_call": "tool_calls",
    **dict.fromkeys(("safety", "prohibited_content", "blocklist", "spii", "image_safety"), "content_filter"),
    **dict.fromkeys(("guardrail_intervened", "content_filtered"), "content_filter"),
}
"""What they call the end of an answer, in lower case -> what a chat completion calls it."""


def request_of(body: Mapping[str, Any]) -> ChatRequest | None:
    """The chat request that asks what this request of Gemini's asks; None where this is none. (The others write
    messages as a chat completion does.)"""
    contents = body.get("contents")
    if not isinstance(contents, list) or not all(isinstance(one, dict) for one in contents):
        return None
    context = body.get("systemInstruction", body.get("system_instruction"))
    said = [Message(_role(one), [*map(_asked, _parts(one))]) for one in contents]
    if isinstance(context, dict):
        said.insert(0, Message("system", [*map(_asked, _parts(context))]))
    return ChatRequest(messages=said)


def as_chat(body: Mapping[str, Any]) -> ChatResponse | None:
    """The chat completion that says the same; None where this is a response of no such API."""
    match body:
        case {"candidates": [{**first}, *_], **more}:
            choice = _choice(_parts(first.get("content")), first.get("finishReason"))
            return _chat(choice, more.get("usageMetadata"), more.get("modelVersion"), more.get("responseId"))
        case {"promptFeedback": {"blockReason": _}, **more}:
            blocked = Choice(message=Answer(), finish_reason="content_filter")
            return _chat(blocked, more.get("usageMetadata"), more.get("modelVersion"), more.get("responseId"))
        case {"output": {"message": {"content": list(parts)}}, "stopReason": str(reason), **more}:
            return _chat(_choice(parts, reason), more.get("usage"))
        case {"message": {"role": "assistant", "content": list(parts)}, "finish_reason": str(reason), **more}:
            return _chat(_choice(parts, reason), _tokens_of(more.get("usage")), answer_id=more.get("id"))
    return None


def _tokens_of(usage: Any) -> Any:
    """Cohere counts what was read and written apart from what is billed."""
    return usage.get("tokens") if isinstance(usage, dict) else None


def _chat(choice: Choice, usage: Any, model: Any = None, answer_id: Any = None) -> ChatResponse:
    counts = usage if isinstance(usage, dict) else {}
    read = _count(counts, "promptTokenCount", "inputTokens", "input_tokens")
    written = _count(counts, "candidatesTokenCount", "outputTokens", "output_tokens")
    tokens = Usage(read, written) if (read, written) != (None, None) else None
    return ChatResponse(id=answer_id, model=model, choices=[choice], usage=tokens)


def _count(counts: Mapping[str, Any], *names: str) -> int | None:
    return next((counts[name] for name in names if isinstance(counts.get(name), int)), None)


def _choice(parts: Iterable[Any], reason: Any) -> Choice:
    """Texts make up the answer, but for thoughts; calls of tools stand beside it."""
    texts, calls = [], []
    for part in parts:
        match part:
            case {"thought": True}:
                continue
            case {"text": str(text)}:
                texts.append(text)
            case {"functionCall": {"name": str(name), **more}} | {"toolUse": {"name": str(name), **more}}:
                calls.append(ToolCall(Function(name, more.get("args", more.get("input")))))
    ended = str(reason or "").lower()
    return Choice(
        message=Answer("".join(texts) if texts else None, tool_calls=calls or None),
        finish_reason=_REASONS.get(ended, ended) or None,
    )


def _parts(content: Any) -> list[Any]:
    parts = content.get("parts") if isinstance(content, dict) else None
    return parts if isinstance(parts, list) else []


def _role(content: Mapping[str, Any]) -> str:
    return "assistant" if content.get("role") == "model" else "user"


def _asked(part: Any) -> Part:
    match part:
        case {"text": str(text)}:
            return Part(text=text)
        case {"inlineData": {"data": str(data), **told}} | {"inline_data": {"data": str(data), **told}}:
            return Part(image_url=f"data:{_kind(told)};base64,{data}") if _is_image(told) else Part()
        case {"fileData": {"fileUri": str(uri), **told}} | {"file_data": {"file_uri": str(uri), **told}}:
            return Part(image_url=uri) if _is_image(told) else Part()
    return Part()


def _kind(told: Mapping[Any, Any]) -> str:
    return str(told.get("mimeType", told.get("mime_type", "")))


def _is_image(told: Mapping[Any, Any]) -> bool:
    return _kind(told).startswith("image/")
