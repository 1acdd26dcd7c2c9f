"""Streamed chat completions: put together from server-sent events, whole, interleaved, cut or broken."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.payloads.chat_response import MAX_CHOICES
from monitor.formats.payloads.rows import Fields
from monitor.formats.payloads.server_events import events, is_stream
from monitor.formats.payloads.streams import read_stream


def delta(content: str | None = None, index: int = 0, ended: str | None = None, **more: Any) -> dict[str, Any]:
    said = {"content": content} if content is not None else {}
    return {"choices": [{"index": index, "delta": {**said, **more}, "finish_reason": ended}]}


def stream(*chunks: Any, end: str = "\n\n", done: bool = True) -> bytes:
    lines = [chunk if isinstance(chunk, str) else f"data: {json.dumps(chunk)}" for chunk in chunks]
    return "".join(f"{line}{end}" for line in [*lines, *(["data: [DONE]"] if done else [])]).encode()


def fields(body: bytes) -> Fields:
    (row,) = read_stream(body).rows
    return row


def test_pieces_are_put_together_in_order() -> None:
    said = fields(stream(delta("a "), delta("mug"), delta(ended="stop")))
    assert (said["output"], said["status"]) == ({"answer": "a mug"}, "ok")


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\r\r"])
def test_any_line_end_will_do(end: str) -> None:
    assert fields(stream(delta("a"), delta("b", ended="stop"), end=end))["output"]["answer"] == "ab"


def test_comments_other_fields_and_events_without_data_are_passed_over() -> None:
    body = stream(": keep-alive", "event: message\nid: 7\nretry: 9", delta("a", ended="stop"), ":")
    assert fields(b"\xef\xbb\xbf" + body)["output"]["answer"] == "a"


def test_an_event_may_have_its_data_on_several_lines() -> None:
    chunk = json.dumps(delta("a", ended="stop"), indent=1)
    lines = "\n".join(f"data: {line}" for line in chunk.splitlines())
    assert fields(stream(lines))["output"]["answer"] == "a"


def test_a_last_event_without_an_empty_line_counts() -> None:
    assert fields(stream(delta("a", ended="stop"), done=False).rstrip())["status"] == "ok"


def test_interleaved_choices_are_kept_apart() -> None:
    body = stream(
        delta("a", 1), delta("b", 0), delta("c", 1), delta("d", 0), delta(None, 0, "stop"), delta(None, 1, "stop")
    )
    output = fields(body)["output"]
    assert output["answer"] == "bd"
    assert sorted(one["answer"] for one in output["candidates"]) == ["ac", "bd"]


def test_usage_comes_in_the_last_chunk_without_choices() -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}
    assert fields(stream(delta("a", ended="stop"), usage))["tokens"] == {"in": 9, "out": 2}


def test_refusals_and_tool_calls_come_in_pieces_too() -> None:
    refusing = fields(stream(delta(refusal="I can"), delta(refusal="not."), delta(ended="stop")))
    assert refusing["output"] == {"answer": "I cannot.", "refused": True}
    first = {"index": 0, "id": "c", "function": {"name": "zoom", "arguments": ""}}
    calls = [
        [first],
        [{"index": 0, "function": {"arguments": '{"x"'}}],
        [{"index": 0, "function": {"arguments": ":1}"}}],
    ]
    calling = fields(stream(*(delta(tool_calls=one) for one in calls), delta(ended="tool_calls")))
    assert calling["extra"]["tool_calls"] == [{"name": "zoom", "arguments": '{"x":1}'}]
    assert "answer" not in calling["output"]


def test_a_tool_call_may_come_without_its_list() -> None:
    """Text Generation Inference (issue 2794)."""
    pieces = [{"index": 0, "id": "", "function": {"name": None, "arguments": text}} for text in ('{"x"', ":1}")]
    said = fields(stream(*(delta(tool_calls=one) for one in pieces), delta(ended="eos_token")))
    assert said["extra"]["tool_calls"] == [{"name": None, "arguments": '{"x":1}'}]
    (whole,) = stream({"choices": [{"message": {"tool_calls": pieces[0]}}]}).splitlines()[:1]
    assert fields(whole + b"\n\ndata: [DONE]")["extra"]["tool_calls"] == [{"name": None, "arguments": '{"x"'}]


@pytest.mark.parametrize("logprobs", [-0.25, 0, [-0.25], "none", False])
def test_log_probabilities_of_another_form_cost_the_confidence_not_the_answer(logprobs: Any) -> None:
    """Together streams a number."""
    chunk = {"choices": [{"index": 0, "delta": {"content": " cat"}, "logprobs": logprobs, "finish_reason": "stop"}]}
    assert fields(stream(chunk)) == {"status": "ok", "output": {"answer": " cat"}}


@pytest.mark.parametrize("logprobs", [{"content": -0.25}, {"content": [{"token": 7}]}, {"tokens": "a"}])
def test_log_probabilities_of_the_apis_form_with_other_content_are_refused(logprobs: Any) -> None:
    with pytest.raises(msgspec.ValidationError, match="logprobs"):
        fields(stream({"choices": [{"index": 0, "delta": {"content": " cat"}, "logprobs": logprobs}]}))


def test_a_stream_that_was_lost_is_an_error_that_keeps_what_had_come() -> None:
    said = fields(stream(delta("a"), delta(" mu"), done=False))
    assert (said["status"], said["error_code"]) == ("error", "stream_cut")
    assert said["output"]["answer"] == "a mu"


def test_a_stream_that_ended_in_the_middle_of_an_event_is_cut() -> None:
    body = stream(delta("a"), delta("b", ended="stop"), done=False)
    assert fields(body[:-20])["error_code"] == "stream_cut"


def test_a_stream_without_any_answer_is_cut() -> None:
    assert fields(b": ping\n\n") == {"status": "error", "error_code": "stream_cut"}


def test_what_is_no_json_in_the_middle_is_refused() -> None:
    with pytest.raises(InvalidEvent) as caught:
        fields(stream(delta("a"), "data: {", delta("b")))
    assert caught.value.reason == Rejection.UNREADABLE


def test_an_error_inside_the_stream_is_the_outcome() -> None:
    said = fields(stream(delta("a"), {"error": {"message": "overloaded", "type": "server_error", "code": 503}}))
    assert (said["status"], said["error_code"]) == ("error", "503")


def test_an_older_error_body_inside_the_stream_is_one_too() -> None:
    error = {"object": "error", "message": "out of memory", "type": "InternalServerError", "param": None, "code": 500}
    said = fields(stream(delta("a"), error))
    assert (said["status"], said["error_code"], said["extra"]["error_message"]) == ("error", "500", "out of memory")
    assert fields(stream(error))["error_code"] == "500"


def test_chunks_that_openai_python_dumped_have_null_for_what_they_lack() -> None:
    """`ChatCompletionChunk(id=None, choices=None, ..., error={...})`."""
    lacking = dict.fromkeys(("id", "choices", "created", "model", "object", "usage"))
    said = fields(stream(delta("a"), {**lacking, "error": {"message": "overloaded", "code": 502}}))
    assert (said["status"], said["error_code"]) == ("error", "502")
    assert fields(stream(delta("a"), lacking, delta("b", ended="stop")))["output"] == {"answer": "ab"}


def test_more_choices_than_allowed_are_refused() -> None:
    with pytest.raises(InvalidEvent, match="choices"):
        fields(stream(*(delta("a", index) for index in range(MAX_CHOICES + 1))))


def test_streams_are_told_from_json() -> None:
    assert all(map(is_stream, (b"data: {}", b"\r\n\r\ndata:x", b": ping", b"event: x")))
    assert not any(map(is_stream, (b'{"data": 1}', b"", b"[1]", b"date: 1")))


@given(st.binary(max_size=300))
def test_whatever_the_bytes_the_events_are_some(body: bytes) -> None:
    assert all(isinstance(one, bytes) for one in events(b"data:" + body))


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(pieces=st.lists(texts, min_size=1, max_size=20), end=st.sampled_from(["\n\n", "\r\n\r\n"]))
def test_a_streamed_answer_says_what_the_whole_one_says(pieces: list[str], end: str) -> None:
    logprobs = [{"content": [{"token": piece, "logprob": -0.5}]} for piece in pieces]
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": piece}, "logprobs": one}]}
        for piece, one in zip(pieces, logprobs, strict=True)
    ]
    whole = {
        "index": 0,
        "message": {"content": "".join(pieces)},
        "finish_reason": "stop",
        "logprobs": {"content": [token for one in logprobs for token in one["content"]]},
    }
    assert fields(stream(*chunks, delta(ended="stop"), end=end)) == fields(stream({"choices": [whole]}))
