"""Spans of Genkit (https://github.com/genkit-ai/genkit), which keep input and output of each action as JSON.

Actions of the kind `model` are calls; flows, tools and the `generate` around them are not.
"""

from __future__ import annotations

from typing import Any, Final

from monitor.formats.chats import read_json
from monitor.formats.spans import Span, with_attributes
from monitor.formats.trees import at

KIND: Final = "genkit:type"
"""The attribute that all spans of Genkit have."""


def translated(span: Span) -> Span:
    """The span with the attributes that the conventions have for what it says."""
    said = span.attributes
    kind = said.get("genkit:metadata:subtype")
    if kind != "model":
        return with_attributes(span, {"gen_ai.operation.name": str(kind or said[KIND])})
    answered = read_json(said.get("genkit:output"))
    reason = at(answered, "finishReason")
    more: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": said.get("genkit:name"),
        "gen_ai.input.messages": said.get("genkit:input"),
        "gen_ai.output.messages": said.get("genkit:output"),
        "gen_ai.response.finish_reasons": [reason] if reason else None,
        "gen_ai.usage.input_tokens": at(answered, "usage", "inputTokens"),
        "gen_ai.usage.output_tokens": at(answered, "usage", "outputTokens"),
    }
    return with_attributes(span, {name: value for name, value in more.items() if value is not None})
