"""Messages as events of a span, in the shapes of Azure's SDKs and Strands Agents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.domain.events import Prediction
from tests.unit.formats.spans import decode, in_json

CHAT = {"gen_ai.operation.name": "responses", "gen_ai.provider.name": "azure.openai", "gen_ai.request.model": "gpt-4o"}
DATA = "data:image/png;base64,iVBORw0KGgo="


def read(*events: tuple[str, dict[str, Any]]) -> Prediction:
    rows = [
        {
            "name": name,
            "timeUnixNano": "1763719200000000001",
            "attributes": [
                {"key": key, "value": {"stringValue": one if isinstance(one, str) else json.dumps(one)}}
                for key, one in said.items()
            ],
        }
        for name, said in events
    ]
    (event,) = decode(in_json({"attributes": CHAT, "events": rows}))
    assert isinstance(event, Prediction)
    return event


def azure(role: str, body: Any) -> tuple[str, dict[str, Any]]:
    return f"gen_ai.{role}.message", {"gen_ai.message.role": role, "gen_ai.event.content": body}


def listed(side: str, *parts: Any) -> tuple[str, dict[str, Any]]:
    role = "user" if side == "input" else "assistant"
    return f"gen_ai.{side}.messages", {"gen_ai.event.content": [{"role": role, "parts": list(parts)}]}


def test_lists_of_messages_may_be_events() -> None:
    """azure-ai-projects 2 (Azure/azure-sdk-for-python, its tests of telemetry: `expected_events`)."""
    event = read(
        listed("input", {"type": "text", "content": "Write a short poem about AI"}),
        listed("output", {"type": "tool_call", "content": {"type": "web_search", "id": "ws_1"}}),
        listed("output", {"type": "text", "content": "It thinks."}),
    )
    assert (event.input.prompt, event.output.answer) == ("Write a short poem about AI", "It thinks.")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"text": "What is it?"}, {"text": "A mug."}),
        (
            {"content": [{"type": "text", "text": "What is it?"}, {"type": "image", "image_url": DATA}]},
            {"content": [{"type": "text", "text": "A mug."}]},
        ),
    ],
)
def test_the_answer_of_the_responses_api_is_a_message_too(asked: Any, said: Any) -> None:
    """Its earlier versions (`_responses_instrumentor.py`: `_add_message_event`, `_add_structured_input_events`)."""
    call = azure("assistant", {"content": [{"type": "tool_call", "tool_call": {"type": "function"}}]})
    event = read(azure("user", asked), call, azure("assistant", said))
    assert (event.input.prompt, event.output.answer) == ("What is it?", "A mug.")
    assert (event.input.image and event.input.image.ref) == (DATA if "content" in asked else None)


DETAILS = "gen_ai.client.inference.operation.details"


@pytest.mark.parametrize(
    ("source", "ref"),
    [
        ({"bytes": "<replaced>"}, None),
        ({"bytes": "iVBORw0KGgo="}, DATA),
        ({"location": {"type": "s3", "uri": "s3://a/b.png"}}, "s3://a/b.png"),
    ],
)
@pytest.mark.parametrize("latest", [True, False])
def test_pictures_of_strands_agents(source: Any, ref: str | None, latest: bool) -> None:
    """strands-agents/sdk-python, src/strands/telemetry/tracer.py: its encoder leaves the bytes of pictures out, and the
    latest conventions have whole blocks as the content of a part.
    """
    block = {"format": "png", "source": source}
    parts = [{"type": "text", "content": "What is it?"}, {"type": "image", "content": block}]
    messages = json.dumps([{"role": "user", "parts": parts}])
    old = {"content": json.dumps([{"text": "What is it?"}, {"image": block}])}
    event = read((DETAILS, {"gen_ai.input.messages": messages}) if latest else ("gen_ai.user.message", old))
    assert (event.input.prompt, event.input.image and event.input.image.ref) == ("What is it?", ref)
