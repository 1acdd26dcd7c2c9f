"""Spans of Logfire's own instrumentations (OpenAI, Anthropic, Azure's inference SDK), which keep the bodies of a call.

https://github.com/pydantic/logfire (logfire/_internal/integrations/llm_providers). Older versions have nothing else;
newer ones the conventions' messages beside them. Of a stream the span ends when it opens, and a log, which is a span
without length, says what came and how long it took: only that is the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from monitor.formats.chats import read_json
from monitor.formats.spans import Span, with_attributes
from monitor.formats.trees import at

REQUEST: Final = "request_data"
"""The attribute that all these spans have."""
_TYPE: Final = "logfire.span_type"
_RESPONSE: Final = "response_data"
_ANSWERS: Final = frozenset({_RESPONSE, "gen_ai.output.messages"})
_UNSTREAMED: Final = frozenset({"gen_ai.usage.input_tokens", "events"})
"""What a span has whose answer was not streamed, also where it says no word of it."""
_ASKS: Final = frozenset({"messages", "prompt"})


def translated(span: Span) -> Span:
    """The span, or the log of a stream, with the attributes that the conventions have for what it says."""
    said = span.attributes
    request = read_json(said[REQUEST])
    if not isinstance(request, dict) or _TYPE not in said:
        return span
    response = read_json(said.get(_RESPONSE))
    more: dict[str, Any] = {"gen_ai.request.model": request.get("model")}
    is_log = said[_TYPE] == "log"
    if not is_log and not span.failed and _opens_a_stream(said, request):
        return replace(span, attributes={**said, "gen_ai.operation.name": "stream"})
    more["gen_ai.operation.name"] = "chat" if _ASKS & request.keys() or "events" in said else "other"
    more |= _asked(request) | _answered(response)
    more = {name: value for name, value in more.items() if value is not None}
    return with_attributes(_lasting(span) if is_log else span, more)


def _opens_a_stream(said: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    if not _ANSWERS.isdisjoint(said):
        return False
    return bool(request.get("stream")) or _UNSTREAMED.isdisjoint(said)


def _asked(request: Mapping[str, Any]) -> dict[str, Any]:
    """Out of the body of a request: messages, or the prompt of a text completion."""
    messages, prompt = request.get("messages"), request.get("prompt")
    if isinstance(prompt, str):
        messages = [{"role": "user", "content": prompt}]
    return {
        "gen_ai.input.messages": messages if isinstance(messages, list) else None,
        "gen_ai.system_instructions": request.get("system"),
    }


def _answered(response: Any) -> dict[str, Any]:
    """Out of what is kept of a response: its message or text, or of a stream all that came."""
    answer = at(response, "combined_chunk_content") or at(response, "text")
    message = at(response, "message") or (isinstance(answer, str) and {"content": answer})
    found = [{"role": "assistant", **message}] if isinstance(message, dict) else None
    usage = at(response, "usage")
    return {
        "gen_ai.output.messages": found,
        "gen_ai.response.finish_reasons": at(response, "finish_reason") and [at(response, "finish_reason")],
        "gen_ai.usage.input_tokens": at(usage, "prompt_tokens") or at(usage, "input_tokens"),
        "gen_ai.usage.output_tokens": at(usage, "completion_tokens") or at(usage, "output_tokens"),
    }


def _lasting(span: Span) -> Span:
    """The log of a stream as long as it took, in seconds; it is written at the end."""
    duration = span.attributes.get("duration")
    if isinstance(duration, int | float) and 0 <= duration * 1e9 < span.end_ns:
        return replace(span, start_ns=span.end_ns - round(duration * 1e9))
    return span
