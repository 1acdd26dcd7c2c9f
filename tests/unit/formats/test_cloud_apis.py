"""Chats of Gemini, Bedrock's Converse and Cohere, which say with other names what a chat completion says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.formats.payloads.request_body import read_request
from monitor.formats.payloads.response_body import read_response
from monitor.formats.payloads.roles import Roles

PICTURE = "iVBORw0KGgo="


def asked(body: Any) -> Any:
    (row,) = read_request(json.dumps(body).encode(), Roles({}), 10_000).rows
    return row


def answered(body: Any) -> Any:
    (row,) = read_response(json.dumps(body).encode(), Roles({}), 10_000, "m").rows
    return row


def gemini(*parts: Any, reason: str = "STOP") -> dict[str, Any]:
    return {
        "candidates": [{"content": {"role": "model", "parts": list(parts)}, "finishReason": reason}],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11},
        "modelVersion": "gemini-2.0-flash-001",
        "responseId": "r-9",
    }


def converse(*parts: Any, reason: str = "end_turn") -> dict[str, Any]:
    message = {"role": "assistant", "content": list(parts)}
    usage = {"inputTokens": 9, "outputTokens": 2, "totalTokens": 11}
    return {"output": {"message": message}, "stopReason": reason, "usage": usage, "metrics": {"latencyMs": 10}}


def cohere(*parts: Any, reason: str = "COMPLETE") -> dict[str, Any]:
    usage = {"billed_units": {"input_tokens": 5}, "tokens": {"input_tokens": 9, "output_tokens": 2}}
    message = {"role": "assistant", "content": list(parts)}
    return {"id": "c14c80c3", "message": message, "finish_reason": reason, "usage": usage}


@pytest.mark.parametrize("api", [gemini, converse, cohere])
def test_the_texts_of_a_response_are_its_answer(api: Any) -> None:
    row = answered(api({"text": "A "}, {"text": "mug"}))
    assert row == {"status": "ok", "output": {"answer": "A mug"}, "tokens": {"in": 9, "out": 2}}


@pytest.mark.parametrize(
    ("details", "count"), [("promptTokensDetails", "tokenCount"), ("prompt_tokens_details", "token_count")]
)
def test_the_tokens_of_pictures_are_counted_apart(details: str, count: str) -> None:
    """Gemini API, "Understand and count tokens": the counts of each modality."""
    body = gemini({"text": "A mug"})
    body["usageMetadata"][details] = [{"modality": "TEXT", count: 6}, {"modality": "IMAGE", count: 258}]
    assert answered(body)["tokens"] == {"in": 9, "out": 2, "image": 258}
    last = {"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"candidatesTokenCount": 2}}
    (streamed,) = read_response(json.dumps([body, last]).encode(), Roles({}), 10_000, "m").rows
    assert streamed["tokens"] == {"in": 9, "out": 2, "image": 258}
    body["usageMetadata"][details] = [{"modality": "IMAGE", count: "many"}, None]
    assert answered(body)["tokens"] == {"in": 9, "out": 2}


def test_names_may_be_spelled_as_protocol_buffers_have_them() -> None:
    """Elastic's sample of a row of Vertex AI; so Python's SDKs dump a response too."""
    call = {"function_call": {"name": "find", "args": {}}}
    body = {
        "candidates": [{"content": {"parts": [{"text": "A mug"}, call]}, "finish_reason": "MAX_TOKENS"}],
        "usage_metadata": {"prompt_token_count": 9, "candidates_token_count": 2},
        "model_version": "gemini-2.5-pro",
    }
    row = answered(body)
    assert (row["output"], row["tokens"]) == ({"answer": "A mug"}, {"in": 9, "out": 2})
    assert row["extra"] == {"finish_reason": "length", "tool_calls": [{"name": "find", "arguments": "{}"}]}
    blocked = answered({"prompt_feedback": {"block_reason": "SAFETY"}})
    assert blocked["output"]["refused"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [(gemini({"text": "A"}, reason="MAX_TOKENS"), "length"), (converse({"text": "A"}, reason="max_tokens"), "length")],
)
def test_the_end_of_an_answer_is_called_as_elsewhere(body: Any, reason: str) -> None:
    assert answered(body)["extra"] == {"finish_reason": reason}


@pytest.mark.parametrize(
    "body",
    [
        gemini(reason="SAFETY"),
        {"promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": "gemini-2.0-flash-001"},
        converse(reason="guardrail_intervened"),
    ],
)
def test_what_a_filter_stopped_is_refused(body: Any) -> None:
    output = answered(body)["output"]
    assert output == {"refused": True, "safety": {"flagged": True, "categories": ["content_filter"]}}


@pytest.mark.parametrize(
    "body",
    [
        gemini({"functionCall": {"name": "find", "args": {"shelf": 3}}}),
        converse({"toolUse": {"toolUseId": "t1", "name": "find", "input": {"shelf": 3}}}, reason="tool_use"),
    ],
)
def test_calls_of_tools_are_no_answer(body: Any) -> None:
    row = answered(body)
    assert row["output"] == {}
    assert row["extra"]["tool_calls"] == [{"name": "find", "arguments": '{"shelf":3}'}]


def test_thoughts_are_no_part_of_the_answer() -> None:
    assert answered(gemini({"text": "Hm.", "thought": True}, {"text": "A mug"}))["output"] == {"answer": "A mug"}


@pytest.mark.parametrize("inline", ["inline_data", "inlineData"])
@pytest.mark.parametrize("context", ["system_instruction", "systemInstruction"])
def test_a_request_of_gemini_is_a_chat(inline: str, context: str) -> None:
    kind = "mime_type" if inline == "inline_data" else "mimeType"
    parts = [{"text": "What is it?"}, {inline: {kind: "image/png", "data": PICTURE}}]
    turns = [
        {"role": "user", "parts": [{"text": "Hello"}]},
        {"role": "model", "parts": [{"text": "Hi"}]},
        {"role": "user", "parts": parts},
    ]
    row = asked({"contents": turns, context: {"parts": [{"text": "Be brief."}]}})
    image = {"ref": f"data:image/png;base64,{PICTURE}", "bytes": 8}
    assert row["input"] == {"prompt": "What is it?", "context": "Be brief.", "image": image}
    assert row["extra"] == {"turns": 2}


def test_one_message_of_gemini_needs_no_list_nor_does_one_part() -> None:
    """So the samples of Vertex AI have it."""
    assert asked({"contents": {"role": "user", "parts": [{"text": "What?"}]}})["input"] == {"prompt": "What?"}
    assert asked({"contents": [{"parts": {"text": "What?"}}]})["input"] == {"prompt": "What?"}


def test_a_picture_of_geminis_storage_is_its_address() -> None:
    parts = [{"fileData": {"mimeType": "image/png", "fileUri": "gs://b/a.png"}}, {"text": "What is it?"}]
    assert asked({"contents": [{"parts": parts}]})["input"]["image"] == {"ref": "gs://b/a.png"}


@pytest.mark.parametrize(
    ("source", "ref"),
    [
        ({"bytes": PICTURE}, f"data:image/png;base64,{PICTURE}"),
        ({"s3Location": {"uri": "s3://b/a.png", "bucketOwner": "1"}}, "s3://b/a.png"),
        ({"s3Uri": "s3://logs/a_input_media_00.png"}, "s3://logs/a_input_media_00.png"),
    ],
)
def test_a_request_of_converse_has_its_picture(source: Any, ref: str) -> None:
    content = [{"image": {"format": "png", "source": source}}, {"text": "What is it?"}]
    row = asked({"messages": [{"role": "user", "content": content}], "system": [{"text": "Be brief."}]})
    assert (row["input"]["prompt"], row["input"]["context"]) == ("What is it?", "Be brief.")
    assert row["input"]["image"]["ref"] == ref


@pytest.mark.parametrize(
    "body",
    [
        {"candidates": ["A mug"]},
        {"output": {"message": "A mug"}, "stopReason": "end_turn"},
        {"message": {"content": [{"text": "A mug"}]}, "finish_reason": "COMPLETE"},
        {"contents": "A mug"},
    ],
)
def test_bodies_that_only_look_alike_are_read_by_their_names(body: Any) -> None:
    assert answered(body)["status"] == "ok"
