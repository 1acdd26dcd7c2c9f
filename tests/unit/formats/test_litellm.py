"""What LiteLLM logs (StandardLoggingPayload) of other than plain chats: the Responses API, and texts that it hides."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from monitor.domain.events import Prediction, Rejection, encode
from monitor.domain.halves import Half
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FormatOptions
from monitor.formats.decoder import Decoded
from monitor.formats.openai_chat import decoder

HIDDEN = "redacted-by-litellm"
HIDDEN_MESSAGES = [{"role": "user", "content": HIDDEN}]
OWN_ID = "resp_68a1c2e3f4b5819c9d0e1f2a3b4c5d6e0718293a4b5c6d7e"
CALL_ID = "b980db26-9512-45cc-b1da-c511a363b83f"


def response_id(own: str) -> str:
    """As BerriAI/litellm makes it, litellm/responses/utils.py, `_build_responses_api_response_id`."""
    deployment = "cb41bc03f4c33d310019bae8c5afdb1af0a8f97b36a234405a9807614988457c"
    said = f"litellm:custom_llm_provider:openai;model_id:{deployment};response_id:{own}"
    return f"resp_{base64.b64encode(said.encode()).decode()}"


LONG_ID = response_id(OWN_ID)
CHAT: dict[str, Any] = {
    "id": "chatcmpl-2299b6a2",
    "object": "chat.completion",
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
}
RESPONSE: dict[str, Any] = {
    "id": LONG_ID,
    "object": "response",
    "created_at": 1763719205,
    "status": "completed",
    "model": "gpt-5",
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi", "annotations": []}]},
    ],
    "usage": {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30},
}


def payload(**more: Any) -> dict[str, Any]:
    """Names and order as in tests/logging_callback_tests/gcs_pub_sub_body/standard_logging_payload.json."""
    return {
        "id": "chatcmpl-2299b6a2",
        "call_type": "acompletion",
        "status": "success",
        "custom_llm_provider": "openai",
        "startTime": 1763719205.0,
        "endTime": 1763719206.5,
        "model": "gpt-4o",
        "metadata": {"user_api_key_hash": None, "requester_metadata": None},
        "response_cost": 0.000225,
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "messages": [{"role": "user", "content": "Hello, world!"}],
        "response": CHAT,
        "error_str": None,
        "error_information": {"error_code": "", "error_class": "", "llm_provider": ""},
        **more,
    }


def of_responses(given: Any, **more: Any) -> dict[str, Any]:
    """Its messages are the `input` as it came (litellm/utils.py, `function_setup`)."""
    named = {"id": LONG_ID, "litellm_call_id": CALL_ID, "call_type": "aresponses", "model": "gpt-5"}
    return payload(**{**named, "messages": given, "response": RESPONSE, **more})


def decoded(value: Any) -> Decoded:
    record = Record(Partition("c", "t", "i", 0), 0, 1763719205_000, json.dumps(value).encode(), ())
    (one,) = decoder(FormatOptions())(record)
    return one


def read(value: Any) -> Prediction:
    one = decoded(value)
    assert isinstance(one, Prediction)
    return one


def test_a_call_of_the_responses_api_goes_by_the_id_of_the_call() -> None:
    assert len(LONG_ID) > 200
    prediction = read(of_responses("Hello"))
    assert prediction.request_id == CALL_ID
    assert (prediction.input.prompt, prediction.output.answer) == ("Hello", "hi")
    assert prediction.tokens is not None
    assert (prediction.tokens.input, prediction.tokens.output) == (10, 20)


def test_older_versions_log_no_other_id_than_the_providers_inside_the_long_one() -> None:
    assert read(of_responses("Hello", litellm_call_id=None)).request_id == OWN_ID


def test_an_id_that_is_not_too_long_stays_what_it_was() -> None:
    assert read(payload(litellm_call_id=CALL_ID)).request_id == "chatcmpl-2299b6a2"


@pytest.mark.parametrize(
    "given",
    [
        "resp_" + "a" * 240,
        "resp_" + "é" * 240,
        "x" * 129,
        response_id("x" * 200),
        response_id("a\x00b"),
        response_id("ä" * 40),
        response_id(""),
    ],
)
def test_a_long_id_that_holds_no_other_is_refused(given: str) -> None:
    with pytest.raises(InvalidEvent, match="an id of 1 to 128 characters") as caught:
        decoded(of_responses("Hello", id=given, litellm_call_id=None))
    assert caught.value.reason == Rejection.INVALID


def test_items_of_the_responses_api_are_messages_where_they_have_a_role() -> None:
    asked = [
        {"role": "user", "content": "What is 2 + 3?"},
        {"type": "function_call", "call_id": "call_1", "name": "add", "arguments": '{"a":2,"b":3}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "5"},
    ]
    prediction = read(of_responses(asked))
    assert prediction.input.prompt == "What is 2 + 3?"
    assert "turns" not in prediction.extra


@pytest.mark.parametrize(
    "value",
    [
        payload(messages=HIDDEN_MESSAGES, response={"text": HIDDEN}),
        payload(messages=HIDDEN_MESSAGES, response=HIDDEN),
        payload(
            messages=HIDDEN_MESSAGES,
            response={**CHAT, "choices": [{"index": 0, "message": {"content": HIDDEN}, "finish_reason": "stop"}]},
        ),
        payload(
            messages=HIDDEN_MESSAGES,
            response={**CHAT, "choices": [{"index": n, "message": {"content": HIDDEN}} for n in range(2)]},
        ),
        payload(
            messages=HIDDEN_MESSAGES,
            response={
                **CHAT,
                "choices": [{"index": 0, "message": {"content": None}}, {"index": 1, "message": {"content": HIDDEN}}],
            },
        ),
        of_responses(
            HIDDEN_MESSAGES,
            response={
                **RESPONSE,
                "instructions": HIDDEN,
                "output": [{"type": "message", "content": [{"type": "output_text", "text": HIDDEN}]}],
            },
        ),
        payload(
            messages=HIDDEN_MESSAGES,
            status="failure",
            response={"text": HIDDEN},
            error_str=HIDDEN,
            error_information={"error_code": "429", "error_class": "RateLimitError"},
        ),
    ],
    ids=["text", "a bare text", "chat", "choices", "a choice without text", "responses", "failure"],
)
def test_texts_that_litellm_hides_are_not_taken_for_texts(value: dict[str, Any]) -> None:
    """BerriAI/litellm, litellm_core_utils/redact_messages.py, and `redact_standard_logging_payload_from_...` of
    integrations/custom_logger.py: the setting `turn_off_message_logging`."""
    prediction = read(value)
    assert (prediction.input.prompt, prediction.output.answer, prediction.output.candidates) == (None, None, ())
    assert HIDDEN.encode() not in encode(prediction)
    assert prediction.latency_ms == pytest.approx(1500)
    assert prediction.status == ("rejected" if value["status"] == "failure" else "ok")


def test_what_a_hidden_answer_was_is_not_told_by_its_alternatives() -> None:
    """The log-probabilities are not hidden: the confidence is a number, but the tokens are texts."""
    top = [{"token": "Art", "logprob": -0.03}, {"token": "Sports", "logprob": -4.3}]
    choice = {
        "index": 0,
        "message": {"content": HIDDEN},
        "logprobs": {"content": [{"token": "Art", "logprob": -0.03, "top_logprobs": top}]},
    }
    output = read(payload(messages=HIDDEN_MESSAGES, response={**CHAT, "choices": [choice]})).output
    assert (output.answer, output.candidates) == (None, ())
    assert output.confidence == pytest.approx(0.970, abs=1e-3)


def test_of_tool_calls_the_names_are_left() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "zoom", "arguments": HIDDEN}}
    message = {"content": None, "tool_calls": [call]}
    value = payload(messages=HIDDEN_MESSAGES, response={**CHAT, "choices": [{"index": 0, "message": message}]})
    assert read(value).extra["tool_calls"] == [{"name": "zoom"}]


def test_a_refusal_whose_words_are_hidden_is_a_refusal() -> None:
    parts = [{"type": "refusal", "refusal": HIDDEN}]
    response = {**RESPONSE, "output": [{"type": "message", "content": parts}]}
    output = read(of_responses(HIDDEN_MESSAGES, response=response)).output
    assert (output.answer, output.refused) == (None, True)


def test_a_half_is_read_alike() -> None:
    half = decoded(payload(messages=HIDDEN_MESSAGES, response=None))
    assert isinstance(half, Half)
    assert half.fields["input"] == {}


def test_a_text_that_speaks_of_the_placeholder_is_a_text() -> None:
    asked = f"What does {HIDDEN} mean?"
    prediction = read(payload(messages=[{"role": "user", "content": asked}]))
    assert (prediction.input.prompt, prediction.output.answer) == (asked, "hi")
