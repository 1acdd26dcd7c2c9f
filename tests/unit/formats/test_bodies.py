"""Bodies of further APIs: embeddings, the Responses API, text completions, raw tensors, lists of chunks."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest

from monitor.domain.events import Rejection
from monitor.domain.halves import Half
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FormatOptions, kserve
from monitor.formats.payloads.request_body import read_request
from monitor.formats.payloads.response_body import read_response
from monitor.formats.payloads.roles import Roles

ROLES = Roles({})
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


def asked(body: Any) -> Any:
    (row,) = read_request(body if isinstance(body, bytes) else json.dumps(body).encode(), ROLES, 100_000).rows
    return row


def answered(body: Any) -> Any:
    (row,) = read_response(json.dumps(body).encode(), ROLES, 100_000, "m").rows
    return row


def test_a_request_of_the_responses_api_is_a_chat() -> None:
    content = [
        {"type": "input_text", "text": "what is in this image?"},
        {"type": "input_image", "image_url": "https://example.org/a.jpg"},
    ]
    given = [
        {"role": "user", "content": content},
        {"type": "function_call_output", "call_id": "c", "output": "{}"},
    ]
    read = read_request(
        json.dumps({"model": "gpt-4.1", "instructions": "Be brief.", "input": given, "temperature": 0.5}).encode(),
        ROLES,
        100_000,
    )
    image = {"ref": "https://example.org/a.jpg"}
    said = {"prompt": "what is in this image?", "context": "Be brief.", "image": image}
    assert read.rows == [{"input": said, "extra": {"temperature": 0.5}}]
    assert read.model == "gpt-4.1"


@pytest.mark.parametrize(
    ("source", "ref"),
    [
        ({"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}, "data:image/png;base64,iVBORw0KGgo="),
        ({"type": "url", "url": "https://example.org/a.jpg"}, "https://example.org/a.jpg"),
        ({"type": "file", "file_id": "file_011"}, None),
    ],
)
@pytest.mark.parametrize("system", ["Be brief.", [{"type": "text", "text": "Be brief."}]])
def test_a_request_of_anthropic_is_a_chat(source: Any, ref: str | None, system: Any) -> None:
    content = [{"type": "image", "source": source}, {"type": "text", "text": "What is this?"}]
    body = {"model": "claude", "max_tokens": 64, "system": system, "messages": [{"role": "user", "content": content}]}
    row = asked(body | {"metadata": {"user_id": "u-1"}})
    assert (row["input"]["prompt"], row["input"]["context"]) == ("What is this?", "Be brief.")
    assert row["input"].get("image", {}).get("ref") == ref
    assert row["extra"] == {"max_tokens": 64, "user_id": "u-1"}


@pytest.mark.parametrize("system", [7, True, {}, [], [7], [{"text": 7}], "", None])
def test_a_system_prompt_that_is_none_is_passed_over(system: Any) -> None:
    assert asked({"system": system, "messages": [{"role": "user", "content": "q"}]}) == {"input": {"prompt": "q"}}


def test_the_model_of_a_body_is_neither_prompt_nor_answer() -> None:
    assert asked({"model": "m-1", "sentence": "Where?"})["input"] == {"prompt": "Where?"}
    assert answered({"model_name": "m-1", "model_version": "3", "result": "There."})["output"] == {"answer": "There."}


def test_values_of_a_list_are_known_by_their_place_where_that_is_configured() -> None:
    places = Roles({"image": "0", "prompt": "1", "answer": "0", "confidence": "1"})
    instances = {"instances": [["https://a/1.jpg", "What?"], ["https://a/2.jpg"], []]}
    asked = [one["input"] for one in read_request(json.dumps(instances).encode(), places, 100_000).rows]
    assert asked == [
        {"prompt": "What?", "image": {"ref": "https://a/1.jpg"}},
        {"image": {"ref": "https://a/2.jpg"}},
        {},
    ]
    predictions = {"predictions": [["cat", 0.9], [0.25, 0.75], "dog"]}
    said = [one["output"] for one in read_response(json.dumps(predictions).encode(), places, 100_000, "m").rows]
    assert said == [{"answer": "cat", "confidence": 0.9}, {"answer": "0.25", "confidence": 0.75}, {"answer": "dog"}]
    (plain,) = read_response(b'{"predictions": [[0.25, 0.75]]}', Roles({"image": "0"}), 100_000, "m").rows
    assert plain["output"]["answer"] == "1"


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"id": "x", "status": "succeeded", "output": ["A", " mug"], "error": None}, None),  # Replicate's
        ({"status": "ok", "result": "A mug"}, "A mug"),
        ({"state": "COMPLETED", "result": "A mug"}, "A mug"),
        ({"role": "assistant", "content": "A mug"}, "A mug"),
    ],
)
def test_how_a_call_went_and_who_speaks_are_no_answers(body: Any, answer: str | None) -> None:
    assert answered(body)["output"].get("answer") == answer


@pytest.mark.parametrize(
    "body",
    [
        {"object": "list", "data": [{"index": 0, "object": "embedding", "embedding": [0.1]}], "model": "e"},
        {"results": [{"text": "a", "reason": "FINISH"}]},
        {"output": {"text": "a", "finish_reason": "stop"}, "request_id": "c14c80c3"},
        {"type": "list", "created_at": "2023-12-13T22:42:50Z", "items": [{}]},
    ],
    ids=["kserve's fixture embedding.json", "results", "output", "any"],
)
def test_what_an_unknown_api_says_about_its_answer_is_no_answer(body: Any) -> None:
    assert answered(body)["output"] == {}


COMPLETION: dict[str, Any] = {
    "id": "cmpl-1",
    "object": "text_completion",
    "model": "gpt-3.5-turbo-instruct",
    "choices": [
        {
            "text": " a mug",
            "index": 0,
            "finish_reason": "stop",
            "logprobs": {
                "tokens": [" a", " mug"],
                "token_logprobs": [math.log(0.5), math.log(0.125)],
                "top_logprobs": [{" a": math.log(0.5)}, {" mug": math.log(0.125)}],
                "text_offset": [0, 2],
            },
        }
    ],
}


def test_log_probabilities_of_a_text_completion_are_its_confidence() -> None:
    assert answered(COMPLETION)["output"]["confidence"] == pytest.approx(0.25)  # sqrt(1/2 * 1/8)


def test_streamed_log_probabilities_of_a_text_completion_are_too() -> None:
    logprobs = COMPLETION["choices"][0]["logprobs"]
    events = [
        {
            "object": "text_completion",
            "choices": [
                {"text": token, "finish_reason": end, "logprobs": {"tokens": [token], "token_logprobs": [logprob]}}
            ],
        }
        for token, logprob, end in zip(logprobs["tokens"], logprobs["token_logprobs"], (None, "stop"), strict=True)
    ]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
    (row,) = read_response(body, ROLES, 100_000, "m").rows
    assert row["output"]["answer"] == " a mug"
    assert row["output"]["confidence"] == pytest.approx(0.25)


def test_other_tokens_of_a_one_token_completion_are_candidates() -> None:
    logprobs = {
        "tokens": ["yes"],
        "token_logprobs": [-0.1],
        "top_logprobs": [{"yes": math.log(0.9), "no": math.log(0.1)}],
    }
    output = answered({"choices": [{"text": "yes", "finish_reason": "stop", "logprobs": logprobs}]})["output"]
    assert [(one["answer"], round(one["score"], 6)) for one in output["candidates"]] == [("yes", 0.9), ("no", 0.1)]


@pytest.mark.parametrize(
    "logprobs",
    [
        {"tokens": [12, 13], "token_logprobs": [-0.1, -0.2], "top_logprobs": []},
        {"tokens": ["x"], "token_logprobs": [-0.1], "top_logprobs": [[[12, -0.1], [13, -2.0]]]},
        {"tokens": ["x"], "token_logprobs": ["-0.1"]},
    ],
    ids=["ids of tokens", "lists of pairs", "texts"],
)
@pytest.mark.parametrize("said", [{"message": {"content": "A cat"}}, {"text": "A cat"}], ids=["chat", "text"])
def test_log_probabilities_of_another_shape_leave_the_answer_without_a_confidence(logprobs: Any, said: Any) -> None:
    """The first two as older versions of ml-explore/mlx-lm write them (server.py, `generate_response`)."""
    choice = {"index": 0, "finish_reason": "stop", "logprobs": logprobs, **said}
    assert answered({"choices": [choice]})["output"] == {"answer": "A cat"}
    (row,) = read_response(b"data: %b\n\n" % json.dumps({"choices": [choice]}).encode(), ROLES, 100_000, "m").rows
    assert row["output"] == {"answer": "A cat"}


def test_an_echoed_prompt_whose_first_token_has_no_probability_leaves_the_confidence_open() -> None:
    logprobs = {"tokens": ["Q", " a"], "token_logprobs": [None, -0.1]}
    assert "confidence" not in answered({"choices": [{"text": "Q a", "logprobs": logprobs}]})["output"]


def test_a_list_of_chunks_is_the_stream_that_it_was() -> None:
    pieces = [("The", None), (" mug", None), (None, "stop")]
    chunks = [
        {
            "id": "c-1",
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": end}],
        }
        for text, end in pieces
    ]
    assert answered(chunks) == {"status": "ok", "output": {"answer": "The mug"}}
    assert answered(chunks[:2])["error_code"] == "stream_cut"


def with_length(*elements: bytes) -> bytes:
    return b"".join(len(one).to_bytes(4, "little") + one for one in elements)


def test_a_raw_binary_request_of_triton_holds_one_tensor_of_texts() -> None:
    assert asked(with_length("Où est-ce ?".encode())) == {"input": {"prompt": "Où est-ce ?"}}
    assert asked(with_length(PNG))["input"]["image"]["bytes"] == len(PNG)
    rows = read_request(with_length(b"one?", b"two?"), ROLES, 100_000).rows
    assert [row["input"]["prompt"] for row in rows] == ["one?", "two?"]


def logged(body: bytes, metadata: str) -> Record:
    headers = {"ce_type": "org.kubeflow.serving.inference.request", "ce_id": "c1", "ce_metadata": metadata}
    named = tuple((name, text.encode()) for name, text in headers.items())
    return Record(Partition("cluster", "kserve", "id", 0), 0, 1763719205_000, body, named)


def test_raw_numbers_are_known_by_the_length_of_their_json() -> None:
    read = kserve.decoder(FormatOptions(model="m"))
    numbers = b"\x00\x00\x80?" * 6
    (half,) = read(logged(numbers, '{"Inference-Header-Content-Length":["0"],"X-Tenant":["a"]}'))
    assert isinstance(half, Half)
    assert (half.pair_id, half.fields["input"]) == ("c1", {})
    for metadata in ("{}", '{"Inference-Header-Content-Length":["120"]}'):
        with pytest.raises(InvalidEvent) as caught:
            read(logged(numbers, metadata))
        assert caught.value.reason is Rejection.UNREADABLE


@pytest.mark.parametrize(
    "values",
    [
        {"dtype": "DT_FLOAT", "floatVal": [0.1, 0.9, 0.8, 0.2]},
        {"dtype": "DT_DOUBLE", "doubleVal": [0.1, 0.9, 0.8, 0.2]},
        {"dtype": "DT_FLOAT", "tensorContent": base64.b64encode(b"\xcd\xcc\xcc=fff?\xcd\xccL?\xcd\xccL>").decode()},
    ],
    ids=["floatVal", "doubleVal", "tensorContent"],
)
def test_seldons_tensors_of_tensorflow_are_rows(values: Any) -> None:
    shape = {"dim": [{"size": "2"}, {"size": "2"}]}
    body = {"data": {"names": ["cat", "dog"], "tftensor": {**values, "tensorShape": shape}}}
    rows = read_response(json.dumps(body).encode(), ROLES, 100_000, "m").rows
    assert [row["output"]["answer"] for row in rows] == ["dog", "cat"]


def test_seldons_tensors_of_tensorflow_hold_texts_and_integers() -> None:
    texts = {"dtype": "DT_STRING", "tensorShape": {"dim": [{"size": "1"}]}, "stringVal": ["V2hlcmU/"]}
    assert asked({"data": {"tftensor": texts}})["input"] == {"prompt": "Where?"}
    numbers = {"dtype": "DT_INT64", "tensorShape": {"dim": [{"size": "1"}]}, "int64Val": ["7"]}
    assert answered({"data": {"tftensor": numbers}})["output"] == {"answer": "7"}


@pytest.mark.parametrize(
    "tensor",
    [
        {"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": "3"}]}, "floatVal": [1]},
        {"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": "x"}]}, "floatVal": [1]},
        {"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": 1}]}, "tensorContent": "AAA="},
        {"dtype": "DT_RESOURCE", "tensorShape": {"dim": [{"size": 1}]}, "tensorContent": "AAAA"},
        {"dtype": "DT_STRING", "tensorShape": {"dim": [{"size": 1}]}, "stringVal": ["?"]},
        {"dtype": "DT_INT64", "tensorShape": {"dim": [{"size": 1}]}, "int64Val": ["1e9"]},
        {"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": 1}] * 40}, "floatVal": [1]},
    ],
)
def test_tensors_of_tensorflow_that_do_not_fit_are_refused(tensor: Any) -> None:
    with pytest.raises(InvalidEvent, match=r"data\.tftensor"):
        answered({"data": {"tftensor": tensor}})


def of_responses(status: str, *output: Any, **more: Any) -> dict[str, Any]:
    return {"id": "resp_1", "object": "response", "status": status, "model": "m", "output": list(output), **more}


def message(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_a_response_that_waits_for_its_answer_is_refused(status: str) -> None:
    """Asked for in the background: it is neither an answer nor a failure."""
    with pytest.raises(InvalidEvent, match=f"status: '{status}': this response has no answer yet") as caught:
        answered(of_responses(status))
    assert caught.value.reason is Rejection.INVALID


def test_a_response_that_was_cancelled_is_a_failure_with_what_had_come() -> None:
    row = answered(of_responses("cancelled", message("A m")))
    assert (row["status"], row["error_code"], row["output"]) == ("error", "cancelled", {"answer": "A m"})


def test_a_response_that_ended_before_it_said_anything_is_a_failure() -> None:
    """All its tokens went into the reasoning."""
    row = answered(
        of_responses("incomplete", {"type": "reasoning"}, incomplete_details={"reason": "max_output_tokens"})
    )
    assert (row["status"], row["error_code"], row["output"]) == ("error", "max_output_tokens", {})


def test_a_response_that_ended_early_is_an_answer_as_of_a_chat_completion() -> None:
    row = answered(of_responses("incomplete", message("A m"), incomplete_details={"reason": "max_output_tokens"}))
    assert (row["status"], row["output"]) == ("ok", {"answer": "A m"})
    assert row["extra"] == {"finish_reason": "length"}


def test_a_response_that_a_filter_stopped_is_refused_as_of_a_chat_completion() -> None:
    row = answered(of_responses("incomplete", incomplete_details={"reason": "content_filter"}))
    assert (row["status"], row["output"]["refused"]) == ("ok", True)


SPOKEN = {"id": "audio_1", "data": "UklGRg==", "expires_at": 1763722805, "transcript": "A mug."}


def test_the_answer_of_speech_is_its_transcript() -> None:
    said = {"role": "assistant", "content": None, "audio": SPOKEN}
    assert answered({"choices": [{"index": 0, "message": said, "finish_reason": "stop"}]})["output"] == {
        "answer": "A mug."
    }


def test_streamed_speech_is_put_together() -> None:
    pieces = [{"id": "audio_1", "transcript": "A"}, {"data": "UklGRg=="}, {"transcript": " mug."}]
    deltas = [{"role": "assistant", "content": ""}, *({"audio": piece} for piece in pieces)]
    events = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    (row,) = read_response(body.encode(), ROLES, 100_000, "m").rows
    assert row == {"status": "ok", "output": {"answer": "A mug."}}


@pytest.mark.parametrize("audio", [None, {}, {"id": "audio_1"}, "UklGRg==", {"transcript": None}])
def test_speech_without_a_transcript_is_no_answer(audio: Any) -> None:
    said = {"role": "assistant", "content": None, "audio": audio}
    assert answered({"choices": [{"index": 0, "message": said, "finish_reason": "stop"}]})["output"] == {}


@pytest.mark.parametrize(
    ("body", "status", "code", "text"),
    [
        ({"detail": "Not Found"}, "error", "error", "Not Found"),
        ({"detail": [{"loc": ["body"], "msg": "Field required"}]}, "error", "error", "Field required"),
        (
            {"code": 503, "type": "InternalServerException", "message": "Prediction failed"},
            "error",
            "503",
            "Prediction failed",
        ),
        ({"statusCode": 404, "message": "Resource not found"}, "rejected", "404", "Resource not found"),
    ],
    ids=["FastAPI", "FastAPI's validation", "TorchServe", "Azure"],
)
def test_an_error_of_a_server_is_no_answer(body: Any, status: str, code: str, text: str) -> None:
    row = answered(body)
    assert (row["status"], row["error_code"], row.get("output")) == (status, code, None)
    assert text in row["extra"]["error_message"]


@pytest.mark.parametrize(
    "body",
    [
        {"detail": "A mug on a table", "label": "mug"},
        {"message": "A mug", "code": 7},
        {"message": "A mug", "code": 200},
        {"message": "A mug", "statusCode": 200},
    ],
)
def test_an_answer_beside_such_a_name_is_one(body: Any) -> None:
    assert answered(body)["status"] == "ok"
    assert answered(body)["output"]["answer"] in ("A mug", "mug")
