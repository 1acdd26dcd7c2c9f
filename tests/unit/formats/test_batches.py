"""Lines of batch files: both sides meet by the id that the caller gave, whatever became of the request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.domain.halves import Half, join
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FormatOptions, auto

ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "How many boxes?"}]}
SAID = {
    "id": "chatcmpl-9",
    "object": "chat.completion",
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "7"}, "finish_reason": "stop"}],
}
CLAUDE = {
    "id": "msg_9",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-4",
    "content": [{"type": "text", "text": "7"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 9, "output_tokens": 1},
}
ANSWERED = {"status_code": 200, "request_id": "req_1", "body": SAID}


def half(value: Any, at_ms: int = 1763719205_000) -> Half:
    record = Record(Partition("c", "t", "id", 0), 0, at_ms, json.dumps(value).encode())
    assert auto.detected(record) == "openai_chat"
    (one,) = auto.decoder(FormatOptions())(record)
    assert isinstance(one, Half)
    return one


def asks(url: str, body: Any) -> Any:
    """OpenAI's API reference, "The request input object"."""
    return {"custom_id": "shelf-81", "method": "POST", "url": url, "body": body}


def became(**outcome: Any) -> Any:
    """The same, "The request output object"."""
    return {"id": "batch_req_1", "custom_id": "shelf-81", "response": None, "error": None, **outcome}


def of_anthropic(**result: Any) -> Any:
    return {"custom_id": "shelf-81", "result": result}


@pytest.mark.parametrize(
    ("line", "prompt"),
    [
        (asks("/v1/chat/completions", ASKED), "How many boxes?"),
        (asks("/v1/responses", {"model": "gpt-4o", "input": "How many boxes?"}), "How many boxes?"),
        (asks("/v1/completions", {"model": "gpt-4o", "prompt": "Boxes:"}), "Boxes:"),
        ({"custom_id": "shelf-81", "params": {**ASKED, "max_tokens": 64}}, "How many boxes?"),
    ],
    ids=["chat", "responses", "text", "Anthropic"],
)
def test_a_line_of_an_input_file_is_the_asking_half(line: Any, prompt: str) -> None:
    asked = half(line)
    assert (asked.side, asked.pair_id) == ("request", "shelf-81")
    assert asked.fields["input"] == {"prompt": prompt}
    assert asked.fields["model"]["name"] == "gpt-4o"


@pytest.mark.parametrize(
    "line", [became(response=ANSWERED), of_anthropic(type="succeeded", message=CLAUDE)], ids=["OpenAI", "Anthropic"]
)
def test_both_files_meet_by_the_callers_id(line: Any) -> None:
    prediction = join(half(asks("/v1/chat/completions", ASKED)), half(line, 1763722805_000))
    assert (prediction.request_id, prediction.status) == ("shelf-81", "ok")
    assert (prediction.input.prompt, prediction.output.answer) == ("How many boxes?", "7")


def test_nobody_waited_for_the_answer_of_a_batch() -> None:
    """The hour between the files is no latency."""
    joined = join(half(asks("/v1/chat/completions", ASKED)), half(became(response=ANSWERED), 1763722805_000))
    assert joined.latency_ms is None


@pytest.mark.parametrize(
    ("line", "status", "code"),
    [
        (became(error={"code": "batch_expired", "message": "not in time"}), "error", "batch_expired"),
        (became(error={"code": "request_timeout", "message": "slow"}), "timeout", "request_timeout"),
        (
            became(
                response={"status_code": 400, "request_id": "r", "body": {"error": {"type": "invalid_request_error"}}}
            ),
            "rejected",
            "invalid_request_error",
        ),
        (
            of_anthropic(type="errored", error={"type": "error", "error": {"type": "invalid_request_error"}}),
            "rejected",
            "invalid_request_error",
        ),
        (of_anthropic(type="expired"), "error", "expired"),
        (of_anthropic(type="canceled"), "error", "canceled"),
    ],
)
def test_a_request_that_failed_is_a_failed_half(line: Any, status: str, code: str) -> None:
    failed = half(line)
    assert (failed.side, failed.pair_id) == ("response", "shelf-81")
    assert (failed.fields["status"], failed.fields["error_code"]) == (status, code)
    assert "output" not in failed.fields


ASKED_GEMINI = {"contents": [{"role": "user", "parts": [{"text": "How many boxes?"}]}]}
SAID_GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "7"}]}, "finishReason": "STOP"}],
    "modelVersion": "gemini-2.5-flash",
    "responseId": "r-9",
}


def test_lines_of_gemini_meet_by_their_key() -> None:
    """Gemini API, "Batch API": a file of requests, and one of what became of them."""
    asked, said = half({"key": "shelf-81", "request": ASKED_GEMINI}), half({"key": "shelf-81", "response": SAID_GEMINI})
    prediction = join(asked, said)
    assert (prediction.request_id, prediction.model.name, prediction.status) == ("shelf-81", "gemini-2.5-flash", "ok")
    assert (prediction.input.prompt, prediction.output.answer) == ("How many boxes?", "7")
    assert prediction.latency_ms is None


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ({"code": 3, "message": "bad"}, "rejected", "INVALID_ARGUMENT"),
        ({"code": 4, "message": "slow"}, "timeout", "DEADLINE_EXCEEDED"),
        ({"code": 13, "message": "boom"}, "error", "INTERNAL"),
        ({"code": 429, "message": "quota"}, "rejected", "429"),
    ],
)
def test_a_request_of_gemini_that_failed_is_a_failed_half(error: Any, status: str, code: str) -> None:
    failed = half({"key": "shelf-81", "error": error})
    assert (failed.side, failed.pair_id) == ("response", "shelf-81")
    assert (failed.fields["status"], failed.fields["error_code"]) == (status, code)


@pytest.mark.parametrize("blocked", [{"promptFeedback": {"blockReason": "SAFETY"}, "responseId": "r-9"}])
def test_what_a_filter_of_gemini_stopped_is_refused(blocked: Any) -> None:
    assert half({"key": "shelf-81", "response": blocked}).fields["output"]["refused"]


def of_vertex(response: Any, **more: Any) -> Any:
    """Vertex AI, "Batch inference with Gemini": its results have the request again, and no key of their own."""
    time = "2025-11-21T10:00:00.826+00:00"
    value = {"status": "", "processed_time": time, "request": ASKED_GEMINI, "response": response, **more}
    record = Record(Partition("c", "t", "id", 0), 0, 1763719205_000, json.dumps(value).encode())
    assert auto.detected(record) == "openai_chat"
    (one,) = auto.decoder(FormatOptions(model="gemini-2.5-flash"))(record)
    return one


def test_a_result_of_vertex_is_a_whole_call() -> None:
    one = of_vertex(SAID_GEMINI)
    assert (one.request_id, one.status, one.input.prompt, one.output.answer) == ("r-9", "ok", "How many boxes?", "7")
    assert one.ts.isoformat() == "2025-11-21T10:00:00.826000+00:00"


def test_a_result_of_vertex_that_failed_says_so() -> None:
    one = of_vertex({}, key="shelf-81", status='Bad Request: {"error": {"code": 400}}')
    assert (one.request_id, one.status, one.output.answer) == ("shelf-81", "error", None)
    with pytest.raises(InvalidEvent, match="an id of 1 to 128 characters"):
        of_vertex({}, status="Bad Request")


@pytest.mark.parametrize("own", [{"id": "r1"}, {}], ids=["in the object", "in a header"])
def test_an_envelope_with_a_key_keeps_its_own_id(own: Any) -> None:
    value = {**own, "ts": 1763719200, "key": "tenant", "model": "m", "request": ASKED, "response": SAID}
    record = Record(Partition("c", "t", "id", 0), 0, 0, json.dumps(value).encode(), (("x-request-id", b"r1"),))
    (one,) = auto.decoder(FormatOptions())(record)
    assert getattr(one, "request_id", None) == "r1"


def test_without_a_side_of_a_call_an_id_of_the_callers_makes_no_line() -> None:
    record = Record(Partition("c", "t", "id", 0), 0, 0, b'{"custom_id": "a", "question": "what?"}')
    assert auto.detected(record) is None
    with pytest.raises(InvalidEvent, match="no format recognises"):
        auto.decoder(FormatOptions())(record)


def test_an_envelope_with_both_sides_keeps_its_own_id() -> None:
    value = {"id": "r1", "ts": 1763719200, "custom_id": "shelf-81", "request": ASKED, "response": SAID}
    (one,) = auto.decoder(FormatOptions())(Record(Partition("c", "t", "id", 0), 0, 0, json.dumps(value).encode()))
    assert getattr(one, "request_id", None) == "r1"
