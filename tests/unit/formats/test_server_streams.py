"""Streams of servers with an API of their own: Ollama's lines, SGLang's events with all so far or the next piece."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from monitor.domain.events import Prediction, Rejection
from monitor.domain.halves import Half
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FORMATS, FormatOptions
from monitor.formats.payloads.framing import Read
from monitor.formats.payloads.response_body import read_response
from monitor.formats.payloads.roles import Roles

ROLES = Roles({})
HALF = math.log(0.5)
Pieces = list[dict[str, Any]]


def lines(pieces: Pieces) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in pieces).encode()


def events(pieces: Pieces, end: str = "data: [DONE]\n\n") -> bytes:
    return ("".join(f"data: {json.dumps(one)}\n\n" for one in pieces) + end).encode()


def read(body: bytes) -> Read:
    return read_response(body, ROLES, 1 << 20, "m")


def row(body: bytes) -> dict[str, Any]:
    (found,) = read(body).rows
    return found


# ---- Ollama, docs/api.md: "Chat request (Streaming)", "Generate request (Streaming)" --------------------------------

NAMED = {"model": "llama3.2", "created_at": "2023-08-04T08:52:19.385406455-07:00"}
COUNTS = {"total_duration": 4883583458, "load_duration": 1334875, "prompt_eval_count": 26, "eval_count": 282}
CHAT: Pieces = [
    {**NAMED, "message": {"role": "assistant", "content": "The", "images": None}, "done": False},
    {**NAMED, "message": {"role": "assistant", "content": " sky"}, "done": False},
    {**NAMED, "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop", **COUNTS},
]
GENERATED: Pieces = [
    {**NAMED, "response": "The", "done": False},
    {**NAMED, "response": " sky", "done": False},
    {**NAMED, "response": "", "done": True, "context": [1, 2, 3], **COUNTS},
]
LOGGED = {"lines": lines, "list": lambda pieces: json.dumps(pieces).encode(), "events": events}


@pytest.mark.parametrize("logged", LOGGED)
@pytest.mark.parametrize("pieces", [CHAT, GENERATED], ids=["chat", "generate"])
def test_a_stream_of_ollama_is_one_answer(pieces: Pieces, logged: str) -> None:
    said = read(LOGGED[logged](pieces))
    assert said.rows == [{"status": "ok", "output": {"answer": "The sky"}, "tokens": {"in": 26, "out": 282}}]
    assert said.model == "llama3.2"


@pytest.mark.parametrize("content", ["text", "list"])
def test_a_stream_of_ollama_in_a_call_that_was_logged(content: str) -> None:
    asked = {"model": "llama3.2", "messages": [{"role": "user", "content": "why is the sky blue?"}]}
    said: Any = CHAT if content == "list" else lines(CHAT).decode()
    value = json.dumps({"id": "r1", "ts": 1763719200, "request": asked, "response": said}).encode()
    for name in ("auto", "openai_chat", "oip"):
        (one,) = FORMATS[name](FormatOptions())(Record(Partition("c", "t", "id", 0), 0, 1763719205_000, value))
        assert isinstance(one, Prediction)
        assert (one.input.prompt, one.output.answer, one.status) == ("why is the sky blue?", "The sky", "ok")


@pytest.mark.parametrize("body", [lines(CHAT[:2]), lines(CHAT)[:-30], json.dumps(CHAT[:2]).encode()])
def test_a_stream_of_ollama_that_never_was_done_is_cut(body: bytes) -> None:
    said = row(body)
    assert (said["status"], said["error_code"], said["output"]["answer"]) == ("error", "stream_cut", "The sky")


def test_calls_of_tools_thoughts_and_log_probabilities_of_a_stream_of_ollama_are_kept() -> None:
    def piece(content: str, done: bool = False, **more: Any) -> dict[str, Any]:
        logprobs = more.pop("logprobs", None)
        return {**NAMED, "message": {"content": content, **more}, "done": done, "logprobs": logprobs}

    thought, answer = [{"token": "Hm", "logprob": -9.0}], [{"token": "A mug", "logprob": HALF}]
    said = row(lines([piece("", thinking="Hm", logprobs=thought), piece("A mug", logprobs=answer), piece("", True)]))
    assert said["output"] == {"answer": "A mug", "confidence": pytest.approx(0.5)}
    call = {"function": {"name": "zoom", "arguments": {"x": 1}}}
    called = row(lines([piece("", tool_calls=[call]), piece("", True)]))
    assert called["extra"]["tool_calls"] == [{"name": "zoom", "arguments": '{"x":1}'}]


def test_thoughts_of_generate_are_no_part_of_its_confidence() -> None:
    whole = {**GENERATED[2], "response": "Red", "thinking": "Hm"}
    tokens = [{"token": "Hm", "logprob": -9.0}, {"token": "Red", "logprob": HALF}]
    assert row(json.dumps({**whole, "logprobs": tokens}).encode())["output"]["confidence"] == pytest.approx(0.5)


def test_an_error_inside_a_stream_of_ollama_is_its_outcome() -> None:
    said = row(lines([*CHAT[:2], {"error": "an error was encountered while running the model"}]))
    assert said["status"] == "error"
    assert said["extra"]["error_message"] == "an error was encountered while running the model"


@pytest.mark.parametrize("body", [b'{"a": 1}\n{"a"', b'{"model": "m"}\n{"model": "m"}\n'])
def test_lines_of_an_api_that_is_not_known_are_refused_and_say_so(body: bytes) -> None:
    with pytest.raises(InvalidEvent, match="a stream of no API that is known; its first event is") as caught:
        read(body)
    assert caught.value.reason is Rejection.INVALID


@pytest.mark.parametrize("body", [b'{"model": "m', b'{"a": 1} {"a": 2}', b'{"a": 1\n}\n{', b'{"a": 1}\nplain text'])
def test_what_is_neither_json_nor_its_lines_is_unreadable(body: bytes) -> None:
    with pytest.raises(InvalidEvent, match="not JSON") as caught:
        read(body)
    assert caught.value.reason is Rejection.UNREADABLE


def test_lines_with_the_nul_character_are_refused() -> None:
    with pytest.raises(InvalidEvent) as caught:
        read(lines([*CHAT[:1], {**NAMED, "response": "a\x00b", "done": True}]))
    assert caught.value.reason is Rejection.UNSTORABLE


# ---- SGLang, "Native APIs"; sgl-project/sglang, pull requests 21037, 21583 and 22549 ---------------------------------

TEXTS = [" The", " The sky", " The sky is"]
STEPS = [" The", " sky", " is"]


def told(count: int, reason: Any = None, **more: Any) -> dict[str, Any]:
    return {"id": "9b1", "finish_reason": reason, "prompt_tokens": 5, "completion_tokens": count, **more}


def streamed(texts: list[str], **each: list[Any]) -> Pieces:
    """As the server sends these texts; `each` has a member of every event."""
    end = {"type": "length", "length": len(texts)}
    return [
        {"text": text, **{name: values[at] for name, values in each.items()}}
        | {"meta_info": told(at + 1, end if at + 1 == len(texts) else None)}
        for at, text in enumerate(texts)
    ]


@pytest.mark.parametrize("logged", ["list", "events"])
@pytest.mark.parametrize("texts", [TEXTS, STEPS], ids=["all so far", "pieces"])
def test_a_stream_of_sglang_is_one_answer(texts: list[str], logged: str) -> None:
    said = read(LOGGED[logged](streamed(texts)))
    assert said.rows == [
        {
            "status": "ok",
            "output": {"answer": " The sky is"},
            "tokens": {"in": 5, "out": 3},
            "extra": {"finish_reason": "length"},
        }
    ]
    assert said.id == "9b1"


@pytest.mark.parametrize(
    ("texts", "ids", "answer"),
    [
        (["Paris", "Paris"], [[1], [2]], "Paris"),  # the last token ends the text and is none of it
        (["Par", ""], [[1], [2]], "Par"),
        ([" caf\ufffd", " café"], [[1], [1, 2]], " café"),
        (["Paris\nUser", "Paris"], [[1], [1, 2]], "Paris"),  # cut off at what it was to stop at
        (["a", "b"], [[1], [1, 2]], "b"),
        (["1", "0", "0"], [[1], [2], [3]], "100"),
    ],
)
def test_all_so_far_is_told_from_the_next_piece(texts: list[str], ids: list[Any], answer: str) -> None:
    assert row(events(streamed(texts, output_ids=ids)))["output"] == {"answer": answer}


@pytest.mark.parametrize("texts", [TEXTS, STEPS], ids=["all so far", "pieces"])
@pytest.mark.parametrize("whole", [True, False])
def test_log_probabilities_of_a_stream_are_all_so_far_or_pieces_too(texts: list[str], whole: bool) -> None:
    pieces = streamed(texts)
    tokens = [[HALF, at, step] for at, step in enumerate(STEPS)]
    for at, piece in enumerate(pieces):
        piece["meta_info"]["output_token_logprobs"] = tokens[: at + 1] if whole else tokens[at : at + 1]
    assert row(events(pieces))["output"]["confidence"] == pytest.approx(0.5)
    pieces[-1]["meta_info"]["completion_tokens"] = 9
    assert "confidence" not in row(events(pieces))["output"]


def test_each_of_several_texts_of_a_stream_is_an_item() -> None:
    first, second = streamed(TEXTS), streamed(["No", "No."])
    mixed = [{**second[0], "index": 1}, *({**one, "index": 0} for one in first), {**second[1], "index": 1}]
    found = read(events(mixed))
    assert [one["output"]["answer"] for one in found.rows] == [" The sky is", "No."]
    assert found.id == ""
    with pytest.raises(InvalidEvent, match="more than the 128 texts"):
        read(events([{**first[0], "index": index} for index in range(129)]))


def test_a_stream_of_sglang_that_gives_no_reason_for_its_end_is_cut_unless_it_says_that_it_is_done() -> None:
    cut = row(events(streamed(TEXTS)[:2], end=""))
    assert (cut["status"], cut["error_code"], cut["output"]["answer"]) == ("error", "stream_cut", " The sky")
    assert row(events(streamed(TEXTS)[:2]))["status"] == "ok"


def test_an_error_or_an_abort_inside_a_stream_of_sglang_is_its_outcome() -> None:
    error = {"error": {"message": "The input is longer than the context", "code": 400}}
    assert row(events([*streamed(TEXTS)[:1], error]))["status"] == "rejected"
    reason = {"type": "abort", "message": "aborted by the client", "status_code": 499}
    aborted = row(events([*streamed(TEXTS)[:1], {"text": " The", "meta_info": told(1, reason)}]))
    assert (aborted["status"], aborted["output"]["answer"]) == ("rejected", " The")


def test_tokens_alone_are_an_answer_that_is_not_known() -> None:
    pieces = [{"output_ids": [1], "meta_info": told(1)}, {"output_ids": [2], "meta_info": told(2, {"type": "stop"})}]
    said = row(events(pieces))
    assert (said["status"], said["output"], said["tokens"]) == ("ok", {}, {"in": 5, "out": 2})


def test_a_list_of_whole_answers_of_sglang_is_no_stream() -> None:
    whole = [{"text": text, "meta_info": told(1, {"type": "stop"})} for text in ("a", "b")]
    assert [one["output"]["answer"] for one in read(json.dumps(whole).encode()).rows] == ["a", "b"]


def test_a_stream_of_sglang_through_kserve() -> None:
    headers = (("ce_type", b"org.kubeflow.serving.inference.response"), ("ce_id", b"c1"))
    record = Record(Partition("c", "kserve", "id", 0), 0, 1763719205_000, events(streamed(TEXTS)), headers)
    (half,) = FORMATS["kserve"](FormatOptions(model="m"))(record)
    assert isinstance(half, Half)
    assert (half.pair_id, half.fields["output"]) == ("c1", {"answer": " The sky is"})
