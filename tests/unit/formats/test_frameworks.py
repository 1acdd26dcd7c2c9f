"""Spans of Langfuse, MLflow and Genkit: calls of models among their spans, as each keeps what was asked and said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.domain.events import Prediction
from monitor.domain.records import Record
from monitor.formats import FORMATS, FormatOptions
from tests.unit.formats.spans import PARTITION, decode, in_json

PICTURE = "https://a.example/b.png"
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "content": [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PICTURE}}],
    },
]
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "What is it?"}]}], "model": "gemini"}
GEMINI_SAID = {"candidates": [{"content": {"role": "model", "parts": [{"text": "A mug."}]}, "finish_reason": "SAFETY"}]}
ANTHROPIC_SAID = {"role": "assistant", "content": [{"type": "text", "text": "A mug."}], "stop_reason": "end_turn"}
RESPONSES_SAID = {
    "output": [
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "A mug."}]},
    ]
}


def read(**attributes: Any) -> Prediction:
    for form in ("otlp", "otlp_joined", "auto"):
        found = FORMATS[form](FormatOptions())(Record(PARTITION, 0, -1, in_json({"attributes": attributes})))
        (event,) = found
        assert isinstance(event, Prediction)
    return event


def langfuse(**said: Any) -> Prediction:
    names = {name.replace("__", "."): value for name, value in said.items()}
    plain = {"type": "generation", "model.name": "gpt-4o", **names}
    return read(**{f"langfuse.observation.{name}": value for name, value in plain.items()})


def test_a_generation_of_langfuse_is_a_call() -> None:
    """A span that its SDK printed: texts as they are, usage and costs as JSON."""
    usage, cost = '{"input": 9, "output": 28, "total": 37}', '{"total": 0.0008}'
    event = langfuse(
        input="What is earth?", output="Earth is a planet.", usage_details=usage, cost_details=cost, metadata__agent="a"
    )
    assert (event.input.prompt, event.output.answer) == ("What is earth?", "Earth is a planet.")
    assert event.tokens is not None
    assert (event.model.name, event.tokens.input, event.tokens.output, event.cost_usd) == ("gpt-4o", 9, 28, 0.0008)


def test_pictures_that_langfuse_uploaded_have_an_id() -> None:
    """https://langfuse.com/docs/observability/features/multi-modality (`LangfuseMedia`)."""
    uploaded = "@@@langfuseMedia:type=image/jpeg|id=cc48838a-3da8|source=base64_data_uri@@@"
    asked = json.loads(json.dumps(MESSAGES).replace(PICTURE, uploaded))
    event = langfuse(input=json.dumps(asked), output='{"role": "assistant", "content": "A mug."}')
    assert event.input.image is not None
    assert event.input.image.ref == "urn:gen-ai-file:cc48838a-3da8"
    assert (event.input.prompt, event.input.context, event.output.answer) == ("What is it?", "Be brief.", "A mug.")


@pytest.mark.parametrize("wrapped", [{"messages": MESSAGES}, MESSAGES])
def test_messages_of_langfuse_may_stand_in_a_request(wrapped: Any) -> None:
    said = '{"label": "mug"}'
    event = langfuse(input=json.dumps(wrapped), output=said)
    assert (event.input.prompt, event.output.answer) == ("What is it?", said)


def test_an_observation_of_langfuse_may_have_failed() -> None:
    event = langfuse(level="ERROR", status_message="rate limit")
    assert (event.status, event.extra["error_message"]) == ("error", "rate limit")


@pytest.mark.parametrize("kind", ["span", "event", "agent", "tool", "embedding", "retriever", "EVALUATOR"])
def test_other_observations_of_langfuse_are_passed_over(kind: str) -> None:
    attributes = {"langfuse.observation.type": kind, "langfuse.observation.input": "hi", "gen_ai.request.model": "m"}
    assert decode(in_json({"attributes": attributes})) == []


def mlflow(asked: Any, answered: Any, kind: str = "CHAT_MODEL", **more: str) -> Prediction:
    said = {"mlflow.spanInputs": json.dumps(asked), "mlflow.spanOutputs": json.dumps(answered)}
    return read(**{"mlflow.spanType": json.dumps(kind), **said, **more})


def test_a_chat_model_of_mlflow_is_a_call() -> None:
    """mlflow/mlflow, mlflow/tracing: every value is JSON."""
    choice = {"finish_reason": "stop", "index": 0, "message": {"role": "assistant", "content": "A mug."}}
    usage = {"mlflow.chat.tokenUsage": '{"input_tokens": 80, "output_tokens": 12, "total_tokens": 92}'}
    cost = {"mlflow.llm.cost": '{"input_cost": 0.001, "output_cost": 0.002, "total_cost": 0.003}'}
    event = mlflow({"messages": MESSAGES, "model": "gpt-4o-mini"}, {"id": "c", "choices": [choice]}, **usage, **cost)
    assert (event.input.prompt, event.input.context, event.output.answer) == ("What is it?", "Be brief.", "A mug.")
    assert event.input.image is not None
    assert event.tokens is not None
    assert (event.input.image.ref, event.model.name) == (PICTURE, "gpt-4o-mini")
    assert (event.tokens.input, event.tokens.output, event.cost_usd) == (80, 12, 0.003)


@pytest.mark.parametrize(
    ("asked", "answered", "refused"),
    [
        (GEMINI, GEMINI_SAID, True),
        ({"contents": "What is it?", "model": "gemini"}, GEMINI_SAID, True),
        ({"model": "gpt", "input": "What is it?"}, RESPONSES_SAID, False),
        ({"model": "gpt", "input": MESSAGES}, RESPONSES_SAID, False),
        ({"model": "m", "messages": MESSAGES}, {"message": {"role": "assistant", "content": "A mug."}}, False),
        ({"model": "m", "messages": MESSAGES}, {"output": {"message": {"content": [{"text": "A mug."}]}}}, False),
        ({"model": "m", "messages": MESSAGES}, ANTHROPIC_SAID, False),
        ({"model": "m", "prompt": "What is it?"}, "A mug.", False),
    ],
)
def test_bodies_of_every_api_that_mlflow_traces_are_read(asked: Any, answered: Any, refused: bool) -> None:
    """Gemini's, the Responses API's, Ollama's, Bedrock's (Converse) and Anthropic's; the last of a traced function."""
    event = mlflow(asked, answered)
    assert (event.input.prompt, event.output.answer, event.output.refused) == ("What is it?", "A mug.", refused)


def test_a_text_that_is_json_stays_the_answer_of_mlflow() -> None:
    event = mlflow({"prompt": "What?"}, '{"label": "mug"}', "LLM", **{"mlflow.llm.model": '"m"'})
    assert (event.model.name, event.output.answer) == ("m", '{"label": "mug"}')


@pytest.mark.parametrize("kind", ["CHAIN", "AGENT", "TOOL", "RETRIEVER", "EMBEDDING", "PARSER", "UNKNOWN"])
@pytest.mark.parametrize("write", [str, json.dumps])
def test_other_spans_of_mlflow_are_passed_over(kind: str, write: Any) -> None:
    attributes = {"mlflow.spanType": write(kind), "mlflow.spanInputs": '{"model": "m", "messages": []}'}
    assert decode(in_json({"attributes": attributes})) == []


def genkit(**said: Any) -> Prediction:
    asked = {"messages": [{"role": "system", "content": [{"text": "Be brief."}]}, said["message"]], "config": {}}
    answered = {
        "message": {"role": "model", "content": [{"text": "A mug."}]},
        "finishReason": said.get("reason", "stop"),
        "usage": {"inputTokens": 12, "outputTokens": 8, "inputImages": 1},
        "latencyMs": 342.5,
    }
    return read(
        **{
            "genkit:type": "action",
            "genkit:metadata:subtype": "model",
            "genkit:name": "googleai/gemini-2.5-pro",
            "genkit:input": json.dumps(asked),
            "genkit:output": json.dumps(answered),
            "genkit:state": "success",
        }
    )


@pytest.mark.parametrize(
    ("media", "ref"),
    [
        ({"contentType": "image/jpeg", "url": PICTURE}, PICTURE),
        ({"url": "data:image/png;base64,iVBORw0KGgo="}, "data:image/png;base64,iVBORw0KGgo="),
        ({"contentType": "video/mp4", "url": "https://a.example/b.mp4"}, None),
    ],
)
def test_a_model_action_of_genkit_is_a_call(media: dict[str, str], ref: str | None) -> None:
    """Genkit's tests of its telemetry for Google Cloud, and the `MediaPart` of its messages."""
    event = genkit(message={"role": "user", "content": [{"text": "What is it?"}, {"media": media}]})
    assert (event.input.prompt, event.input.context, event.output.answer) == ("What is it?", "Be brief.", "A mug.")
    assert (event.input.image and event.input.image.ref) == ref
    assert event.tokens is not None
    assert (event.model.name, event.tokens.input, event.tokens.output) == ("googleai/gemini-2.5-pro", 12, 8)


def test_what_genkit_calls_blocked_is_refused() -> None:
    assert genkit(message={"role": "user", "content": [{"text": "Hi"}]}, reason="blocked").output.refused


@pytest.mark.parametrize("more", [{"genkit:metadata:subtype": "flow"}, {"genkit:metadata:subtype": "tool"}, {}])
def test_other_spans_of_genkit_are_passed_over(more: dict[str, str]) -> None:
    attributes = {"genkit:type": "util", "genkit:name": "generate", "genkit:input": '{"messages": []}'} | more
    assert decode(in_json({"attributes": attributes}), model="m") == []
