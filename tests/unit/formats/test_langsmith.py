"""What LangSmith exports to OpenTelemetry: what went into a run and came out of it, as JSON text.

langchain-ai/langsmith-sdk, python/langsmith/_internal/otel/_otel_exporter.py (`_set_io_attributes`).
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

from monitor.domain.events import Prediction
from tests.unit.formats.spans import decode, in_json

RUN = {
    "langsmith.span.kind": "llm",
    "gen_ai.operation.name": "chat",
    "gen_ai.system": "openai",
    "gen_ai.request.model": "gpt-4o",
}
ASKED = {"messages": [{"role": "user", "content": "What is it?"}], "model": "gpt-4o"}


def read(asked: Any, answered: Any, **more: Any) -> Prediction:
    said = {"gen_ai.prompt": json.dumps(asked), "gen_ai.completion": json.dumps(answered)}
    (event,) = decode(in_json({"attributes": RUN | said | more}))
    assert isinstance(event, Prediction)
    return event


def openai(content: str | None, finish_reason: str) -> dict[str, Any]:
    """What `wrap_openai` hands over."""
    message = {"content": content, "refusal": None, "role": "assistant"}
    return {
        "id": "chatcmpl-1",
        "choices": [{"finish_reason": finish_reason, "index": 0, "logprobs": None, "message": message}],
        "created": 1763719205,
        "model": "gpt-4o-2024-08-06",
        "object": "chat.completion",
        "usage_metadata": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    }


def constructed(kind: str, content: Any, **more: Any) -> dict[str, Any]:
    """A message as LangChain's `dumpd` writes it."""
    place = ["langchain", "schema", "messages", kind]
    return {"lc": 1, "type": "constructor", "id": place, "kwargs": {"content": content, **more}}


def generation(**said: Any) -> dict[str, Any]:
    return {"generations": [[said]], "llm_output": {"token_usage": {}}, "run": None, "type": "LLMResult"}


def test_the_answer_of_a_chat_completion_is_that_of_its_choice() -> None:
    event = read(ASKED, openai("cat", "stop"), **{"gen_ai.response.finish_reasons": "stop"})
    assert (event.input.prompt, event.output.answer, event.output.refused) == ("What is it?", "cat", False)


def test_so_it_is_where_they_are_bytes() -> None:
    """The exporter sets the bytes that it has (`SerializedRunOperation.inputs`); whether they become text is up to
    OpenTelemetry's SDK.
    """
    span = TracerProvider().get_tracer("langsmith").start_span("ChatOpenAI", attributes=RUN)
    span.set_attribute("gen_ai.prompt", json.dumps(ASKED, ensure_ascii=False).encode())
    span.set_attribute("gen_ai.completion", json.dumps(openai("cät", "stop"), ensure_ascii=False).encode())
    span.end()
    assert isinstance(span, ReadableSpan)
    (event,) = decode(encode_spans([span]).SerializeToString())
    assert (event.input.prompt, event.output.answer) == ("What is it?", "cät")


@pytest.mark.parametrize("text", ["eyJ is how it begins", "eyJhbGciOiJub25lIn0.e30.", "eyJ", "eyJ/////"])
def test_text_that_only_begins_like_bytes_is_text(text: str) -> None:
    """The second is a web token."""
    (event,) = decode(in_json({"attributes": RUN | {"gen_ai.prompt": text}}))
    assert event.input.prompt == text


def test_what_a_filter_stopped_is_refused() -> None:
    event = read(ASKED, openai(None, "content_filter"), **{"gen_ai.response.finish_reasons": "content_filter"})
    assert (event.output.answer, event.output.refused) == (None, True)


def test_finish_reasons_are_joined_by_commas() -> None:
    reasons = {"gen_ai.response.finish_reasons": "stop, content_filter"}
    (event,) = decode(in_json({"attributes": RUN | reasons}))
    assert event.output.refused


@pytest.mark.parametrize("last", ["AIMessage", "AIMessageChunk"])
def test_messages_of_langchain_are_unpacked(last: str) -> None:
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "https://a.example/b"}},
    ]
    asked = [
        constructed("SystemMessage", "Be brief.", type="system"),
        constructed("HumanMessage", "Hello", type="human"),
        constructed("AIMessage", "Hi!", type="ai", tool_calls=[]),
        constructed("HumanMessage", parts, type="human"),
    ]
    answer = constructed(last, "cat", type="ai", response_metadata={"finish_reason": "stop"}, id="run-1")
    info = {"finish_reason": "stop", "logprobs": None}
    event = read(
        {"messages": [asked]}, generation(text="cat", generation_info=info, type="ChatGeneration", message=answer)
    )
    assert (event.input.context, event.input.prompt, event.output.answer) == ("Be brief.", "What is it?", "cat")
    assert event.input.image is not None
    assert event.input.image.ref == "https://a.example/b"


def test_its_generations_say_why_they_ended() -> None:
    info = {"finish_reason": "content_filter"}
    event = read({"messages": [[]]}, generation(text="", generation_info=info, message=constructed("AIMessage", "")))
    assert event.output.refused


def test_text_completions_of_langchain_are_prompts_and_texts() -> None:
    event = read({"prompts": ["Tell me a joke"]}, generation(text="A joke", generation_info=None, type="Generation"))
    assert (event.input.prompt, event.output.answer) == ("Tell me a joke", "A joke")


@pytest.mark.parametrize(
    "body",
    [
        {"output": 7},
        {"input": "Hi", "model": "m"},
        {"choices": [{"delta": {}}]},
        {"messages": [7]},
        {"prompts": [7]},
        {},
    ],
)
def test_an_object_of_another_kind_says_nothing(body: Any) -> None:
    """What a traced function took and gave."""
    event = read(body, body)
    assert (event.input.prompt, event.output.answer) == (None, None)


def test_other_text_is_the_message() -> None:
    (event,) = decode(in_json({"attributes": RUN | {"gen_ai.prompt": "What is it?", "gen_ai.completion": "{a cat}"}}))
    assert (event.input.prompt, event.output.answer) == ("What is it?", "{a cat}")
