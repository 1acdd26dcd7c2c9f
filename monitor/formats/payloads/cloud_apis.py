"""Chats of Gemini's `generateContent`, Bedrock's Converse and Cohere's API, said as a chat completion says them.

Gemini API reference, "Generating content" (https://ai.google.dev/api/generate-content), which Vertex AI shares; Amazon
Bedrock API reference, "Converse" (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html),
which Nova's own bodies follow; Cohere API reference, "Chat" (https://docs.cohere.com/reference/chat). Names of Gemini's
may be spelled as Protocol Buffers have them (`finish_reason`): so Vertex AI logs them, and so Python's SDKs dump them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from monitor.formats.payloads.chat_request import ChatRequest, Message, Part
from monitor.formats.payloads.chat_response import (
    Answer,
    ChatResponse,
    Choice,
    Function,
    PromptDetails,
    ToolCall,
    Usage,
)
from monitor.formats.payloads.confidence import Token
from monitor.formats.payloads.logprobs import Logprobs

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
_THOUGHTS: Final = ("thoughtsTokenCount", "thoughts_token_count")


def request_of(body: Mapping[str, Any]) -> ChatRequest | None:
    """The chat request that asks what this request of Gemini's asks; None where this is none. (The others write
    messages as a chat completion does.)"""
    given = body.get("contents")
    contents = [given] if isinstance(given, dict) else given  # one of them needs no list
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
        case {"candidates": [{**first}, *_]}:
            choice = _choice(_parts(first.get("content")), _either(first, "finishReason", "finish_reason"))
            return _gemini(choice, first, body)
        case {"promptFeedback": {"blockReason": _}} | {"prompt_feedback": {"block_reason": _}}:
            return _gemini(Choice(message=Answer(), finish_reason="content_filter"), {}, body)
        case {"output": {"message": {"content": list(parts)}}, "stopReason": str(reason), **more}:
            return _chat(_choice(parts, reason), more.get("usage"))
        case {"message": {"role": "assistant", "content": list(parts)}, "finish_reason": str(reason), **more}:
            return _chat(_choice(parts, reason), tokens_of(more.get("usage")), answer_id=more.get("id"))
    return None


def _gemini(choice: Choice, candidate: Mapping[Any, Any], body: Mapping[str, Any]) -> ChatResponse:
    """With the mean log-probability of its tokens, which is all that Gemini says of them unasked. Where it thought
    first, that is a sum over the thoughts too, and no mean of anything."""
    usage = _either(body, "usageMetadata", "usage_metadata")
    counts = usage if isinstance(usage, dict) else {}
    mean = _either(candidate, "avgLogprobs", "avg_logprobs")
    answer = choice.message.content if choice.message else None
    if isinstance(mean, int | float) and isinstance(answer, str) and not _count(counts, *_THOUGHTS):
        choice.logprobs = Logprobs([Token(answer, mean)])
    model, response_id = _either(body, "modelVersion", "model_version"), _either(body, "responseId", "response_id")
    return _chat(choice, usage, model, response_id)


def _either(named: Mapping[Any, Any], *names: str) -> Any:
    return next((named[name] for name in names if name in named), None)


def tokens_of(usage: Any) -> Any:
    """Cohere counts what was read and written apart from what is billed."""
    return usage.get("tokens") if isinstance(usage, dict) else None


def _chat(choice: Choice, usage: Any, model: Any = None, answer_id: Any = None) -> ChatResponse:
    return ChatResponse(id=answer_id, model=model, choices=[choice], usage=usage_of(usage))


def usage_of(usage: Any) -> Usage | None:
    """The tokens that were read and written; None where neither is said."""
    counts = usage if isinstance(usage, dict) else {}
    read = _count(counts, "promptTokenCount", "prompt_token_count", "inputTokens", "input_tokens")
    written = _count(counts, "candidatesTokenCount", "candidates_token_count", "outputTokens", "output_tokens")
    seen = _images_in(_either(counts, "promptTokensDetails", "prompt_tokens_details"))
    return Usage(read, written, seen) if (read, written) != (None, None) else None


def _images_in(details: Any) -> PromptDetails | None:
    """How many tokens of a prompt of Gemini's were pictures: it counts them by modality."""
    for one in details if isinstance(details, list) else ():
        match one:
            case {"modality": "IMAGE", "tokenCount": int(count)} | {"modality": "IMAGE", "token_count": int(count)}:
                return PromptDetails(count)
    return None


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
            case (
                {"functionCall": {"name": str(name), **more}}
                | {"function_call": {"name": str(name), **more}}
                | {"toolUse": {"name": str(name), **more}}
            ):
                calls.append(ToolCall(Function(name, more.get("args", more.get("input")))))
    return Choice(
        message=Answer("".join(texts) if texts else None, tool_calls=calls or None), finish_reason=ended_as(reason)
    )


def ended_as(reason: Any) -> str | None:
    """How a chat completion calls this end of an answer; None where it has not ended."""
    ended = str(reason or "").lower()
    return _REASONS.get(ended, ended) or None


def _parts(content: Any) -> list[Any]:
    parts = content.get("parts") if isinstance(content, dict) else None
    return parts if isinstance(parts, list) else [parts]


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
