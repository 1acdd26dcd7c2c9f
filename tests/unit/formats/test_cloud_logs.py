"""What clouds log of the calls of their models: Bedrock's invocations, SageMaker's captures, Vertex AI's rows."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest

from monitor.domain.events import Prediction
from monitor.domain.halves import Half
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FORMATS, FormatOptions, auto

ASKED = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"image": {"format": "png", "source": {"s3Uri": "s3://logs/data/81_input_media_00.png"}}},
                {"text": "How many boxes?"},
            ],
        }
    ]
}
SAID = {
    "output": {"message": {"role": "assistant", "content": [{"text": "7"}]}},
    "stopReason": "end_turn",
    "metrics": {"latencyMs": 3640},
    "usage": {"inputTokens": 35, "outputTokens": 4, "totalTokens": 39},
}
PROFILE = "arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0"
INVOCATION: dict[str, Any] = {
    "timestamp": "2026-08-10T21:12:39Z",
    "accountId": "111122223333",
    "region": "us-east-1",
    "requestId": "304a166e",
    "operation": "Converse",
    "modelId": PROFILE,
    "input": {"inputContentType": "application/json", "inputBodyJson": ASKED, "inputTokenCount": 35},
    "output": {"outputContentType": "application/json", "outputBodyJson": SAID, "outputTokenCount": 4},
    "identity": {"arn": "arn:aws:iam::111122223333:user/bedrock-test"},
    "requestMetadata": {"tenant": "north"},
    "schemaType": "ModelInvocationLog",
    "schemaVersion": "1.0",
}


def decoded(value: Any, name: str = "auto", **options: Any) -> Any:
    record = Record(Partition("c", "t", "id", 0), 0, 1763719205_000, json.dumps(value).encode())
    if name == "auto":
        assert auto.detected(record) in ("openai_chat", "oip")
    (one,) = FORMATS[name](FormatOptions(**options))(record)
    return one


def whole(value: Any, name: str = "auto", **options: Any) -> Prediction:
    one = decoded(value, name, **options)
    assert isinstance(one, Prediction)
    return one


def invoked(said: Any, asked: Any = ASKED, **more: Any) -> Prediction:
    return whole({**INVOCATION, "input": {"inputBodyJson": asked}, "output": {"outputBodyJson": said}, **more})


@pytest.mark.parametrize("name", ["auto", "openai_chat", "oip"])
def test_an_invocation_of_bedrock_is_a_call(name: str) -> None:
    one = whole(INVOCATION, name, slices={"tenant": "tenant"})
    assert (one.request_id, one.model.name) == ("304a166e", "us.anthropic.claude-haiku-4-5-20251001-v1:0")
    assert (one.status, one.input.prompt, one.output.answer) == ("ok", "How many boxes?", "7")
    assert one.input.image is not None
    assert one.input.image.ref == "s3://logs/data/81_input_media_00.png"
    assert (one.latency_ms, one.tokens.input, one.tokens.output) == (3640, 35, 4)
    assert one.ts.isoformat() == "2026-08-10T21:12:39+00:00"
    assert one.slices == {"tenant": "north"}
    assert one.extra == {"operation": "Converse", "metadata": {"tenant": "north"}}


CLAUDE = [
    {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "content": []}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "7"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " boxes"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
]
TIMED = {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"invocationLatency": 612, "inputTokenCount": 9}}
NOVA = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"text": "7"}, "contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"text": " boxes"}, "contentBlockIndex": 0}},
    {"messageStop": {"stopReason": "end_turn"}},
    {"metadata": {"usage": {"inputTokens": 9, "outputTokens": 3}}},
]
TITAN = [
    {"outputText": "7", "index": 0, "completionReason": None, "inputTextTokenCount": 9},
    {"outputText": " boxes", "index": 0, "completionReason": "FINISH", "totalOutputTextTokenCount": 3},
]
LLAMA = [
    {"generation": "7", "prompt_token_count": 9, "generation_token_count": 1, "stop_reason": None},
    {"generation": " boxes", "prompt_token_count": None, "generation_token_count": 3, "stop_reason": "stop"},
]


@pytest.mark.parametrize(
    "events",
    [CLAUDE, [*CLAUDE, "[DONE]"], [*CLAUDE, TIMED], NOVA, TITAN, LLAMA],
    ids=["claude", "done", "timed", "nova", "titan", "llama"],
)
def test_the_events_of_a_logged_stream_are_one_answer(events: list[Any]) -> None:
    one = invoked(events, operation="InvokeModelWithResponseStream")
    assert (one.status, one.output.answer, one.tokens.output) == ("ok", "7 boxes", 3)


def test_a_stream_of_bedrock_says_at_its_end_how_long_it_took() -> None:
    assert invoked([*CLAUDE, TIMED]).latency_ms == 612
    assert invoked(CLAUDE).latency_ms is None


@pytest.mark.parametrize("events", [CLAUDE[:-1], NOVA[:3], TITAN[:1], LLAMA[:1]], ids=["claude", "nova", "titan", "l"])
def test_a_logged_stream_that_ended_too_soon_is_cut(events: list[Any]) -> None:
    one = invoked(events)
    assert (one.status, one.error_code) == ("error", "stream_cut")


@pytest.mark.parametrize(
    ("asked", "said", "answer", "reason"),
    [
        (
            {"inputText": "How many?", "textGenerationConfig": {"topP": 0.9}},
            {"inputTextTokenCount": 9, "results": [{"tokenCount": 2, "outputText": "7", "completionReason": "LENGTH"}]},
            "7",
            "length",
        ),
        (
            {"prompt": "How many?", "max_gen_len": 2048},
            {"generation": "7", "prompt_token_count": 9, "generation_token_count": 2, "stop_reason": "length"},
            "7",
            "length",
        ),
        (
            {"prompt": "\n\nHuman: How many?\n\nAssistant:", "max_tokens_to_sample": 9},
            {"type": "completion", "completion": " 7", "stop_reason": "stop_sequence", "stop": "\n\nHuman:"},
            " 7",
            None,
        ),
    ],
    ids=["titan", "llama", "claude-2"],
)
def test_models_of_bedrock_with_bodies_of_their_own(asked: Any, said: Any, answer: str, reason: str | None) -> None:
    one = invoked(said, asked)
    assert (one.status, one.output.answer) == ("ok", answer)
    assert "How many?" in (one.input.prompt or "")
    assert one.extra.get("finish_reason") == reason


BLOCKED = {"type": "text", "text": "Sorry, the model cannot answer this question."}


@pytest.mark.parametrize(
    "said",
    [
        {"type": "message", "role": "assistant", "content": [BLOCKED], "amazon-bedrock-guardrailAction": "INTERVENED"},
        [*CLAUDE, {"type": "message_stop", "amazon-bedrock-guardrailAction": "INTERVENED"}],
        {**SAID, "stopReason": "guardrail_intervened"},
    ],
)
def test_what_a_guardrail_wrote_is_a_refusal(said: Any) -> None:
    one = invoked(said)
    assert (one.status, one.output.refused) == ("ok", True)
    assert one.output.safety is not None
    assert one.output.safety.flagged


def test_words_about_a_guardrail_are_none() -> None:
    text = 'It says "amazon-bedrock-guardrailAction": "INTERVENED" then.'
    one = invoked({**SAID, "output": {"message": {"role": "assistant", "content": [{"text": text}]}}})
    assert (one.output.answer, one.output.refused) == (text, False)


def test_what_a_guardrail_looks_at_is_part_of_the_prompt() -> None:
    """Elastic's fixture of 2024-11-21."""
    guarded = [{"guardContent": {"text": {"text": one, "qualifiers": ["query"]}}} for one in ("The moon.", "Of what?")]
    picture = {"guardContent": {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}}}
    one = invoked(SAID, {"messages": [{"role": "user", "content": [*guarded, picture]}]})
    assert one.input.prompt == "The moon.\nOf what?"
    assert one.input.image is not None
    assert one.input.image.ref == "data:image/png;base64,iVBORw0KGgo="


def test_a_body_that_lies_elsewhere_is_named_and_the_call_counts() -> None:
    """More than 100 KB, as any picture is."""
    one = whole(
        {
            **INVOCATION,
            "input": {"inputBodyS3Path": "s3://logs/data/304a166e_input.json.gz", "inputTokenCount": 1600},
            "output": {"outputBodyJson": SAID},
        }
    )
    assert (one.status, one.output.answer, one.tokens.input) == ("ok", "7", 35)
    assert one.extra["input_body"] == "s3://logs/data/304a166e_input.json.gz"
    silent = whole({**INVOCATION, "input": {"inputTokenCount": 1600}, "output": {"outputTokenCount": 4}})
    assert (silent.status, silent.output.answer, silent.tokens.input, silent.tokens.output) == ("ok", None, 1600, 4)


def test_an_invocation_that_failed_is_no_answer() -> None:
    one = whole({**INVOCATION, "errorCode": "ThrottlingException", "output": {}})
    assert (one.status, one.error_code, one.input.prompt) == ("rejected", "ThrottlingException", "How many boxes?")


# ---- SageMaker -------------------------------------------------------------------------------------------------------

TGI = {"inputs": "![](s3://b/1.png)How many boxes?"}


def captured(text: str, encoding: str) -> dict[str, str]:
    data = base64.b64encode(text.encode()).decode() if encoding == "BASE64" else text
    return {"observedContentType": "application/json", "mode": "INPUT", "data": data, "encoding": encoding}


def line(encoding: str = "JSON", **metadata: Any) -> dict[str, Any]:
    sides = {
        "endpointInput": captured(json.dumps(TGI), encoding),
        "endpointOutput": captured('[{"generated_text": "7"}]', encoding),
    }
    told = {"eventId": "e-1", "inferenceTime": "2026-02-14T17:25:06Z", **metadata}
    return {"captureData": sides, "eventMetadata": told, "eventVersion": "0"}


@pytest.mark.parametrize("name", ["auto", "openai_chat", "oip"])
@pytest.mark.parametrize("encoding", ["JSON", "BASE64"])
def test_a_line_of_a_capture_is_a_call(encoding: str, name: str) -> None:
    one = whole(line(encoding), name, model="store-vqa")
    assert (one.request_id, one.status, one.ts.isoformat()) == ("e-1", "ok", "2026-02-14T17:25:06+00:00")
    assert (one.input.prompt, one.output.answer) == ("How many boxes?", "7")
    assert one.input.image is not None
    assert one.input.image.ref == "s3://b/1.png"


def test_the_id_that_the_caller_gave_an_inference_comes_first() -> None:
    assert whole(line(inferenceId="order-7"), model="m").request_id == "order-7"


def test_a_picture_that_was_posted_is_the_input() -> None:
    value = line()
    value["captureData"]["endpointInput"] = {"data": "iVBORw0KGgo=", "encoding": "BASE64"}
    image = whole(value, model="m").input.image
    assert image is not None
    assert image.ref == "data:image/png;base64,iVBORw0KGgo="


def test_a_capture_needs_the_topic_to_name_the_model() -> None:
    with pytest.raises(InvalidEvent, match="model: nothing names it; set `model` for the topic"):
        decoded(line())


def test_one_side_of_a_capture_is_half_a_call() -> None:
    value = line()
    del value["captureData"]["endpointInput"]
    one = decoded(value, model="m")
    assert isinstance(one, Half)
    assert (one.side, one.pair_id) == ("response", "e-1")


def rows(asked: str, said: str, encoding: str = "CSV", kind: str = "text/csv", **options: Any) -> list[Prediction]:
    sides = {
        "endpointInput": {**captured(asked, encoding), "observedContentType": kind},
        "endpointOutput": {**captured(said, encoding), "observedContentType": f"{kind}; charset=utf-8"},
    }
    value = json.dumps({**line(), "captureData": sides}).encode()
    one = Record(Partition("c", "t", "id", 0), 0, 1763719205_000, value)
    found = FORMATS["auto"](FormatOptions(model="m", **options))(one)
    assert all(isinstance(each, Prediction) for each in found)
    return [each for each in found if isinstance(each, Prediction)]


@pytest.mark.parametrize("encoding", ["CSV", "BASE64"])
def test_rows_of_csv_are_items_whose_columns_go_by_their_place(encoding: str) -> None:
    """Unless the endpoint is told which content types are CSV, base64 is what such bodies are captured in."""
    asked = 'https://a/1.jpg,"What, then, is it?"\nhttps://a/2.jpg,007\n'
    fields = {"image": "0", "prompt": "1", "answer": "0", "confidence": "1"}
    found = rows(asked, "cat,0.9\r\ndog,0.8\r\n", encoding, fields=fields)
    said = [(one.request_id, one.input.prompt, one.output.answer, one.output.confidence) for one in found]
    assert said == [("e-1#0", "What, then, is it?", "cat", 0.9), ("e-1#1", "007", "dog", 0.8)]
    assert [one.input.image.ref for one in found if one.input.image] == ["https://a/1.jpg", "https://a/2.jpg"]


def test_a_single_column_needs_no_configuration_and_numbers_ask_nothing() -> None:
    """The developer guide's own example: a row of numbers, and the probability that came back."""
    (one,) = rows("132,25,113.2,96,269.9,107", "0.01076381653547287")
    assert (one.input.prompt, one.output.answer) == (None, "0.01076381653547287")
    (asked,) = rows("What is it?\n", "1,0.25\n")
    assert (asked.input.prompt, asked.output.answer) == ("What is it?", None)
    (shares,) = rows("What is it?\n", "0.25,0.75\n")
    assert (shares.output.answer, shares.output.confidence) == ("1", 0.75)


def test_json_lines_are_items() -> None:
    kind, asked = "application/jsonlines", '{"prompt": "a?"}\n{"prompt": "b?"}\n'
    found = rows(asked, '{"answer": "1"}\n{"answer": "2"}\n', "JSON", kind)
    assert [(one.input.prompt, one.output.answer) for one in found] == [("a?", "1"), ("b?", "2")]
    (single,) = rows(json.dumps(TGI), '[{"generated_text": "7"}]', "BASE64", kind)
    assert single.output.answer == "7"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"data": "", "encoding": "CSV"}, "endpointInput: the body is empty"),
        ({"data": 'a"\n"b', "encoding": "CSV"}, "endpointInput: not CSV"),
        ({"data": "/w==", "encoding": "BASE64", "observedContentType": "text/csv"}, "CSV that is not UTF-8"),
        ({"data": "a", "encoding": "XML"}, "endpointInput: encoding 'XML' is not read, only JSON, CSV and BASE64"),
        ({"data": "a\n" * 1025, "encoding": "CSV"}, "a batch of 1025 items"),
    ],
)
def test_a_body_that_cannot_be_read_says_what_is_wrong(body: dict[str, str], wrong: str) -> None:
    value = line()
    value["captureData"]["endpointInput"] = body
    with pytest.raises(InvalidEvent, match=wrong):
        decoded(value, model="m")


def test_a_picture_in_a_column_may_be_longer_than_csv_readers_allow() -> None:
    picture = "iVBORw0KGgo" + "A" * 200_000
    (one,) = rows(f"{picture}\n", "cat\n")
    assert one.input.image is not None
    assert one.input.image.ref.endswith("A" * 100)


# ---- Vertex AI -------------------------------------------------------------------------------------------------------

ROW: dict[str, Any] = {
    "api_method": "GenerateContent",
    "full_request": {
        "contents": [{"role": "user", "parts": [{"text": "Hello world!"}]}],
        "model": "projects/p/locations/us-central1/publishers/google/models/gemini-2.5-pro",
    },
    "full_response": {
        "candidates": [
            {
                "avg_logprobs": -3.6485929817988954,
                "finish_reason": "MAX_TOKENS",
                "content": {"role": "model", "parts": [{"text": "Hello there!"}]},
            }
        ],
        "model_version": "gemini-2.5-pro",
        "response_id": "y0S_aMGPArCYqsMPntGNyA4",
        "usage_metadata": {"candidates_token_count": 29, "prompt_token_count": 3, "thoughts_token_count": 901},
    },
    "logging_time": "2025-09-08T21:04:22.248Z",
    "metadata": {"request_latency": 11225.994},
    "model": "publishers/google/models/gemini-2.5-pro",
    "model_version": "default",
    "request_id": "5374205265901353984",
}
"""Elastic's `sample_event.json` of its integration for Vertex AI, shortened."""


@pytest.mark.parametrize("as_text", [False, True])
def test_a_row_of_vertex_is_a_call(as_text: bool) -> None:
    columns = ("full_request", "full_response", "metadata")
    row = {**ROW, **({name: json.dumps(ROW[name]) for name in columns} if as_text else {})}
    one = whole(row)
    assert (one.request_id, one.model.name, one.model.version) == ("5374205265901353984", "gemini-2.5-pro", "")
    assert (one.status, one.input.prompt, one.output.answer) == ("ok", "Hello world!", "Hello there!")
    assert (one.latency_ms, one.tokens.input, one.tokens.output) == (11225.994, 3, 29)
    assert one.ts.isoformat() == "2025-09-08T21:04:22.248000+00:00"
    assert one.extra == {"finish_reason": "length"}


def test_the_mean_log_probability_of_gemini_is_a_confidence_unless_it_thought() -> None:
    assert whole(ROW).output.confidence is None
    usage = {"candidates_token_count": 29, "prompt_token_count": 3}
    plain = whole({**ROW, "full_response": {**ROW["full_response"], "usage_metadata": usage}})
    assert plain.output.confidence == pytest.approx(math.exp(-3.6485929817988954))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (['{"prompt": "What?"}'], ['"A mug"']),
        (['{"instances": [{"prompt": "What?"}]}'], ['{"predictions": ["A mug"]}']),
        (['{"messages": [{"role": "user", "content": "What?"}]}'], ['{"choices": [{"text": "A mug"}]}']),
    ],
)
def test_a_row_of_an_endpoint_of_ones_own_is_a_call(asked: list[str], said: list[str]) -> None:
    row = {"endpoint": "1", "deployed_model_id": "9", "logging_time": "2025-09-08 21:04:22.248 UTC", "request_id": 77}
    one = whole({**row, "request_payload": asked, "response_payload": said}, model="store-vqa")
    assert one.ts.isoformat() == "2025-09-08T21:04:22.248000+00:00"
    assert (one.request_id, one.input.prompt, one.output.answer) == ("77", "What?", "A mug")


def test_several_instances_of_a_row_are_as_many_items() -> None:
    row = {"logging_time": 1757365462, "request_id": "9", "request_payload": ['"a"', '"b"']}
    value = {**row, "response_payload": ['{"label": "x"}', '{"label": "y"}']}
    record = Record(Partition("c", "t", "id", 0), 0, 0, json.dumps(value).encode())
    found = auto.decoder(FormatOptions(model="m"))(record)
    assert [(one.request_id, one.output.answer) for one in found if isinstance(one, Prediction)] == [
        ("9#0", "x"),
        ("9#1", "y"),
    ]
