"""Texts of servers with an API of their own: SGLang, llama.cpp, DashScope; and what is no text: pictures made."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from monitor.domain.events import Prediction
from monitor.domain.halves import Half, join
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FORMATS, FormatOptions, auto

HALF = math.log(0.5)


def decoded(request: Any = None, response: Any = None, name: str = "auto", **around: Any) -> list[Any]:
    sides = {key: side for key, side in (("request", request), ("response", response)) if side is not None}
    value = json.dumps({"id": "r1", "ts": 1763719200, "model": "m", **sides, **around}).encode()
    record = Record(Partition("c", "t", "id", 0), 0, 1763719205_000, value)
    assert name != "auto" or auto.detected(record) in ("oip", "openai_chat")
    return list(FORMATS[name](FormatOptions())(record))


def called(request: Any, response: Any, **around: Any) -> Prediction:
    (one,) = decoded(request, response, **around)
    assert isinstance(one, Prediction)
    return one


def said(text: str, **told: Any) -> dict[str, Any]:
    """SGLang, "Native APIs"."""
    counts = {"prompt_tokens": 9, "completion_tokens": 2, "e2e_latency": 0.05}
    return {"text": text, "meta_info": {"id": f"m-{text}", "finish_reason": {"type": "stop"}, **counts, **told}}


def asked(text: Any, **more: Any) -> dict[str, Any]:
    return {"text": text, "sampling_params": {"temperature": 0, "max_new_tokens": 32}, **more}


def test_a_call_of_sglang() -> None:
    one = called(asked("What is it?", image_data="https://a/b.png"), said("A mug"))
    assert (one.status, one.input.prompt, one.output.answer) == ("ok", "What is it?", "A mug")
    assert (one.tokens.input, one.tokens.output) == (9, 2)
    assert one.input.image is not None
    assert one.input.image.ref == "https://a/b.png"
    assert one.extra == {"temperature": 0, "max_tokens": 32}


@pytest.mark.parametrize("pictures", [["s3://a/1.png", "s3://a/2.png"], [["s3://a/1.png"], ["s3://a/2.png"]]])
def test_each_text_of_a_list_is_a_prediction_with_its_picture(pictures: Any) -> None:
    found = decoded(asked(["a?", "b?"], image_data=pictures), [said("1"), said("2", prompt_tokens=7)])
    assert [(one.request_id, one.input.prompt, one.output.answer) for one in found] == [
        ("r1#0", "a?", "1"),
        ("r1#1", "b?", "2"),
    ]
    assert [one.input.image.ref for one in found] == ["s3://a/1.png", "s3://a/2.png"]
    assert [one.tokens.input for one in found] == [9, 7]


def test_both_sides_of_a_list_meet_where_they_are_logged_apart() -> None:
    questions, answers = decoded(asked(["a?", "b?"])), decoded(None, [said("1"), said("2")])
    assert all(isinstance(one, Half) for one in (*questions, *answers))
    joined = [join(question, answer) for question, answer in zip(questions, answers, strict=True)]
    assert [(one.input.prompt, one.output.answer) for one in joined] == [("a?", "1"), ("b?", "2")]


def test_several_answers_to_each_text_stand_behind_one_another() -> None:
    found = decoded({**asked(["a?", "b?"]), "sampling_params": {"n": 2}}, [said(text) for text in "1234"])
    assert [(one.input.prompt, one.output.answer) for one in found] == [
        ("a?", "1"), ("a?", "2"), ("b?", "3"), ("b?", "4"),
    ]  # fmt: skip


def test_tokens_in_place_of_texts_are_as_many_items() -> None:
    found = decoded({"input_ids": [[1, 2], [3]], "sampling_params": {}}, [said("1"), said("2")])
    assert [(one.input.prompt, one.output.answer) for one in found] == [(None, "1"), (None, "2")]


@pytest.mark.parametrize(
    ("logprobs", "sure"),
    [
        ([[HALF, 330, " A"], [HALF, 9, " mug"], [0.0, 2, "</s>"]], 0.5),
        ([[HALF, 330, None]], None),
        ("no", None),
        ([[10**400, 1, " A mug"]], None),
    ],
)
def test_log_probabilities_of_sglang_are_a_confidence_where_the_tokens_are_told(
    logprobs: Any, sure: float | None
) -> None:
    assert called(asked("q"), said(" A mug", output_token_logprobs=logprobs)).output.confidence == (
        None if sure is None else pytest.approx(sure)
    )


def test_what_sglang_aborted_is_no_answer() -> None:
    reason = {"type": "abort", "message": "too long", "status_code": 400, "err_type": "BadRequestError"}
    one = called(asked("q"), said("", finish_reason=reason))
    assert (one.status, one.error_code, one.output.answer) == ("rejected", "400", None)
    assert one.extra["error_message"] == "too long"


@pytest.mark.parametrize("body", [{"text": ["cat", "dog"], "image": "https://a/b.png"}, {"text": "q", "top_k": 5}])
def test_a_text_beside_other_names_is_of_no_known_api(body: Any) -> None:
    (one,) = decoded(body, {"generated_text": "cat"})
    assert isinstance(one, Prediction)
    assert one.output.answer == "cat"


LLAMA = {
    "index": 0, "content": " can be done", "tokens": [], "id_slot": 0, "stop": True, "model": "qwen3-vl.gguf",
    "tokens_predicted": 3, "tokens_evaluated": 6, "generation_settings": {"n_predict": 3}, "prompt": "<s> Building",
    "truncated": False, "stop_type": "limit", "stopping_word": "", "tokens_cached": 8, "timings": {"predicted_ms": 5.0},
}  # fmt: skip
"""llama.cpp, tools/server/README.md, "POST /completion"."""


def test_a_completion_of_llama_cpp() -> None:
    one = called({"prompt": "Building a website", "n_predict": 3}, LLAMA)
    assert (one.status, one.input.prompt, one.output.answer) == ("ok", "Building a website", " can be done")
    assert (one.model.version, one.tokens.input, one.tokens.output) == ("qwen3-vl.gguf", 6, 3)
    assert one.extra["finish_reason"] == "length"


@pytest.mark.parametrize(
    "probabilities",
    [
        [{"id": 1, "token": " can", "logprob": HALF, "top_logprobs": [{"id": 1, "token": " can", "logprob": HALF}]}],
        [{"id": 1, "token": " can", "prob": 0.5, "top_probs": [{"id": 1, "token": " can", "prob": 0.5}]}],
        [{"content": " can", "probs": [{"tok_str": " may", "prob": 0.3}, {"tok_str": " can", "prob": 0.5}]}],
    ],
    ids=["logprobs", "post_sampling_probs", "older"],
)
def test_probabilities_of_llama_cpp_are_a_confidence(probabilities: Any) -> None:
    one = called({"prompt": "q"}, {**LLAMA, "content": " can", "completion_probabilities": probabilities})
    assert one.output.confidence == pytest.approx(0.5)
    assert ("can", pytest.approx(0.5)) in [(other.answer, other.score) for other in one.output.candidates]


def test_a_prompt_of_llama_cpp_may_have_pictures() -> None:
    prompt = {"prompt_string": "What is <__media__>?", "multimodal_data": ["iVBORw0KGgo="]}
    one = called({"prompt": prompt, "n_predict": 9}, LLAMA)
    assert one.input.prompt == "What is <__media__>?"
    assert one.input.image is not None
    assert one.input.image.ref == "data:image/png;base64,iVBORw0KGgo="
    found = decoded({"prompt": ["a?", prompt]}, [LLAMA, {**LLAMA, "content": "2"}])
    assert [(one.input.prompt, one.output.answer) for one in found] == [
        ("a?", " can be done"),
        ("What is <__media__>?", "2"),
    ]


def test_what_text_generation_inference_tells_of_its_text_is_read() -> None:
    """Text Generation Inference, docs/openapi.json, `details`."""
    tokens = [{"id": 1, "text": " A", "logprob": HALF, "special": False}]
    tokens.append({"id": 2, "text": "</s>", "logprob": -9.0, "special": True})
    details = {"finish_reason": "length", "generated_tokens": 2, "seed": None, "prefill": [], "tokens": tokens}
    for body in ({"generated_text": " A", "details": details}, [{"generated_text": " A", "details": details}]):
        one = called({"inputs": "What is it?", "parameters": {"details": True}}, body)
        assert (one.input.prompt, one.output.answer, one.tokens.output) == ("What is it?", " A", 2)
        assert one.output.confidence == pytest.approx(0.5)
        assert one.extra["finish_reason"] == "length"


def test_the_first_chat_api_of_cohere() -> None:
    question = {"message": "What is it?", "chat_history": [], "preamble": "Be brief.", "temperature": 0.3}
    answer = {"response_id": "r-1", "text": "A mug", "generation_id": "g-1", "finish_reason": "COMPLETE"}
    (one,) = decoded(question, answer, "oip")
    assert (one.input.prompt, one.input.context, one.output.answer) == ("What is it?", "Be brief.", "A mug")
    assert one.extra == {"temperature": 0.3}


QWEN = {
    "model": "qwen-vl-plus",
    "input": {
        "messages": [
            {"role": "system", "content": [{"text": "Be brief."}]},
            {"role": "user", "content": [{"image": "https://a/dog.jpeg"}, {"text": "What is it?"}]},
        ]
    },
    "parameters": {"temperature": 0.5},
}
CHOICE = {"finish_reason": "stop", "message": {"role": "assistant", "content": [{"text": "A dog."}]}}


@pytest.mark.parametrize("output", [{"choices": [CHOICE]}, {"text": "A dog.", "finish_reason": "stop"}])
def test_a_call_of_dashscope(output: Any) -> None:
    """Model Studio, "Qwen API reference", pictures."""
    usage = {"input_tokens": 1276, "output_tokens": 19, "image_tokens": 1247}
    one = called(QWEN, {"output": output, "usage": usage, "request_id": "ccf845a3"})
    assert (one.status, one.input.prompt, one.input.context) == ("ok", "What is it?", "Be brief.")
    assert (one.output.answer, one.tokens.input, one.tokens.image) == ("A dog.", 1276, 1247)
    assert one.input.image is not None
    assert one.input.image.ref == "https://a/dog.jpeg"
    assert one.extra == {"temperature": 0.5}


@pytest.mark.parametrize(
    "made",
    [
        {"created": 1713833628, "data": [{"b64_json": "iVBORw0KGgo="}], "usage": {"total_tokens": 9}},
        {"created": 1713833628, "data": [{"url": "https://a/b.png", "revised_prompt": "A cat"}]},
        {"images": ["iVBORw0KGgo="]},
        {"artifacts": [{"base64": "iVBORw0KGgo=", "finishReason": "SUCCESS"}]},
    ],
    ids=["openai", "openai-url", "bedrock", "stability"],
)
@pytest.mark.parametrize("name", ["oip", "openai_chat"])
def test_pictures_that_were_made_are_refused_not_counted(made: Any, name: str) -> None:
    value = json.dumps({"id": "r1", "model": "m", "request": {"prompt": "A cat", "n": 1}, "response": made}).encode()
    with pytest.raises(InvalidEvent, match="the answer is pictures that were made"):
        FORMATS[name](FormatOptions())(Record(Partition("c", "t", "id", 0), 0, 1763719205_000, value))


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{"url": "https://a/page", "title": "Mugs"}], "answer": "A mug"},
        {"created": 1, "data": [{"url": "https://a/page"}], "answer": "A mug"},
        {"images": ["iVBORw0KGgo="], "answer": "A mug"},
    ],
)
def test_pictures_and_pages_beside_an_answer_are_not_what_was_made(body: Any) -> None:
    (one,) = decoded({"query": "What is it?"}, body, "oip")
    assert (one.status, one.output.answer) == ("ok", "A mug")


REFUSED = "The security token included in the request is expired"


@pytest.mark.parametrize("body", [{"message": REFUSED}, {"Message": REFUSED}, {"message": REFUSED, "request_id": "9"}])
def test_a_message_alone_is_an_answer_only_where_the_call_succeeded(body: Any) -> None:
    question = {"messages": [{"role": "user", "content": "q"}]}
    untold = called(question, body)
    assert (untold.status, untold.output.answer, untold.extra["error_message"]) == ("error", None, REFUSED)
    told = called(question, body, status_code=200)
    assert (told.status, told.output.answer) == ("ok", REFUSED)
    failed = called(question, body, status_code=403)
    assert (failed.status, failed.error_code, failed.extra["error_message"]) == ("rejected", "403", REFUSED)


@pytest.mark.parametrize("status", [200, "201"])
def test_the_status_of_an_http_message_says_that_a_call_succeeded(status: Any) -> None:
    post = {"method": "POST", "url": "https://a/ask", "headers": {}}
    question = {**post, "body": {"messages": [{"role": "user", "content": "q"}]}}
    one = called(question, {"status": status, "headers": {}, "body": {"message": "A mug"}})
    assert (one.status, one.output.answer) == ("ok", "A mug")


def test_an_exception_of_aws_is_one_whatever_the_status() -> None:
    body = {"__type": "com.amazon.coral.service#ThrottlingException", "message": "slow down"}
    one = called({"messages": [{"role": "user", "content": "q"}]}, body, status_code=200)
    assert (one.status, one.error_code) == ("rejected", "ThrottlingException")
