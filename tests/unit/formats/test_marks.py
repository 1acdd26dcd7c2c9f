"""Records that no few bytes tell are told by their members, and nothing else is taken for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.domain.events import Prediction
from monitor.domain.halves import Half
from monitor.domain.records import Partition, Record
from monitor.formats import FormatOptions, auto
from monitor.formats.marks import format_of

ASKED = {"inputs": "What is it?", "parameters": {"max_new_tokens": 20}}
SAID = {"generated_text": "A mug", "details": {"finish_reason": "eos_token", "generated_tokens": 3, "tokens": []}}
TRITON_ASKED, TRITON_SAID = {"text_input": "What is it?", "max_tokens": 20}, {"text_output": "A mug", "model_name": "m"}


def record(value: Any) -> Record:
    headers = (("x-request-id", b"r1"),)
    return Record(Partition("c", "t", "id", 0), 0, 1763719205_000, json.dumps(value).encode(), headers)


@pytest.mark.parametrize(
    ("request_", "response"),
    [(ASKED, SAID), (ASKED, [SAID]), ({"inputs": "What is it?"}, SAID), (TRITON_ASKED, TRITON_SAID)],
    ids=["TGI", "Hugging Face", "without parameters", "Triton"],
)
def test_calls_of_generate_are_told_and_read(request_: Any, response: Any) -> None:
    one = record({"id": "r1", "request": request_, "response": response})
    assert auto.detected(one) == "oip"
    (prediction,) = auto.decoder(FormatOptions(model="m"))(one)
    assert isinstance(prediction, Prediction)
    assert (prediction.input.prompt, prediction.output.answer) == ("What is it?", "A mug")


@pytest.mark.parametrize(
    ("body", "side"),
    [
        (ASKED, "request"),
        (SAID, "response"),
        ([SAID], "response"),
        (TRITON_ASKED, "request"),
        (TRITON_SAID, "response"),
        ({"id": "r1", "request": ASKED}, "request"),
        ({"id": "r1", "response": SAID}, "response"),
    ],
)
def test_their_halves_are_told_and_read(body: Any, side: str) -> None:
    one = record(body)
    assert auto.detected(one) == "oip"
    (half,) = auto.decoder(FormatOptions(model="m"))(one)
    assert isinstance(half, Half)
    assert (half.pair_id, half.side) == ("r1", side)
    texts = half.fields["input"] if side == "request" else half.fields["output"]
    assert texts in ({"prompt": "What is it?"}, {"answer": "A mug"})


def test_a_failed_call_of_generate_is_told_by_its_request() -> None:
    one = record({"id": "r1", "request": ASKED, "response": {"error": "Overloaded", "error_type": "overloaded"}})
    (prediction,) = auto.decoder(FormatOptions(model="m"))(one)
    assert isinstance(prediction, Prediction)
    assert (prediction.status, prediction.error_code) == ("error", "overloaded")


def test_gemini_inside_the_envelope_is_told() -> None:
    asked = {"contents": [{"role": "user", "parts": [{"text": "What is it?"}]}]}
    said = {"candidates": [{"content": {"parts": [{"text": "A mug"}]}, "finishReason": "STOP"}]}
    for value in ({"request": asked, "response": said}, {"request": asked}, {"response": said}):
        assert auto.detected(record({"id": "r1", **value})) == "openai_chat"


@pytest.mark.parametrize(
    "value",
    [
        {"generated_text": "A mug", "prompt": "What is it?"},
        {"inputs": "What is it?", "outputs": "A mug"},
        {"inputs": {"question": "What is it?"}},
        {"request": {"question": "?"}, "response": {"answer": "A mug"}},
        {"databricks_request_id": "d-1"},
        {"custom_id": "a"},
        {"contents": [{"parts": []}]},
        {"candidates": [{"name": "Ann"}]},
        {"text_input": 7},
        [],
        [{}],
        "generated_text",
        7,
    ],
)
def test_logs_of_others_are_not_taken_for_them(value: Any) -> None:
    assert format_of(json.dumps(value).encode()) is None


@pytest.mark.parametrize("value", [b"", b"{", b"[" * 5000, b'{"a":' * 5000, b"\xff", b'{"request": {'])
def test_what_is_no_json_is_nothing(value: bytes) -> None:
    assert format_of(value) is None
