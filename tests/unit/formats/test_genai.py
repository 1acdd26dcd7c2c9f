"""What spans of the GenAI conventions become, as real instrumentations and servers write them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.domain.events import Prediction
from monitor.domain.records import Record
from monitor.errors import InvalidEvent
from monitor.formats import FormatOptions, otlp_joined
from tests.unit.formats.spans import PARTITION, decode, in_json

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
COMPLETION = {"gen_ai.system": "OpenAI", "gen_ai.request.model": "davinci-002", "llm.request.type": "completion"}
PNG = "iVBORw0KGgo="
DATA = f"data:image/png;base64,{PNG}"
SERVED = {
    "gen_ai.request.id": "cmpl-4b2f",
    "gen_ai.usage.prompt_tokens": 4,
    "gen_ai.usage.completion_tokens": 10,
    "gen_ai.latency.e2e": 0.15,
}


def read(attributes: dict[str, Any], **options: Any) -> Prediction:
    (event,) = decode(in_json({"attributes": attributes}), **options)
    assert isinstance(event, Prediction)
    return event


def asked(content: Any) -> Prediction:
    return read(CHAT | {"gen_ai.input.messages": json.dumps([{"role": "user", "parts": content}])})


def image_of(event: Prediction) -> str | None:
    return event.input.image and event.input.image.ref


@pytest.mark.parametrize("more", [{}, {"gen_ai.prompt.0.role": "user"}])
def test_the_prompt_of_a_text_completion_stands_under_user(more: dict[str, str]) -> None:
    """OpenLLMetry: openai completions, bedrock, vertexai; its Cohere for JavaScript writes the role as well."""
    said = {"gen_ai.prompt.0.user": "Tell me a joke", "gen_ai.completion.0.content": "A joke"}
    event = read(COMPLETION | said | more)
    assert (event.input.prompt, event.output.answer) == ("Tell me a joke", "A joke")


def test_a_flattened_message_of_an_unknown_shape_costs_itself_alone() -> None:
    said = {"gen_ai.prompt.0.surprise": "?", "gen_ai.prompt.1": "?", "gen_ai.completion.0.content": "A joke"}
    event = read(COMPLETION | said | {"gen_ai.usage.prompt_tokens": 6})
    assert (event.input.prompt, event.output.answer) == (None, "A joke")
    assert event.tokens is not None
    assert event.tokens.input == 6


@pytest.mark.parametrize(
    ("part", "image"),
    [
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}, DATA),
        ({"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}}, "https://a.example/b.png"),
        ({"image": {"format": "png", "source": {"bytes": PNG}}}, DATA),
        ({"image": {"format": "png", "source": {"s3Location": {"uri": "s3://a/b.png"}}}}, "s3://a/b.png"),
        ({"type": "image-url", "url": "https://a.example/b.png"}, "https://a.example/b.png"),
        ({"type": "binary", "media_type": "image/png", "content": PNG}, DATA),
        ({"type": "binary", "media_type": "audio/wav", "content": PNG}, None),
        ({"inline_data": {"mime_type": "image/png", "data": PNG}}, DATA),
        ({"file_data": {"mime_type": "image/png", "file_uri": "gs://a/b.png"}}, "gs://a/b.png"),
        ({"file_data": {"mime_type": "video/mp4", "file_uri": "gs://a/b.mp4"}}, None),
        ({"type": "image_url", "image_url": {"url": PNG}}, DATA),
        ({"kind": "image-url", "url": "https://a.example/b.png"}, "https://a.example/b.png"),
        ({"kind": "binary", "media_type": "image/png", "binary_content": PNG}, DATA),
        ({"kind": "binary", "media_type": "application/pdf", "binary_content": PNG}, None),
        ({"kind": "image-url"}, None),
        ({"inlineData": {"mimeType": "image/png", "data": PNG}}, DATA),
        ({"fileData": {"mimeType": "image/png", "fileUri": "gs://a/b.png"}}, "gs://a/b.png"),
        ({"type": "image", "source_type": "url", "url": "https://a.example/b.png"}, "https://a.example/b.png"),
        ({"type": "image", "source_type": "base64", "data": PNG, "mime_type": "image/png"}, DATA),
        ({"type": "image", "base64": PNG, "mime_type": "image/png"}, DATA),
        ({"type": "media", "data": PNG, "mime_type": "image/png"}, DATA),
        ({"type": "media", "file_uri": "gs://a/b.png", "mime_type": "image/png"}, "gs://a/b.png"),
        ({"type": "media", "file_uri": "gs://a/b.mp4", "mime_type": "video/mp4"}, None),
        ({"type": "input_image", "file_id": "file-1"}, "urn:gen-ai-file:file-1"),
        ({"type": "image", "source": {"type": "file", "file_id": "file_1"}}, "urn:gen-ai-file:file_1"),
        ({"type": "blob", "modality": "image", "mime_type": "image/png", "content": "<elided>"}, None),
    ],
)
def test_the_picture_is_found_in_the_shapes_of_every_api(part: dict[str, Any], image: str | None) -> None:
    """Anthropic's, Bedrock's, Pydantic AI's (of its first version under `kind`: pydantic/pydantic-ai,
    tests/models/test_instrumented.py), Gemini's, LangChain's, OpenAI's Responses API, and bare base64 as Ollama's
    documentation has it.
    """
    event = asked([{"text": "What is it?"}, part])
    assert (event.input.prompt, image_of(event)) == ("What is it?", image)


def test_messages_in_json_text_may_have_parts_without_a_type() -> None:
    """OpenLLMetry: the blocks of Bedrock's Converse API."""
    blocks = [{"text": "What is it?"}, {"image": {"format": "png", "source": {"bytes": PNG}}}]
    said = {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": json.dumps(blocks)}
    event = read(CHAT | said | {"gen_ai.completion.0.content": '[{"text": "A cat"}]'})
    assert (event.input.prompt, image_of(event), event.output.answer) == ("What is it?", DATA, "A cat")


@pytest.mark.parametrize("answer", ['[{"text": "TOTAL", "box": [0, 0, 9, 9]}]', '[{"label": "cat"}]', '{"text": "a"}'])
def test_an_answer_that_only_looks_like_parts_stays_text(answer: str) -> None:
    event = read(CHAT | {"gen_ai.completion.0.content": answer, "gen_ai.completion.0.role": "assistant"})
    assert event.output.answer == answer


@pytest.mark.parametrize("thought", [{"type": "thinking", "content": "hm"}, {"text": "hm", "thought": True}])
def test_reasoning_is_no_answer(thought: dict[str, Any]) -> None:
    """Pydantic AI's, Gemini's."""
    messages = [{"role": "assistant", "parts": [thought, {"type": "text", "content": "Red."}]}]
    assert read(CHAT | {"gen_ai.output.messages": messages}).output.answer == "Red."


@pytest.mark.parametrize("reason", ["content_filter", "content_filtered", "guardrail_intervened", "SAFETY"])
def test_a_filter_is_told_by_the_finish_reason_of_the_message(reason: str) -> None:
    """The convention's output messages; the reasons are OpenAI's, Bedrock's (two) and Gemini's."""
    messages = [{"role": "assistant", "parts": [{"type": "text", "content": ""}], "finish_reason": reason}]
    output = read(CHAT | {"gen_ai.output.messages": json.dumps(messages)}).output
    assert output.refused
    assert output.safety is not None
    assert (output.safety.flagged, output.safety.categories) == (True, ("content_filter",))


def test_what_stands_in_place_of_a_filtered_answer_is_none() -> None:
    """OpenLLMetry with Azure."""
    said = {"gen_ai.completion.0.content": "FILTERED", "gen_ai.completion.0.finish_reason": "content_filter"}
    output = read(CHAT | said).output
    assert (output.answer, output.refused) == (None, True)
    assert read(CHAT | said | {"gen_ai.completion.0.finish_reason": "stop"}).output.answer == "FILTERED"


def items(*parts: tuple[str, str, str]) -> dict[str, Any]:
    """`gen_ai.output.messages` with one message for each output item: type, content and finish reason."""
    messages = [
        {"role": "assistant", "parts": [{"type": kind, "content": content}], "finish_reason": reason}
        for kind, content, reason in parts
    ]
    return CHAT | {"gen_ai.output.messages": json.dumps(messages)}


@pytest.mark.parametrize(
    "before", [("server_tool_call", "", "tool_call"), ("tool_call", "", "tool_calls"), ("reasoning", "hm", "stop")]
)
def test_the_answer_may_come_after_messages_that_say_nothing(before: tuple[str, str, str]) -> None:
    """OpenTelemetry's instrumentation of openai, of the Responses API (`get_output_messages_from_response`)."""
    assert read(items(before, ("text", "cat", "stop"))).output.answer == "cat"
    refused = read(items(before, ("refusal", "No.", "stop"))).output
    assert (refused.refused, refused.safety) == (True, None)
    filtered = read(items(before, ("text", "", "content_filter"))).output
    assert filtered.safety is not None
    assert read(items(before)).output.answer is None


@pytest.mark.parametrize("placeholder", ["__REDACTED__", "<elided>", "redacted-by-litellm"])
def test_what_stands_in_place_of_hidden_texts_is_none(placeholder: str) -> None:
    """OpenInference; OpenTelemetry's google-genai; LiteLLM (litellm/litellm_core_utils/redact_messages.py)."""
    messages = [{"role": "user", "parts": [{"type": "text", "content": placeholder}]}]
    said = {f"gen_ai.{side}.messages": json.dumps(messages) for side in ("input", "output")}
    for attributes in (said, {"gen_ai.prompt": placeholder, "gen_ai.completion": placeholder}):
        event = read(CHAT | attributes)
        assert (event.input.prompt, event.output.answer) == (None, None)


@pytest.mark.parametrize(
    "reasons", ['["content_filter"]', '["stop", "content_filter"]', "content_filter", "[ContentFilter]"]
)
def test_finish_reasons_may_be_text(reasons: str) -> None:
    """.NET's Microsoft.Extensions.AI and LiteLLM (`safe_dumps`); two of them; one of LangSmith; Semantic Kernel's."""
    output = read(CHAT | {"gen_ai.response.finish_reasons": reasons}).output
    assert output.refused
    assert output.safety is not None


def test_a_filtered_second_choice_does_not_refuse_the_first() -> None:
    messages = [
        {"role": "assistant", "parts": [{"type": "text", "content": "Red."}], "finish_reason": "stop"},
        {"role": "assistant", "parts": [], "finish_reason": "content_filter"},
    ]
    reasons = {"gen_ai.response.finish_reasons": ["stop", "content_filter"]}
    output = read(CHAT | {"gen_ai.output.messages": messages} | reasons).output
    assert (output.answer, output.refused, output.safety) == ("Red.", False, None)


def test_the_choice_of_a_span_event_may_be_blocks_beside_their_finish_reason() -> None:
    """Strands Agents."""
    said = {
        "gen_ai.user.message": {"content": '[{"text": "What is it?"}]'},
        "gen_ai.choice": {"message": '[{"text": "A cat"}]', "finish_reason": "guardrail_intervened"},
    }
    events = [
        {
            "name": name,
            "timeUnixNano": "1763719200000000001",
            "attributes": [{"key": key, "value": {"stringValue": text}} for key, text in texts.items()],
        }
        for name, texts in said.items()
    ]
    (event,) = decode(in_json({"attributes": CHAT, "events": events}))
    assert (event.input.prompt, event.output.answer, event.output.refused) == ("What is it?", "A cat", True)


@pytest.mark.parametrize(
    ("attributes", "model"),
    [
        (SERVED | {"gen_ai.response.model": "facebook/opt-125m"}, "facebook/opt-125m"),
        (SERVED, "vllm"),
        ({"gen_ai.response.model": "m", "gen_ai.usage.input_tokens": 4, "gen_ai.usage.output_tokens": 10}, "m"),
    ],
)
def test_a_server_s_own_span_is_a_call_without_content(attributes: dict[str, Any], model: str) -> None:
    """vLLM: its older engine names the model, the newer one does not."""
    value = in_json({"attributes": attributes}, resource={"service.name": "vllm"})
    (event,) = decode(value)
    assert (event.model.name, event.latency_ms, event.status) == (model, 500.0, "ok")
    assert (event.tokens.input, event.tokens.output, event.input.prompt) == (4, 10, None)
    assert event.extra.get("gen_ai.request.id") == attributes.get("gen_ai.request.id")


@pytest.mark.parametrize("name", ["gen_ai.response.model", "gen_ai.request.id", "gen_ai.usage.input_tokens"])
def test_one_word_of_a_server_makes_no_call(name: str) -> None:
    assert decode(in_json({"attributes": {name: "1"}}), model="m") == []


def test_beside_a_server_s_span_nothing_is_logged() -> None:
    record = Record(PARTITION, 0, -1, in_json({"attributes": SERVED}))
    (event,) = otlp_joined.decoder(FormatOptions(model="m"))(record)
    assert isinstance(event, Prediction)


@pytest.mark.parametrize(("count", "expected"), [(5.0, 5), (0.0, 0)])
def test_whole_numbers_of_tokens_may_be_floats(count: float, expected: int) -> None:
    tokens = read(CHAT | {"gen_ai.usage.input_tokens": count}).tokens
    assert tokens is not None
    assert tokens.input == expected


def test_numbers_of_tokens_may_be_text() -> None:
    """Higress writes every attribute as text (alibaba/higress, ai-statistics: `setSpanAttribute`)."""
    said = {"gen_ai.request.model": "qwen-vl-max", "gen_ai.usage.input_tokens": "12", "gen_ai.usage.output_tokens": "3"}
    tokens = read(said | {"component": "proxy", "http.status_code": "200", "gen_ai.span.kind": "LLM"}).tokens
    assert tokens is not None
    assert (tokens.input, tokens.output) == (12, 3)


def test_an_empty_text_is_no_number_of_tokens() -> None:
    """LiteLLM, of a value that is not known (`safe_set_attribute`)."""
    said = {"gen_ai.usage.input_tokens": "", "gen_ai.usage.output_tokens": "3"}
    tokens = read(CHAT | said).tokens
    assert tokens is not None
    assert (tokens.input, tokens.output) == (None, 3)


@pytest.mark.parametrize("count", [5.5, 1e300, -1.0, "many", "-1", "1.5", "9" * 16, "9" * 10_000])
def test_other_numbers_of_tokens_are_refused(count: float | str) -> None:
    (refused,) = decode(in_json({"attributes": CHAT | {"gen_ai.usage.input_tokens": count}}))
    assert isinstance(refused, InvalidEvent)
    assert "tokens.in" in str(refused)


MESSAGES = [
    {"role": "user", "parts": [{"type": "text", "content": "How many?"}, {"type": "blob", "content": PNG * 99}]}
]


@pytest.mark.parametrize("length", [12, 40, 200])
def test_messages_that_were_cut_say_nothing_but_that(length: int) -> None:
    """OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT cuts the JSON wherever it may be, and inside a picture most likely."""
    answer = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "seven " * 99}]}])
    said = {"gen_ai.input.messages": json.dumps(MESSAGES)[:length], "gen_ai.output.messages": answer[:length]}
    event = read(CHAT | said | {"gen_ai.system_instructions": "Be brief", "gen_ai.usage.input_tokens": 7})
    assert (event.input.prompt, event.input.context, event.output.answer) == (None, "Be brief", None)
    assert event.extra["cut"] == list(said)
    assert event.tokens is not None


def test_blocks_of_bedrock_may_be_guarded_or_lie_in_its_logs() -> None:
    one = asked([{"guardContent": {"text": {"text": "Where?"}}}, {"image": {"source": {"s3Uri": "s3://logs/a.png"}}}])
    assert (one.input.prompt, image_of(one)) == ("Where?", "s3://logs/a.png")


def test_messages_may_be_a_list_of_texts_in_json() -> None:
    """A list of OpenTelemetry holds texts and numbers, but no objects."""
    question = {"role": "user", "parts": [{"type": "text", "content": "Where?"}]}
    answer = {"role": "assistant", "parts": [{"type": "text", "content": "There."}], "finish_reason": "stop"}
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    whole = {"gen_ai.input.messages": [json.dumps(question)], "gen_ai.output.messages": [json.dumps(answer)]}
    one = read(attributes | whole)
    assert (one.input.prompt, one.output.answer) == ("Where?", "There.")
    cut = read(attributes | whole | {"gen_ai.input.messages": [json.dumps(question)[:40]]})
    assert (cut.input.prompt, cut.output.answer) == (None, "There.")
    assert cut.extra["cut"] == ["gen_ai.input.messages"]


def test_parts_that_were_cut_in_a_flattened_message_say_nothing() -> None:
    parts = json.dumps([{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": DATA * 99}}])
    said = {"gen_ai.prompt.0.role": "user", "gen_ai.completion.0.content": "A cup"}
    whole, cut = (read(COMPLETION | said | {"gen_ai.prompt.0.content": one}) for one in (parts, parts[:150]))
    assert (whole.input.prompt, whole.output.answer) == ("What?", "A cup")
    assert (cut.input.prompt, cut.output.answer) == (None, "A cup")


@pytest.mark.parametrize("answer", ['{"type": "cat", "conf', '[{"label": "cat"}, {"la', '[{"type": "cat"', "[see", "{"])
def test_an_answer_in_json_that_the_model_did_not_end_stays_text(answer: str) -> None:
    said = {"gen_ai.prompt.0.content": "Which?", "gen_ai.completion.0.content": answer}
    assert read(COMPLETION | said | {"gen_ai.completion.0.finish_reason": "length"}).output.answer == answer


SYSTEM = {"event.name": "gen_ai.system.message", "content": "Be nice", "role": "system"}
QUESTION = {"event.name": "gen_ai.user.message", "content": "Is it raining?", "role": "user"}
ANSWERS = {
    "as a choice (Pydantic AI, version 1)": {
        "event.name": "gen_ai.choice",
        "index": 0,
        "message": {"role": "assistant", "content": "Yes."},
    },
    "as one more message (Logfire, of the Responses API)": {
        "event.name": "gen_ai.assistant.message",
        "content": "Yes.",
        "role": "assistant",
    },
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("write", [json.dumps, list])
def test_messages_may_be_events_in_an_attribute(answer: dict[str, Any], write: Any) -> None:
    before = {"event.name": "gen_ai.assistant.message", "content": "Hello.", "role": "assistant"}
    event = read(CHAT | {"events": write([SYSTEM, before, QUESTION, answer])})
    assert (event.input.context, event.input.prompt, event.output.answer) == ("Be nice", "Is it raining?", "Yes.")


@pytest.mark.parametrize("events", ["nothing", "[1, 2]", '{"event.name": "gen_ai.choice"}', "[{}]", 7])
def test_other_attributes_of_that_name_say_nothing(events: Any) -> None:
    event = read(CHAT | {"events": events})
    assert (event.input.prompt, event.output.answer) == (None, None)


@pytest.mark.parametrize("name", ["gen_ai.usage.cost", "gen_ai.cost.total_cost", "operation.cost"])
@pytest.mark.parametrize(("cost", "expected"), [(0.0031, 0.0031), (0, 0.0), ("0.1", None), (-1.0, None)])
def test_what_a_call_cost_is_read_where_it_is_a_number(name: str, cost: Any, expected: float | None) -> None:
    """OpenLIT, LiteLLM, Pydantic AI."""
    assert read(CHAT | {name: cost}).cost_usd == expected


def test_where_messages_were_uploaded_to_is_kept() -> None:
    """opentelemetry-util-genai, `UploadCompletionHook`."""
    said = {"gen_ai.input.messages_ref": "gs://a/in.jsonl", "gen_ai.output.messages_ref": "gs://a/out.jsonl"}
    event = read(CHAT | said)
    assert said.items() <= event.extra.items()


def test_messages_may_be_called_after_request_and_response() -> None:
    """getsentry/sentry-python, tests/integrations/openai/test_openai.py."""
    said = [{"id": "m", "content": [{"text": "A mug.", "type": "output_text"}], "role": "assistant", "type": "message"}]
    asked = {"gen_ai.request.messages": '[{"role": "user", "content": "What is it?"}]'}
    for answer in (json.dumps(said), "A mug."):
        event = read(CHAT | asked | {"gen_ai.response.text": answer})
        assert (event.input.prompt, event.output.answer) == ("What is it?", "A mug.")


def test_messages_may_be_a_list_of_plain_texts() -> None:
    """The only list besides numbers that attributes of OpenTelemetry can be."""
    event = read(CHAT | {"gen_ai.prompt": ["Be brief.", "What is it?"], "gen_ai.completion": ["A mug.", "A cup."]})
    assert (event.input.prompt, event.output.answer) == ("What is it?", "A mug.")


def test_a_message_may_have_its_text_beside_its_role() -> None:
    """Dify."""
    event = read(CHAT | {"gen_ai.prompt": '[{"role": "user", "text": "Hi", "files": []}]', "gen_ai.completion": "Yes."})
    assert (event.input.prompt, event.output.answer) == ("Hi", "Yes.")
