"""Observations of Langfuse's SDKs, which are spans of OpenTelemetry since version 3.

https://github.com/langfuse/langfuse-python (langfuse/_client/attributes.py). Values that are no text stand as JSON.
Of its kinds only generations are calls of a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from monitor.formats.chats import read_json
from monitor.formats.spans import Span, with_attributes

_OBSERVATION: Final = "langfuse.observation."
KIND: Final = _OBSERVATION + "type"
"""The attribute that all observations have."""
_FAILED: Final = "ERROR"
_TOKENS: Final = {
    "gen_ai.usage.input_tokens": ("input", "prompt_tokens", "input_tokens", "promptTokens"),
    "gen_ai.usage.output_tokens": ("output", "completion_tokens", "output_tokens", "completionTokens"),
}
"""The conventions' name -> those under which services count."""
_OF_BODIES: Final = frozenset({"role", "content", "parts", "message", "messages", "choices", "candidates", "output"})


def translated(span: Span) -> Span:
    """The observation with the attributes that the conventions have for what it says."""
    said = {name.removeprefix(_OBSERVATION): value for name, value in span.attributes.items()}
    kind = str(said["type"]).lower()
    usage, cost = (_object(said.get(name)) for name in ("usage_details", "cost_details"))
    more = {
        "gen_ai.operation.name": "chat" if kind == "generation" else kind,
        "gen_ai.request.model": said.get("model.name"),
        "gen_ai.input.messages": said.get("input"),
        "gen_ai.output.messages": _answer(said.get("output")),
        "gen_ai.usage.cost": cost.get("total"),
        **{name: next((usage[one] for one in names if one in usage), None) for name, names in _TOKENS.items()},
    }
    if said.get("level") == _FAILED:
        span = replace(span, failed=True, message=span.message or str(said.get("status_message", "")))
    return with_attributes(span, {name: value for name, value in more.items() if value is not None})


def _answer(value: Any) -> Any:
    """An object that is neither a message nor a body of an API is what the model was to answer in JSON."""
    if isinstance(value, str) and isinstance(found := read_json(value), dict) and _OF_BODIES.isdisjoint(found):
        return [{"role": "assistant", "parts": [{"type": "text", "content": value}]}]
    return value


def _object(value: Any) -> Mapping[str, Any]:
    found = read_json(value)
    return found if isinstance(found, dict) else {}
