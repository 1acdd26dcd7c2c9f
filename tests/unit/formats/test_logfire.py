"""Spans of Logfire's own instrumentations, after pydantic/logfire, tests/otel_integrations/test_openai.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.domain.events import Prediction
from monitor.domain.records import Record
from monitor.formats import FORMATS, FormatOptions
from tests.unit.formats.spans import PARTITION, decode, in_json

PICTURE = "https://a.example/b.png"
ASKED: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PICTURE}}],
        },
    ],
    "model": "gpt-4o",
}
MESSAGE = {"message": {"content": "A mug.", "role": "assistant", "refusal": None}}
USAGE = {"usage": {"completion_tokens": 3, "prompt_tokens": 2, "total_tokens": 5}}
OPENING = {"logfire.span_type": "span", "gen_ai.request.model": "gpt-4o", "async": False}
LOG = OPENING | {"logfire.span_type": "log", "duration": 1.5}


def span(request: Any, response: Any = None, **more: Any) -> dict[str, Any]:
    said = {"request_data": json.dumps(request)} | ({"response_data": json.dumps(response)} if response else {})
    return OPENING | said | more


def read(*attributes: dict[str, Any], **more: Any) -> list[Any]:
    return decode(in_json(*({"attributes": one, **more} for one in attributes)))


def test_of_older_versions_the_bodies_are_all_there_is() -> None:
    (event,) = read(span(ASKED, MESSAGE | USAGE))
    assert (event.input.prompt, event.input.context, event.output.answer) == ("What is it?", "Be brief.", "A mug.")
    assert event.input.image.ref == PICTURE
    assert (event.tokens.input, event.tokens.output, event.model.name) == (2, 3, "gpt-4o")


def test_what_newer_versions_say_in_words_of_the_conventions_stands() -> None:
    answer = [{"role": "assistant", "parts": [{"type": "text", "content": "A cup."}]}]
    said = {"gen_ai.operation.name": "chat", "gen_ai.output.messages": json.dumps(answer)}
    (event,) = read(span(ASKED, MESSAGE, **said))
    assert (event.input.prompt, event.output.answer) == ("What is it?", "A cup.")


@pytest.mark.parametrize("form", ["otlp", "otlp_joined"])
@pytest.mark.parametrize("operation", [{}, {"gen_ai.operation.name": "chat", "gen_ai.response.model": "gpt-4o"}])
def test_a_stream_is_one_call_and_its_log_says_what_came(form: str, operation: dict[str, str]) -> None:
    opened = span(ASKED | {"stream": True}) | operation
    log = opened | LOG | {"response_data": '{"combined_chunk_content": "A mug.", "chunk_count": 2}'}
    at = "1763719202000000000"
    value = in_json({"attributes": opened}, {"attributes": log, "startTimeUnixNano": at, "endTimeUnixNano": at})
    (event,) = FORMATS[form](FormatOptions())(Record(PARTITION, 0, -1, value))
    assert isinstance(event, Prediction)
    assert (event.input.prompt, event.output.answer, event.latency_ms) == ("What is it?", "A mug.", 1500.0)


def test_a_stream_that_never_opened_is_a_failed_call() -> None:
    (event,) = read(span(ASKED | {"stream": True}), status={"code": 2, "message": "boom"})
    assert (event.status, event.input.prompt) == ("error", "What is it?")


def test_of_the_azure_sdk_only_the_log_has_the_answer() -> None:
    """test_azure_ai_inference.py: its body says nothing of a stream."""
    question = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Tell me a secret"}]}])
    answer = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "The answer is secret"}]}])
    opened = span({"model": "gpt-4"}, **{"gen_ai.operation.name": "chat", "gen_ai.input.messages": question})
    (event,) = read(opened, opened | LOG | {"gen_ai.output.messages": answer})
    assert (event.input.prompt, event.output.answer) == ("Tell me a secret", "The answer is secret")


@pytest.mark.parametrize("stream", [True, False])
def test_of_the_responses_api_the_messages_are_events(stream: bool) -> None:
    asked = {"event.name": "gen_ai.user.message", "content": "Hi", "role": "user"}
    said = {"event.name": "gen_ai.assistant.message", "content": "Hello.", "role": "assistant"}
    opened = span({"model": "gpt-4.1", "stream": stream}, events=json.dumps([asked]))
    done = opened | {"events": json.dumps([asked, said])}
    (event,) = read(opened, done | LOG) if stream else read(done)
    assert (event.input.prompt, event.output.answer) == ("Hi", "Hello.")


def test_a_text_completion_has_its_prompt_and_text() -> None:
    (event,) = read(span({"model": "m", "prompt": "Four plus five?"}, {"finish_reason": "stop", "text": "Nine"}))
    assert (event.input.prompt, event.output.answer) == ("Four plus five?", "Nine")


def test_anthropics_system_prompt_stands_beside_the_messages() -> None:
    """test_anthropic.py."""
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]
    asked = {"system": "Be brief.", "messages": [{"role": "user", "content": content}], "model": "claude"}
    (event,) = read(span(asked, MESSAGE | {"usage": {"input_tokens": 2, "output_tokens": 3}}))
    assert (event.input.context, event.input.image.ref) == ("Be brief.", "data:image/png;base64,iVBORw0KGgo=")
    assert (event.output.answer, event.tokens.output) == ("A mug.", 3)


def test_an_attribute_of_that_name_that_is_not_logfires_says_nothing() -> None:
    (event,) = read({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "request_data": json.dumps(ASKED)})
    assert event.input.prompt is None


def test_embeddings_are_passed_over() -> None:
    assert read(span({"input": "hi", "model": "e", "encoding_format": "base64"}, USAGE)) == []


@pytest.mark.parametrize("data", ["nothing", "[1]", "7", '{"messages": 7}', '{"prompt": [1], "system": [7]}'])
def test_other_attributes_of_that_name_cost_nothing(data: str) -> None:
    (event,) = read(OPENING | {"request_data": data, "gen_ai.usage.input_tokens": 1, "gen_ai.operation.name": "chat"})
    assert getattr(event, "input", None) is None or event.input.prompt is None
