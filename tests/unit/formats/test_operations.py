"""Which operations of GenAI spans are calls, by the names that gateways and frameworks have for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.domain.events import Prediction
from monitor.domain.halves import Half
from monitor.domain.records import Record
from monitor.formats import FORMATS, FormatOptions
from tests.unit.formats.spans import PARTITION, decode, in_json

LITELLM = {
    "gen_ai.request.model": "gpt-4o",
    "llm.request.type": "acompletion",
    "gen_ai.system": "openai",
    "llm.is_streaming": "False",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.usage.total_tokens": 30,
    "gen_ai.usage.output_tokens": 20,
    "gen_ai.usage.input_tokens": 10,
    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "What is it?"}]}]),
    "gen_ai.operation.name": "acompletion",
    "gen_ai.output.messages": json.dumps(
        [{"role": "assistant", "parts": [{"type": "text", "content": "cat"}], "finish_reason": "stop"}]
    ),
    "gen_ai.response.finish_reasons": '["stop"]',
}
"""What its proxy writes of a chat (BerriAI/litellm, litellm/integrations/opentelemetry.py: `set_attributes`)."""


@pytest.mark.parametrize("form", ["otlp", "auto"])
def test_a_call_of_litellms_proxy_is_one(form: str) -> None:
    (event,) = FORMATS[form](FormatOptions())(Record(PARTITION, 0, -1, in_json({"attributes": LITELLM})))
    assert isinstance(event, Prediction)
    assert (event.input.prompt, event.output.answer) == ("What is it?", "cat")
    assert (event.model.name, event.model.version) == ("gpt-4o", "2024-08-06")


def test_beside_its_events_such_a_call_is_a_half() -> None:
    (half,) = FORMATS["otlp_joined"](FormatOptions())(Record(PARTITION, 0, -1, in_json({"attributes": LITELLM})))
    assert isinstance(half, Half)


@pytest.mark.parametrize("name", ["gen_ai.operation.name", "llm.request.type"])
@pytest.mark.parametrize(
    "operation",
    [
        *("acompletion", "text_completion", "atext_completion", "responses", "aresponses", "anthropic_messages"),
        *("aanthropic_messages", "agenerate_content", "generate_content_stream", "agenerate_content_stream"),
        *("chat.completions", "text.completions", "chat.streaming_completions", "text.streaming_completions"),
    ],
)
def test_every_kind_of_chat_is_a_call(name: str, operation: str) -> None:
    """LiteLLM's `CallTypes` (litellm/types/utils.py); those of microsoft/semantic-kernel (`decorators.py`,
    `ModelDiagnostics.cs`). Where LiteLLM captures no content, only its request type is there.
    """
    (event,) = decode(in_json({"attributes": {"gen_ai.request.model": "gpt-4o", name: operation}}))
    assert event.model.name == "gpt-4o"


@pytest.mark.parametrize("name", ["gen_ai.operation.name", "llm.request.type"])
@pytest.mark.parametrize(
    "operation",
    [
        *("embeddings", "aembedding", "arerank", "aimage_generation", "amoderation", "atranscription", "_arealtime"),
        *("call_mcp_tool", "execute_tool", "invoke_agent", "create_agent", "pass_through_endpoint", "chat.thread"),
    ],
)
def test_other_operations_are_passed_over(name: str, operation: str) -> None:
    assert decode(in_json({"attributes": {"gen_ai.request.model": "m", name: operation}})) == []


def event(name: str, content: str) -> dict[str, Any]:
    attributes = [
        {"key": "gen_ai.event.content", "value": {"stringValue": content}},
        {"key": "gen_ai.system", "value": {"stringValue": "openai"}},
    ]
    return {"name": name, "timeUnixNano": "1763719200000000001", "attributes": attributes}


def test_semantic_kernel_for_net_spells_a_filter_its_own_way() -> None:
    """microsoft/semantic-kernel, dotnet/src/InternalUtilities/src/Diagnostics/ModelDiagnostics.cs."""
    choice = '{"index": 0, "message": {"role": "Assistant", "content": "ca"}, "tool_calls": [], "finish_reason": %s}'
    events = [
        event("gen_ai.user.message", '{"role": "user", "content": "What is it?"}'),
        event("gen_ai.choice", choice % '"ContentFilter"'),
    ]
    said = {
        "gen_ai.operation.name": "chat.completions",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.response.finish_reason": '["ContentFilter"]',
    }
    (whole,) = decode(in_json({"attributes": said, "events": events}))
    assert (whole.input.prompt, whole.output.answer, whole.output.refused) == ("What is it?", "ca", True)
    (silent,) = decode(in_json({"attributes": said}))
    assert silent.output.refused


def test_the_answer_of_its_text_completion_is_plain_text() -> None:
    said = {"gen_ai.operation.name": "text.completions", "gen_ai.request.model": "davinci-002"}
    events = [
        event("gen_ai.user.message", "Tell me a joke"),
        event("gen_ai.choice", '{"index": 0, "message": "A joke", "finish_reason": "Stop"}'),
    ]
    (whole,) = decode(in_json({"attributes": said, "events": events}))
    assert (whole.input.prompt, whole.output.answer) == ("Tell me a joke", "A joke")


def test_semantic_kernel_for_python_writes_members_of_an_enum() -> None:
    """microsoft/semantic-kernel, python/semantic_kernel/utils/telemetry/model_diagnostics/decorators.py."""
    said = {"gen_ai.operation.name": "chat.streaming_completions", "gen_ai.request.model": "gpt-4o"}
    reasons = {"gen_ai.response.finish_reason": "FinishReason.CONTENT_FILTER"}
    (whole,) = decode(in_json({"attributes": said | reasons}))
    assert whole.output.refused
