"""Bodies inside HTTP messages, as gateways and batches log them: the body counts, and the status of the response."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from monitor.domain.events import Prediction
from monitor.domain.halves import Half, join
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FormatOptions, oip, openai_chat
from monitor.formats.decoder import Decoded

PICTURE = {"type": "image_url", "image_url": {"url": "https://example.org/b.png"}}
ASKED = {
    "model": "gpt-4o",
    "messages": [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, PICTURE]}],
}
SAID = {
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"content": "A cat"}, "finish_reason": "stop"}],
}
FAILED = {"error": {"message": "boom", "type": "server_error"}}
POST = {"method": "POST", "url": "https://api.openai.com/v1/chat/completions", "headers": {}}


def decoded(value: Any, format_: Any = openai_chat) -> list[Decoded]:
    raw = json.dumps(value).encode()
    return list(format_.decoder(FormatOptions(model="m"))(Record(Partition("c", "t", "id", 0), 0, 1763719205_000, raw)))


def logged(request: Any, response: Any, **more: Any) -> Prediction:
    (prediction,) = decoded({"id": "r1", "request": request, "response": response, **more})
    assert isinstance(prediction, Prediction)
    return prediction


def half(value: Any) -> Half:
    (one,) = decoded(value)
    assert isinstance(one, Half)
    return one


def portkey(body: Any, status: int) -> tuple[Any, Any]:
    """Portkey's API reference, "Insert a log"."""
    return {**POST, "body": ASKED}, {"body": body, "status": status, "headers": {}, "response_time": 123}


def apisix(body: Any, status: int) -> tuple[Any, Any]:
    """APISIX's `kafka-logger` with `include_req_body` and `include_resp_body`: what it has are texts."""
    message = {"uri": "/v1/chat/completions", "size": 87, "querystring": {}, "headers": {"x-tenant": "acme"}}
    return {**message, **POST, "body": json.dumps(ASKED)}, {"status": status, "size": 9, "body": json.dumps(body)}


def llama_stack(body: Any, status: int) -> tuple[Any, Any]:
    """llama-stack, tests/integration/recordings. It records no status: a failure is what the body says."""
    del status
    typed = {"__type__": "openai.types.chat.chat_completion.ChatCompletion", "__data__": body}
    request = {**POST, "body": ASKED, "endpoint": "/v1/chat/completions", "model": "gpt-4o"}
    return request, {"body": typed, "is_streaming": False}


@pytest.mark.parametrize("shape", [portkey, apisix, llama_stack])
def test_the_body_of_a_message_is_what_was_asked_and_answered(shape: Callable[[Any, int], tuple[Any, Any]]) -> None:
    prediction = logged(*shape(SAID, 200))
    assert (prediction.input.prompt, prediction.output.answer) == ("What is it?", "A cat")
    assert prediction.input.image is not None
    assert prediction.input.image.ref == PICTURE["image_url"]["url"]  # type: ignore[index]
    assert (prediction.status, prediction.model.name, prediction.extra) == ("ok", "gpt-4o", {})


@pytest.mark.parametrize("shape", [portkey, apisix, llama_stack])
def test_a_failed_call_is_an_error(shape: Callable[[Any, int], tuple[Any, Any]]) -> None:
    prediction = logged(*shape(FAILED, 500))
    assert (prediction.status, prediction.error_code, prediction.output.answer) == ("error", "server_error", None)
    assert (prediction.input.prompt, prediction.extra["error_message"]) == ("What is it?", "boom")


@pytest.mark.parametrize(
    ("response", "status", "code"),
    [
        ({"status": 504, "headers": {}, "body": None}, "timeout", "504"),
        ({"status": 429, "headers": {}}, "rejected", "429"),
        ({"status_code": 500, "request_id": "req_1", "body": {}}, "error", "500"),
        ({"headers": {}, "status": "503", "body": "Bad gateway"}, "error", "503"),
    ],
)
def test_the_status_of_the_message_is_that_of_the_call(response: Any, status: str, code: str) -> None:
    prediction = logged({**POST, "body": ASKED}, response)
    assert (prediction.status, prediction.error_code, prediction.input.prompt) == (status, code, "What is it?")


def test_the_status_around_the_bodies_comes_first() -> None:
    prediction = logged(*portkey({}, 500), status_code=408)
    assert (prediction.status, prediction.error_code) == ("timeout", "408")


def batch(code: int, body: Any) -> Any:
    """OpenAI's API reference, "The request output object"; vLLM's `run-batch` writes the same."""
    response = {"status_code": code, "request_id": "req_1", "body": body}
    return {"id": "batch_req_1", "custom_id": "request-1", "response": response, "error": None}


def test_the_output_of_a_batch_is_the_answering_half() -> None:
    answer = half(batch(200, SAID))
    assert (answer.pair_id, answer.side, answer.fields["status"]) == ("request-1", "response", "ok")
    assert (answer.fields["output"], answer.fields.get("extra")) == ({"answer": "A cat"}, None)
    prediction = join(half({"custom_id": "request-1", **POST, "body": ASKED}), answer)
    assert (prediction.input.prompt, prediction.output.answer) == ("What is it?", "A cat")


def test_a_line_of_a_batch_that_failed_is_a_failed_half() -> None:
    refused = {"error": {"message": "Invalid image", "type": "invalid_request_error"}}
    fields = half(batch(400, refused)).fields
    assert (fields["status"], fields["error_code"]) == ("rejected", "invalid_request_error")
    assert half(batch(503, {})).fields["status"] == "error"
    expired = {"id": "batch_req_2", "response": None, "error": {"code": "batch_expired", "message": "not in time"}}
    assert half(expired).fields["error_code"] == "batch_expired"


def test_tensors_stand_in_messages_too() -> None:
    request = {"method": "POST", "headers": {}, "body": {"instances": [{"question": "one?"}, {"question": "two?"}]}}
    response = {"status": 200, "body": {"predictions": ["cat", "dog"]}}
    both = decoded({"id": "r1", "ts": 1763719200, "request": request, "response": response}, oip)
    said = [(one.input.prompt, one.output.answer) for one in both if isinstance(one, Prediction)]
    assert said == [("one?", "cat"), ("two?", "dog")]


@pytest.mark.parametrize(
    ("request_", "prompt"),
    [
        ({"title": "Shelf", "body": "How many?", "question": "How many boxes?"}, "How many boxes?"),
        ({"method": "caption", "prompt": "What is it?"}, "What is it?"),
        ({"url": "https://example.org/b.png", "prompt": "What is it?"}, "What is it?"),
    ],
)
def test_one_such_member_makes_no_message(request_: Any, prompt: str) -> None:
    prediction = logged(request_, {"status": "done", "answer": "A cat"})
    assert (prediction.input.prompt, prediction.output.answer, prediction.status) == (prompt, "A cat", "ok")


def test_a_body_beside_a_message_is_read_as_it_stands() -> None:
    asked = {"url": "https://example.org/b.png", "prompt": "What is it?"}
    prediction = logged(asked, {"status_code": 200, "body": SAID})
    assert prediction.input.image is not None
    assert (prediction.input.prompt, prediction.output.answer) == ("What is it?", "A cat")


def test_a_text_that_is_no_json_is_refused_as_the_side_that_it_is() -> None:
    with pytest.raises(InvalidEvent, match=r"^response: not JSON"):
        logged(ASKED, '{"status": 200, "body')


@pytest.mark.parametrize("format_", [openai_chat, oip])
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("Bad gateway", "Bad gateway"),
        ("<html><body>502 Bad Gateway</body></html>", "<html><body>502 Bad Gateway</body></html>"),
        ({"reason": "upstream is gone"}, "upstream is gone"),
        (["Bad gateway"], "Bad gateway"),
        ("", None),
        ({"a": "b", "c": "d"}, None),
        ("x" * 5000, "x" * 1024),
    ],
)
def test_what_a_failed_call_sent_back_is_no_answer(format_: Any, body: Any, message: str | None) -> None:
    for value in (
        {"request": ASKED, "response": body, "status_code": 502},
        {"request": {**POST, "body": ASKED}, "response": {"status": 502, "headers": {}, "body": body}},
    ):
        (prediction,) = decoded({"id": "r1", **value}, format_)
        assert isinstance(prediction, Prediction)
        assert (prediction.status, prediction.error_code) == ("error", "502")
        assert (prediction.output.answer, prediction.extra.get("error_message")) == (None, message)


def test_half_of_a_failed_call_has_no_answer_either() -> None:
    failed = half({"id": "r1", "response": "Bad gateway", "status_code": 502}).fields
    assert failed == {"status": "error", "error_code": "502", "extra": {"error_message": "Bad gateway"}}


def test_what_the_log_says_of_a_failure_comes_before_what_was_sent_back() -> None:
    prediction = logged(ASKED, "Bad gateway", error={"message": "connection reset", "code": "E104"})
    assert (prediction.error_code, prediction.extra["error_message"]) == ("E104", "connection reset")


def test_an_answer_that_a_failure_cut_stays_as_far_as_it_came() -> None:
    prediction = logged(ASKED, SAID, status_code=504)
    assert (prediction.status, prediction.output.answer) == ("timeout", "A cat")


def test_plain_text_is_an_answer_where_the_call_succeeded() -> None:
    assert logged(ASKED, "A cat", status_code=200).output.answer == "A cat"
