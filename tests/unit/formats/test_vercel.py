"""Spans of Vercel's AI SDK: each call of a model counts once, with what the SDK's own attributes say of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.domain.events import Prediction
from monitor.domain.records import Record
from monitor.formats import FormatOptions, otlp_joined
from tests.unit.formats.spans import PARTITION, decode, in_json

PICTURE = "iVBORw0KGgo="


def messages(*parts: Any) -> str:
    asked = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, *parts]}]
    return json.dumps([{"role": "system", "content": "Be brief."}, *asked])


CALL: dict[str, Any] = {
    "operation.name": "ai.generateText.doGenerate shelf",
    "ai.operationId": "ai.generateText.doGenerate",
    "ai.telemetry.functionId": "shelf",
    "ai.model.id": "gpt-4o",
    "ai.model.provider": "openai.chat",
    "ai.prompt.messages": messages(),
    "ai.response.text": "A mug",
    "ai.response.finishReason": "stop",
    "ai.response.id": "chatcmpl-9",
    "ai.response.model": "gpt-4o-2024-08-06",
    "ai.usage.inputTokens": 9,
    "ai.usage.outputTokens": 2,
}
CONVENTIONS: dict[str, Any] = {
    "gen_ai.system": "openai.chat",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.response.id": "chatcmpl-9",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.usage.input_tokens": 9,
    "gen_ai.usage.output_tokens": 2,
}
OUTER: dict[str, Any] = {
    "ai.operationId": "ai.generateText",
    "ai.model.id": "gpt-4o",
    "ai.prompt": '{"prompt": "What is it?"}',
    "ai.response.text": "A mug",
    "ai.usage.inputTokens": 9,
}


def one(**attributes: Any) -> Prediction:
    (prediction,) = decode(in_json({"attributes": attributes}))
    assert isinstance(prediction, Prediction)
    return prediction


def without(name: str, **more: Any) -> dict[str, Any]:
    return {key: value for key, value in CALL.items() if key != name} | more


@pytest.mark.parametrize("conventions", [CONVENTIONS, {}], ids=["beside the conventions", "alone"])
def test_the_call_of_a_model_counts_and_not_the_span_around_it(conventions: dict[str, Any]) -> None:
    spans = [
        {"spanId": "1" * 16, "attributes": OUTER},
        {"spanId": "2" * 16, "parentSpanId": "1" * 16, "attributes": CALL | conventions},
    ]
    (prediction,) = decode(in_json(*spans))
    assert prediction.request_id.endswith("2" * 16)
    assert (prediction.model.name, prediction.model.version) == ("gpt-4o", "2024-08-06")
    assert (prediction.input.prompt, prediction.input.context) == ("What is it?", "Be brief.")
    assert (prediction.output.answer, prediction.status) == ("A mug", "ok")
    assert (prediction.tokens.input, prediction.tokens.output) == (9, 2)
    assert prediction.extra["gen_ai.response.finish_reasons"] == ["stop"]


def test_each_step_of_a_loop_of_tools_is_a_call() -> None:
    steps = [{"spanId": str(step) * 16, "attributes": CALL} for step in (2, 3)]
    assert len(decode(in_json({"spanId": "1" * 16, "attributes": OUTER}, *steps))) == 2


@pytest.mark.parametrize(
    "operation",
    ["ai.streamText.doStream", "ai.generateObject.doGenerate", "ai.streamObject.doStream"],
)
def test_streams_and_objects_are_calls_too(operation: str) -> None:
    assert one(**CALL | {"ai.operationId": operation}).output.answer == "A mug"


@pytest.mark.parametrize(
    "operation", ["ai.generateText", "ai.streamText", "ai.toolCall", "ai.embed", "ai.embed.doEmbed", "ai.embedMany"]
)
def test_other_spans_of_the_sdk_are_passed_over(operation: str) -> None:
    attributes = CALL | {"ai.operationId": operation, "gen_ai.request.model": "gpt-4o"}
    assert decode(in_json({"attributes": attributes})) == []


def test_the_conventions_come_first() -> None:
    said = {
        "gen_ai.request.model": "gpt-4.1",
        "gen_ai.response.model": "gpt-4.1",
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "text", "content": "A cup"}]}],
    }
    prediction = one(**CALL | said)
    assert (prediction.model.name, prediction.output.answer) == ("gpt-4.1", "A cup")
    assert (prediction.tokens.input, prediction.tokens.output) == (11, 2)
    assert decode(in_json({"attributes": CALL | {"gen_ai.operation.name": "invoke_agent"}})) == []


@pytest.mark.parametrize(
    ("part", "ref"),
    [
        ({"type": "image", "image": "https://example.org/a.png"}, "https://example.org/a.png"),
        ({"type": "image", "image": PICTURE, "mimeType": "image/png"}, f"data:image/png;base64,{PICTURE}"),
        ({"type": "file", "mediaType": "image/jpeg", "data": "/9j/4AA="}, "data:image/jpeg;base64,/9j/4AA="),
        ({"type": "file", "mediaType": "image/*", "data": PICTURE}, f"data:image/png;base64,{PICTURE}"),
        ({"type": "file", "mediaType": "image", "data": "https://example.org/a.png"}, "https://example.org/a.png"),
        (
            {"type": "file", "mediaType": "image/png", "data": f"data:image/png;base64,{PICTURE}"},
            f"data:image/png;base64,{PICTURE}",
        ),
        ({"type": "file", "mediaType": "application/pdf", "data": PICTURE}, None),
    ],
)
def test_pictures_are_read_as_each_version_writes_them(part: Any, ref: str | None) -> None:
    image = one(**without("ai.prompt.messages", **{"ai.prompt.messages": messages(part)})).input.image
    assert (image and image.ref) == ref


def test_names_of_older_versions_are_read() -> None:
    older = {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.id": "gpt-4o",
        "ai.prompt.messages": messages(),
        "ai.result.text": "A mug",
        "ai.finishReason": "content-filter",
        "ai.usage.promptTokens": 9,
        "ai.usage.completionTokens": 2,
    }
    prediction = one(**older)
    assert (prediction.output.answer, prediction.output.refused) == ("A mug", True)
    assert (prediction.tokens.input, prediction.tokens.output) == (9, 2)


def test_an_object_is_the_answer_as_it_was_written() -> None:
    said = '[{"type": "text", "label": "mug"}]'
    prediction = one(**without("ai.response.text", **{"ai.response.object": said}))
    assert prediction.output.answer == said


def test_a_call_of_tools_alone_has_no_answer() -> None:
    calls = '[{"toolCallId": "c1", "toolName": "find", "input": "{}"}]'
    prediction = one(**without("ai.response.text", **{"ai.response.toolCalls": calls}))
    assert (prediction.output.answer, prediction.status) == (None, "ok")


def test_an_answer_that_an_error_ended_is_a_failure() -> None:
    prediction = one(**CALL | {"ai.response.finishReason": "error"})
    assert (prediction.status, prediction.error_code, prediction.output.answer) == ("error", "error", "A mug")


def test_its_spans_are_whole_where_others_have_their_messages_apart() -> None:
    record = Record(PARTITION, 0, -1, in_json({"attributes": OUTER}, {"attributes": CALL}))
    (prediction,) = otlp_joined.decoder(FormatOptions())(record)
    assert isinstance(prediction, Prediction)
    assert prediction.output.answer == "A mug"
