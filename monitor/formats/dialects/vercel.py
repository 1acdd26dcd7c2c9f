"""Spans of Vercel's AI SDK, said as the GenAI conventions say it.

https://ai-sdk.dev/docs/ai-sdk-core/telemetry. A call of the SDK is an outer span (`ai.generateText`) and below it one
for each call of a model (`ai.generateText.doGenerate`): only these count, or each would twice. They have some
attributes of the conventions as well, which stand.
"""

from __future__ import annotations

from typing import Any, Final

from monitor.formats.spans import Attributes, Span, with_attributes

OPERATION: Final = "ai.operationId"
"""The attribute that every span of the SDK has, and those of others have not."""
_CALLS: Final = (".doGenerate", ".doStream")
_RENAMED: Final = {
    "gen_ai.request.model": ("ai.model.id",),
    "gen_ai.provider.name": ("ai.model.provider",),
    "gen_ai.response.model": ("ai.response.model",),
    "gen_ai.response.id": ("ai.response.id",),
    "gen_ai.input.messages": ("ai.prompt.messages",),
    "gen_ai.usage.input_tokens": ("ai.usage.inputTokens", "ai.usage.promptTokens"),
    "gen_ai.usage.output_tokens": ("ai.usage.outputTokens", "ai.usage.completionTokens"),
}
"""The conventions' name -> the SDK's, newer and older."""
_ANSWERS: Final = ("ai.response.text", "ai.response.object", "ai.result.text", "ai.result.object")
_REASONS: Final = ("ai.response.finishReason", "ai.finishReason")
_FAILED: Final = "error"
"""What the SDK calls the end of an answer that a failure cut."""


def translated(span: Span) -> Span:
    """The span with the attributes that the conventions have for what it says; those of others as they are."""
    said = span.attributes
    if OPERATION not in said:
        return span
    operation = str(said[OPERATION])
    more: dict[str, Any] = {"gen_ai.operation.name": "chat" if operation.endswith(_CALLS) else operation}
    for name, names in _RENAMED.items():
        if (value := _first(said, names)) is not None:
            more[name] = value
    if (answer := _first(said, _ANSWERS)) is not None:
        more["gen_ai.output.messages"] = [{"role": "assistant", "parts": [{"type": "text", "content": answer}]}]
    if (reason := _first(said, _REASONS)) is not None:
        more["gen_ai.response.finish_reasons"] = [reason]
        if reason == _FAILED:
            more["error.type"] = _FAILED
    return with_attributes(span, more)


def _first(said: Attributes, names: tuple[str, ...]) -> Any:
    return next((said[name] for name in names if said.get(name) is not None), None)
