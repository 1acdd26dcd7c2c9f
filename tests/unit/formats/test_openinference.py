"""What spans with OpenInference's attributes become."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import pytest

from monitor.domain.events import Label, Prediction
from monitor.domain.records import Record
from monitor.formats import FormatOptions, openinference, otlp
from tests.unit.formats.spans import PARTITION, SPAN, TRACE, decode, in_json

COMPLETION = {
    "openinference.span.kind": "LLM",
    "llm.request.model_name": "gpt-3.5-turbo-instruct",
    "llm.response.model_name": "gpt-3.5-turbo-instruct-0914",
    "llm.prompts.0.prompt.text": "Once upon a time",
    "llm.choices.0.completion.text": "there was a dragon.",
    "llm.choices.1.completion.text": "there was a king.",
}


def test_annotations_and_evaluations_on_a_span_become_its_labels(sample: Callable[[str], Record]) -> None:
    prediction, *labels = otlp.decoder(FormatOptions(slices={"store": "metadata.store"}))(
        sample("otlp/openinference_image")
    )
    assert isinstance(prediction, Prediction)
    assert (prediction.output.confidence, prediction.cost_usd) == (0.91, 0.0031)
    assert prediction.slices == {"store": "north"}
    assert prediction.extra["session.id"] == "s-1"
    assert [(one.annotator.id, one.annotator.kind, one.verdict) for one in labels if isinstance(one, Label)] == [
        ("reviewer-42", "human", "correct"),
        ("hallucination", "llm", "incorrect"),
    ]


def test_each_text_of_an_embedding_call_is_a_prediction_with_its_vector(sample: Callable[[str], Record]) -> None:
    events = otlp.decoder(FormatOptions())(sample("otlp/openinference_embeddings"))
    assert [one.request_id.rpartition("-")[2] for one in events if isinstance(one, Prediction)] == [
        f"{SPAN}#0",
        f"{SPAN}#1",
        f"{SPAN}#2",
    ]
    second = events[1]
    assert isinstance(second, Prediction)
    assert second.input.prompt == "world"
    (vector,) = second.embeddings
    assert (vector.embedder, vector.kind) == ("text-embedding-ada-002", "prompt")
    assert struct.unpack("<3f", vector.data) == pytest.approx((0.4, 0.5, 0.6))


def test_a_retriever_gives_ranked_candidates(sample: Callable[[str], Record]) -> None:
    (event,) = otlp.decoder(FormatOptions())(sample("otlp/openinference_retriever"))
    assert isinstance(event, Prediction)
    assert event.task == "retrieval"
    assert event.model.name == "shop-assistant"  # the spans name no model: the service does
    assert [(one.answer, one.score) for one in event.output.candidates] == [("img-17", 0.98), ("img-4", 0.61)]


def test_a_classifier_gives_one_prediction_for_each_question(sample: Callable[[str], Record]) -> None:
    first, second = otlp.decoder(FormatOptions())(sample("otlp/openinference_classifier"))
    assert isinstance(first, Prediction)
    assert isinstance(second, Prediction)
    assert (first.output.answer, first.output.confidence) == ("false", 0.8)
    assert (second.output.answer, second.output.confidence) == ("technical", 0.7)
    assert second.slices == {"classification": "department"}


def test_a_text_completion_of_openinference_has_its_prompt_answer_and_version() -> None:
    (prediction,) = decode(in_json({"attributes": COMPLETION}))
    assert (prediction.input.prompt, prediction.output.answer) == ("Once upon a time", "there was a dragon.")
    assert (prediction.model.name, prediction.model.version) == ("gpt-3.5-turbo-instruct", "0914")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"model_name": "a", "response.model_name": "a-1"}, ("a", "1")),
        ({"model_name": "a", "request.model_name": "b", "response.model_name": "b"}, ("b", "")),
        ({"response.model_name": "a-1"}, ("a-1", "")),
        ({"model_name": "a"}, ("a", "")),
    ],
)
def test_names_of_a_model_of_openinference(names: dict[str, str], expected: tuple[str, str]) -> None:
    attributes = {"openinference.span.kind": "LLM"} | {f"llm.{name}": value for name, value in names.items()}
    (prediction,) = decode(in_json({"attributes": attributes}))
    assert (prediction.model.name, prediction.model.version) == expected


THOUGHT = {"type": "reasoning", "text": "The user asks about the colour."}
ANSWER = {"type": "text", "text": "Red."}


@pytest.mark.parametrize(
    "outputs",
    [
        [[THOUGHT, ANSWER]],  # Anthropic, Gemini
        [[THOUGHT], [ANSWER]],  # OpenAI's Responses API, a message for each item; with a summary of the reasoning
        [[{"type": "reasoning", "id": "rs_1"}], [ANSWER]],  # without
        [[], [ANSWER]],  # a search of the web before it
    ],
)
def test_reasoning_of_openinference_is_no_answer(outputs: list[list[dict[str, str]]]) -> None:
    """llm_spans.md of the specification, "Reasoning content"."""
    attributes = {"openinference.span.kind": "LLM", "llm.model_name": "o3-mini"}
    for i, parts in enumerate(outputs):
        attributes[f"llm.output_messages.{i}.message.role"] = "assistant"
        for j, part in enumerate(parts):
            message = f"llm.output_messages.{i}.message.contents.{j}.message_content"
            attributes |= {f"{message}.{name}": text for name, text in part.items()}
    (event,) = decode(in_json({"attributes": attributes}))
    assert event.output.answer == "Red."


def exported(**row: Any) -> Any:
    value = {"start_time": "2025-11-21T10:00:00Z", "end_time": "2025-11-21T10:00:01Z", **row}
    (event,) = openinference.decoder(FormatOptions())(Record(PARTITION, 0, -1, json.dumps(value).encode()))
    return event


def test_token_counts_of_a_data_frame_are_floats() -> None:
    """Rows of Phoenix's `get_spans_dataframe`: a null in the column makes floats of its whole numbers."""
    row = {"context.trace_id": "a", "context.span_id": "b", "span_kind": "LLM", "attributes.llm.model_name": "m"}
    event = exported(**row, **{"attributes.llm.token_count.prompt": 5.0, "attributes.llm.token_count.completion": None})
    assert (event.tokens.input, event.tokens.output) == (5, None)


SDK_SPAN: dict[str, Any] = {
    "context": {"trace_id": f"0x{TRACE}", "span_id": f"0x{SPAN}", "trace_state": "[]"},
    "status": {"status_code": "OK"},
    "resource": {"attributes": {"service.name": "shop"}, "schema_url": ""},
}
"""As the SDK of OpenTelemetry for Python writes spans (`ReadableSpan.to_json`)."""


def test_a_span_that_the_sdk_wrote_keeps_its_error_and_has_the_ids_of_otlp() -> None:
    attributes = {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o"}
    status = {"status_code": "ERROR", "description": "RateLimitError: 429"}
    event = exported(**SDK_SPAN | {"status": status}, attributes=attributes)
    assert (event.request_id, event.trace_id) == (f"{TRACE}-{SPAN}", TRACE)
    assert (event.status, event.extra["error_message"]) == ("error", "RateLimitError: 429")
    assert event.extra["service.name"] == "shop"


def test_a_span_that_the_sdk_wrote_may_be_of_the_genai_conventions() -> None:
    messages = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "hi"}]}])
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.input.messages": messages}
    event = exported(**SDK_SPAN, attributes=attributes)
    assert (event.input.prompt, event.model.name, event.latency_ms) == ("hi", "m", 1000.0)


def test_model_and_tokens_may_be_said_in_words_of_the_other_convention() -> None:
    said = {"gen_ai.request.model": "gpt-4o", "gen_ai.response.model": "gpt-4o-2024-08-06"}
    tokens = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
    (event,) = decode(in_json({"attributes": {"openinference.span.kind": "LLM", "input.value": "hi"} | said | tokens}))
    assert (event.model.name, event.model.version, event.input.prompt) == ("gpt-4o", "2024-08-06", "hi")
    assert (event.tokens.input, event.tokens.output) == (10, 5)


@pytest.mark.parametrize("kind", ["model_step", "model_chunk"])
def test_what_mastra_says_of_the_inside_of_a_call_is_no_other_call(kind: str) -> None:
    """mastra-ai/mastra, its exporter to Arize: three kinds of spans are `LLM`, and one of them names the model."""
    inside = {"openinference.span.kind": "LLM", "mastra.span.type": kind, "input.value": "hi"}
    call = COMPLETION | {"mastra.span.type": "model_generation"}
    spans = [{"spanId": f"{n:016x}", "attributes": one} for n, one in enumerate((inside, call, inside), 1)]
    (event,) = decode(in_json(*spans))
    assert event.request_id.endswith("2")


@pytest.mark.parametrize("image", [{"image": {"url": "https://a.example/b"}}, {"url": "https://a.example/b"}])
def test_the_address_of_a_picture_may_stand_one_level_higher(image: dict[str, Any]) -> None:
    """As clients that are not Arize's flatten it."""
    content = {"message_content": {"type": "image", "image": image}}
    messages = [{"message": {"role": "user", "contents": [content]}}]
    attributes = {"openinference.span.kind": "LLM", "llm.model_name": "m", "llm.input_messages": messages}
    event = exported(**SDK_SPAN, attributes=attributes)
    assert event.input.image.ref == "https://a.example/b"


@pytest.mark.parametrize("hidden", ["__REDACTED__", "<elided>", "redacted-by-litellm"])
def test_what_stands_where_a_text_was_hidden_is_none(hidden: str) -> None:
    span = {"openinference.span.kind": "LLM", "llm.model_name": "m", "input.value": hidden, "output.value": hidden}
    (call,) = decode(in_json({"attributes": span}))
    assert isinstance(call, Prediction)
    assert (call.input.prompt, call.output.answer) == (None, None)
