"""OpenAI chat completions: envelopes, LiteLLM's records, bare bodies, streams, errors."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.events import Prediction, Rejection
from monitor.domain.halves import Half, join
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FormatOptions
from monitor.formats.openai_chat import decoder, recognises
from tests.unit.formats.texts import ANSWERS, TEXTS

Sample = Callable[[str], Record]
QUESTION: dict[str, Any] = {"model": "llava", "messages": [{"role": "user", "content": "What?"}]}
ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "llava",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "a mug"}, "finish_reason": "stop"}],
}
CALL: dict[str, Any] = {"id": "r1", "ts": "2025-11-21T10:00:00Z", "request": QUESTION, "response": ANSWER}


def record(value: Any, headers: dict[str, str] | None = None) -> Record:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    named = tuple((name, text.encode()) for name, text in (headers or {}).items())
    return Record(Partition("cluster", "openai_chat", "id", 0), 0, 1763719205_000, raw, named)


def read(one: Record, options: FormatOptions | None = None) -> Prediction:
    (decoded,) = decoder(options or FormatOptions())(one)
    assert isinstance(decoded, Prediction)
    return decoded


def half(one: Record) -> Half:
    (decoded,) = decoder(FormatOptions())(one)
    assert isinstance(decoded, Half)
    return decoded


def answered(*choices: dict[str, Any], **more: Any) -> Prediction:
    return read(record({**CALL, "response": {**ANSWER, "choices": list(choices), **more}}))


def asked(*messages: dict[str, Any]) -> Prediction:
    return read(record({**CALL, "request": {**QUESTION, "messages": list(messages)}}))


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def text(content: str) -> dict[str, str]:
    return {"type": "text", "text": content}


def refused(value: Any) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        decoder(FormatOptions())(record(value))
    return caught.value


def test_a_question_about_a_picture_with_both_bodies(sample: Sample) -> None:
    prediction = read(sample("openai_chat/image_call"), FormatOptions(slices={"site": "Region"}))
    assert prediction.request_id == "req-1"
    assert (prediction.model.name, prediction.model.version) == ("gpt-4.1", "2025-04-14")
    assert prediction.model.variant == "canary"
    assert (prediction.input.prompt, prediction.input.context) == ("What is in this image?", "Answer in one word.")
    assert prediction.input.image is not None
    assert str(prediction.input.image.ref).startswith("https://upload.wikimedia.org/")
    assert (prediction.output.answer, prediction.latency_ms) == ("boardwalk", 950)
    assert prediction.tokens is not None
    assert (prediction.tokens.input, prediction.tokens.output) == (1117, 46)
    assert prediction.slices == {"site": "eu"}
    assert prediction.extra["max_tokens"] == 300


def test_what_litellm_logs(sample: Sample) -> None:
    prediction = read(sample("openai_chat/litellm"))
    assert prediction.request_id == "chatcmpl-2299b6a2-82a3-465a-b47c-04e685a2227f"
    assert prediction.ts.isoformat() == "2025-01-24T09:20:46.847371+00:00"
    assert prediction.latency_ms == pytest.approx(4.583)
    assert prediction.cost_usd == pytest.approx(0.000225)
    assert (prediction.input.prompt, prediction.output.answer) == ("Hello, world!", "hi")
    assert prediction.tokens is not None
    assert (prediction.tokens.input, prediction.tokens.output) == (10, 20)


def test_what_litellm_logs_of_a_failure(sample: Sample) -> None:
    prediction = read(sample("openai_chat/litellm_failure"), FormatOptions(slices={"region": "region"}))
    assert (prediction.status, prediction.error_code) == ("rejected", "429")
    assert prediction.slices == {"region": "eu"}
    assert prediction.output.answer is None


def test_an_error_of_vllm_is_the_fault_of_the_request(sample: Sample) -> None:
    prediction = read(sample("openai_chat/vllm_error"))
    assert (prediction.status, prediction.error_code) == ("rejected", "400")
    assert "maximum context length" in prediction.extra["error_message"]


def test_an_answer_that_a_filter_took_away_is_flagged(sample: Sample) -> None:
    prediction = read(sample("openai_chat/azure_filtered"))
    assert (prediction.status, prediction.output.refused) == ("ok", True)
    assert prediction.output.safety is not None
    assert prediction.output.safety.categories == ("violence",)


def test_request_and_response_apart_meet_by_the_id_of_the_envelope() -> None:
    request = half(record({"id": "r1", "ts": 1763719200, "request": QUESTION}))
    response = half(record({"id": "r1", "ts": 1763719200.25, "response": ANSWER}))
    prediction = join(request, response)
    assert (prediction.request_id, prediction.latency_ms) == ("r1", 250)
    assert (prediction.input.prompt, prediction.output.answer) == ("What?", "a mug")


def test_bare_bodies_meet_by_the_id_in_a_header() -> None:
    request = half(record(QUESTION, {"X-Request-Id": "r1"}))
    response = half(record(ANSWER, {"x-request-id": "r1"}))
    assert join(request, response).output.answer == "a mug"


def test_a_bare_body_without_an_id_is_refused() -> None:
    assert "id" in str(refused(QUESTION))


def test_parts_give_prompt_image_and_further_images() -> None:
    parts = [
        text("One"),
        image("https://a/1.jpg"),
        text("Two"),
        image("s3://b/2.png"),
        image("data:image/png;base64,AAAA"),
    ]
    prediction = asked({"role": "user", "content": parts})
    assert prediction.input.prompt == "One\nTwo"
    assert prediction.input.image is not None
    assert prediction.input.image.ref == "https://a/1.jpg"
    further = prediction.extra["images"]
    assert further[0] == {"ref": "s3://b/2.png"}
    assert further[1]["bytes"] == 3
    assert len(further[1]["sha256"]) == 64


def test_the_last_turn_is_the_prompt_and_the_newest_picture_the_image() -> None:
    prediction = asked(
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [text("What?"), image("https://a/1.jpg")]},
        {"role": "assistant", "content": "A mug."},
        {"role": "user", "content": "Which colour?"},
    )
    assert prediction.input.prompt == "Which colour?"
    assert prediction.input.image is not None
    assert prediction.input.image.ref == "https://a/1.jpg"
    assert (prediction.input.context, prediction.extra["turns"]) == ("Be brief.", 2)


def test_an_image_may_be_the_address_itself() -> None:
    prediction = asked({"role": "user", "content": [{"type": "input_image", "image_url": "https://a/1.jpg"}]})
    assert prediction.input.image is not None
    assert prediction.input.image.ref == "https://a/1.jpg"
    assert prediction.input.prompt is None


def test_a_plain_text_among_the_parts_is_a_text() -> None:
    """vllm-project/vllm, entrypoints/chat_utils.py: `ChatCompletionContentPartParam` may be a `str`."""
    prediction = asked({"role": "user", "content": ["One", image("https://a/1.jpg"), text("Two"), 'Three "3"']})
    assert prediction.input.prompt == 'One\nTwo\nThree "3"'
    assert prediction.input.image is not None
    assert prediction.input.image.ref == "https://a/1.jpg"


def test_a_plain_text_among_the_parts_leaves_the_rest_of_the_request_as_it_is() -> None:
    request = {**QUESTION, "messages": [{"content": ["One"]}, {"role": "system", "content": "Be brief."}], "seed": 7}
    prediction = read(record({**CALL, "request": {**request, "user": "u1", "logit_bias": {"7": 10**30}}}))
    assert (prediction.input.prompt, prediction.input.context) == ("One", "Be brief.")
    assert (prediction.extra["seed"], prediction.extra["user_id"]) == (7, "u1")


def test_a_data_address_tells_its_size() -> None:
    prediction = asked({"role": "user", "content": [image("data:image/png;base64,aGVsbG8=")]})
    assert prediction.input.image is not None
    assert prediction.input.image.bytes == 5


def test_a_refusal_is_an_answer_that_refuses() -> None:
    prediction = answered(
        {"index": 0, "message": {"content": None, "refusal": "I cannot help."}, "finish_reason": "stop"}
    )
    assert (prediction.output.answer, prediction.output.refused, prediction.status) == ("I cannot help.", True, "ok")


def test_several_choices_with_log_probabilities_are_candidates_by_their_confidence() -> None:
    choices = [
        {
            "index": index,
            "message": {"content": answer},
            "logprobs": {"content": [{"token": answer, "logprob": logprob}]},
        }
        for index, (answer, logprob) in enumerate([("cup", -1.0), ("mug", -0.5), ("cup", -1.0)])
    ]
    output = answered(*choices).output
    assert output.answer == "cup"
    assert output.confidence == pytest.approx(math.exp(-1.0))
    assert [one.answer for one in output.candidates] == ["mug", "cup"]


def test_several_choices_without_them_are_candidates_by_their_share() -> None:
    choices = [{"index": index, "message": {"content": answer}} for index, answer in enumerate(["cup", "mug", "mug"])]
    output = answered(*reversed(choices)).output
    assert (output.answer, output.confidence) == ("cup", None)
    assert [(one.answer, round(one.score, 2)) for one in output.candidates] == [("mug", 0.67), ("cup", 0.33)]


def test_the_alternatives_of_a_one_token_answer_are_candidates() -> None:
    """Figures: OpenAI Cookbook, "Using logprobs", third headline: Art 97.23 %, Sports 1.39 %."""
    top = [{"token": "Art", "logprob": -0.028133942}, {"token": " Sports", "logprob": -4.278134}]
    tokens = [{"token": "Art", "logprob": -0.028133942, "top_logprobs": top}, {"token": "<|im_end|>", "logprob": -0.5}]
    output = answered({"index": 0, "message": {"content": "Art"}, "logprobs": {"content": tokens}}).output
    assert output.confidence == pytest.approx(0.9723, abs=5e-5)
    assert [(one.answer, round(100 * one.score, 2)) for one in output.candidates] == [("Art", 97.23), ("Sports", 1.39)]


def test_tool_calls_are_kept_beside_the_answer() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "zoom", "arguments": '{"x": 1}'}}
    prediction = answered(
        {"index": 0, "message": {"content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}
    )
    assert prediction.extra["tool_calls"] == [{"name": "zoom", "arguments": '{"x": 1}'}]
    assert (prediction.output.answer, prediction.extra["finish_reason"]) == (None, "tool_calls")


def test_servers_that_leave_the_api_in_small_things_are_read() -> None:
    """Answers in parts, arguments as an object, numbers without a value."""
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "a mug"}]
    calls = [{"function": {"name": "zoom", "arguments": {"x": 1}}}]
    logprobs = {"content": [{"token": "a", "logprob": None}]}
    choice = {"index": 0, "message": {"content": parts, "tool_calls": calls}, "logprobs": logprobs}
    prediction = answered(choice, usage={"prompt_tokens": None}, model=None)
    assert (prediction.output.answer, prediction.output.confidence) == ("a mug", None)
    assert prediction.extra["tool_calls"] == [{"name": "zoom", "arguments": '{"x":1}'}]


def test_image_tokens_are_counted_where_they_are_given() -> None:
    usage = {"prompt_tokens": 600, "completion_tokens": 3, "prompt_tokens_details": {"image_tokens": 576}}
    prediction = answered(ANSWER["choices"][0], usage=usage)
    assert prediction.tokens is not None
    assert (prediction.tokens.input, prediction.tokens.output, prediction.tokens.image) == (600, 3, 576)


def test_a_streamed_response_may_stand_in_the_envelope_as_text() -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": "a mug"}, "finish_reason": "stop"}]}
    prediction = read(record({**CALL, "response": f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n"}))
    assert (prediction.output.answer, prediction.status) == ("a mug", "ok")


def test_the_time_of_the_answer_serves_where_no_other_is_given() -> None:
    call = {"id": "r1", "request": QUESTION, "response": {**ANSWER, "created": 1763719203}}
    assert read(record(call)).ts.isoformat() == "2025-11-21T10:00:03+00:00"


@pytest.mark.parametrize("given", [1763719200, 1763719200_000, "2025-11-21T10:00:00", "2025-11-21T11:00:00+01:00"])
def test_times_are_seconds_milliseconds_or_text(given: Any) -> None:
    assert read(record({**CALL, "ts": given})).ts.isoformat().startswith("2025-11-21T1")
    assert read(record({**CALL, "ts": given})).ts.timestamp() == 1763719200


def test_a_prompt_of_ten_thousand_characters_passes() -> None:
    assert asked({"role": "user", "content": "ä" * 10_000}).input.prompt == "ä" * 10_000


@pytest.mark.parametrize(
    ("value", "reason", "word"),
    [
        (b"", Rejection.UNREADABLE, "record"),
        (b"[]", Rejection.INVALID, "record"),
        (b"{", Rejection.UNREADABLE, "record"),
        (b'{"messages": "\\u0000"}', Rejection.UNSTORABLE, "NUL"),
        ({**CALL, "response": {"object": "chat.completion", "choices": []}}, Rejection.INVALID, "choices"),
        ({**CALL, "response": {**ANSWER, "choices": [{"message": {"content": 5}}]}}, Rejection.INVALID, "content"),
        ({**CALL, "response": {**ANSWER, "choices": [{"index": 0}] * 129}}, Rejection.INVALID, "129"),
        ({**CALL, "request": {"messages": [{"role": "user"}] * 1025}}, Rejection.INVALID, "1025"),
        ({**CALL, "request": {"messages": [{"content": [{}] * 257}]}}, Rejection.INVALID, "257"),
        ({**CALL, "request": {"messages": [{"content": ["a"] * 257}]}}, Rejection.INVALID, "257"),
        ({**CALL, "request": {"messages": [{"content": ["a", 5]}]}}, Rejection.INVALID, "content[1]"),
        ({**CALL, "request": {"messages": "a"}}, Rejection.INVALID, "$.messages"),
        ({**CALL, "request": {"messages": [{"content": ["a\x00"]}]}}, Rejection.UNSTORABLE, "NUL"),
        ({**CALL, "ts": "noon"}, Rejection.INVALID, "ts"),
        ({**CALL, "latency_ms": -1}, Rejection.INVALID, "latency_ms"),
        ({**CALL, "id": "x" * 129}, Rejection.INVALID, "id"),
        ({"id": "r1"}, Rejection.INVALID, "response"),
    ],
)
def test_what_cannot_be_accepted_is_refused_with_its_reason(value: Any, reason: Rejection, word: str) -> None:
    fault = refused(value)
    assert fault.reason == reason, str(fault)
    assert word in str(fault)


def test_a_model_that_no_body_names_is_configured() -> None:
    nameless = {**CALL, "request": {"messages": QUESTION["messages"]}, "response": {**ANSWER, "model": ""}}
    assert read(record(nameless), FormatOptions(model="llava")).model.name == "llava"
    assert "model" in str(refused(nameless))


@given(prompt=TEXTS, answer=ANSWERS, context=TEXTS, url=st.sampled_from(["https://a/b.jpg", "s3://b/k", ""]))
def test_what_was_said_comes_out_as_it_went_in(prompt: str, answer: str, context: str, url: str) -> None:
    parts = [text(prompt), *([image(url)] if url else [])]
    messages = [{"role": "system", "content": context}, {"role": "user", "content": parts}]
    response = {**ANSWER, "choices": [{"index": 0, "message": {"content": answer}}]}
    prediction = read(record({**CALL, "request": {**QUESTION, "messages": messages}, "response": response}))
    assert (prediction.input.prompt, prediction.output.answer) == (prompt, answer)
    assert prediction.input.context == (context or None)
    assert (prediction.input.image.ref if prediction.input.image else "") == url


def test_its_records_are_recognised(sample: Sample) -> None:
    assert all(map(recognises, map(sample, ("openai_chat/image_call", "openai_chat/litellm"))))
    assert not any(map(recognises, map(sample, ("oip/request", "seldon/iris_request"))))
