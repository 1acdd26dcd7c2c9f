"""Spans of Google's Agent Development Kit, which puts two around each call of a model.

https://github.com/google/adk-python (src/google/adk/telemetry/tracing.py). The outer one, `call_llm`, keeps both bodies
and the tokens. The inner one, `generate_content`, came later; it keeps the conventions, and its messages are logged
beside it. It is alone where the call failed. So each call counts once: on a topic of spans by the outer one, unless
the call failed, and by the inner one where its messages are read as well.
"""

from __future__ import annotations

from typing import Any, Final

from monitor.formats.chats import read_json
from monitor.formats.spans import Span, with_attributes
from monitor.formats.trees import at

REQUEST: Final = "gcp.vertex.agent.llm_request"
"""What the outer span has, and those of tools, where it is empty."""
_EVENT: Final = "gcp.vertex.agent.event_id"
"""What both have, and hardly anything else of a call."""


def is_inner(span: Span) -> bool:
    """Is it the inner span of a call that the outer one tells?"""
    said = span.attributes
    return _EVENT in said and REQUEST not in said and not (span.failed or "error.type" in said)


def is_outer(span: Span) -> bool:
    return REQUEST in span.attributes


def translated(span: Span) -> Span:
    """The outer span with the attributes that the conventions have for what it says."""
    said = span.attributes
    if "gen_ai.request.model" not in said:  # of a tool
        return span
    instruction = at(read_json(said[REQUEST]), "config", "system_instruction")
    more: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": said[REQUEST],
        "gen_ai.output.messages": said.get("gcp.vertex.agent.llm_response"),
        "gen_ai.system_instructions": instruction if isinstance(instruction, str) else None,
        "gen_ai.conversation.id": said.get("gcp.vertex.agent.session_id"),
    }
    return with_attributes(span, {name: value for name, value in more.items() if value is not None})
