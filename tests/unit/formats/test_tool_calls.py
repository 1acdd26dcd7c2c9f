"""Calls of tools as servers write them: with and without their place, whole and in pieces."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.formats.payloads.chat_response import MAX_TOOL_CALLS
from monitor.formats.payloads.response_body import read_response
from monitor.formats.payloads.roles import Roles
from monitor.formats.payloads.streams import read_stream

Calls = list[dict[str, Any]]


def piece(name: str | None = None, arguments: str = "", **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


def streamed(*chunks: Calls) -> Calls:
    """The calls of a stream of these pieces."""
    deltas: list[dict[str, Any]] = [{"tool_calls": calls} for calls in chunks]
    choices: list[dict[str, Any]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls"})
    lines = [f"data: {json.dumps({'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n" for choice in choices]
    (row,) = read_stream(("".join(lines) + "data: [DONE]\n\n").encode()).rows
    assert row["status"] == "ok"
    calls: Calls = row["extra"]["tool_calls"]
    return calls


def test_a_whole_response_may_say_null_for_the_place() -> None:
    """sgl-project/sglang, docs/references/deepseek.md: the response that its users are to expect."""
    body = (
        b'{"id":"6501ef8e2d874006bf555bc80cddc7c5","object":"chat.completion","created":1745993638,'
        b'"model":"deepseek-ai/DeepSeek-V3-0324","choices":[{"index":0,"message":{"role":"assistant","content":null,'
        b'"reasoning_content":null,"tool_calls":[{"id":"0","index":null,"type":"function","function":{"name":'
        b'"query_weather","arguments":"{\\"city\\": \\"Qingdao\\"}"}}]},"logprobs":null,"finish_reason":"tool_calls",'
        b'"matched_stop":null}],"usage":{"prompt_tokens":116,"total_tokens":138,"completion_tokens":22,'
        b'"prompt_tokens_details":null}}'
    )
    (row,) = read_response(body, Roles({}), 10_000, "").rows
    assert row["extra"]["tool_calls"] == [{"name": "query_weather", "arguments": '{"city": "Qingdao"}'}]
    assert row["tokens"] == {"in": 116, "out": 22}


PARIS, ROME = '{"city":"Paris"}', '{"city":"Rome"}'
BOTH = [{"name": "weather", "arguments": PARIS}, {"name": "time", "arguments": ROME}]


@pytest.mark.parametrize(
    "chunks",
    [
        [[piece("weather", PARIS, id="call-001")], [piece("time", ROME, id="call-002")]],
        [[piece("weather", PARIS, id="call-001"), piece("time", ROME, id="call-002")]],
        [
            [piece("weather", '{"city":', id="function-call-1")],
            [piece(None, '"Paris"}')],
            [piece("time", '{"city":', id="function-call-2")],
            [piece(None, '"Rome"}')],
        ],
        [[piece("weather", PARIS, id="abc123", index=0)], [piece("time", ROME, id="def456", index=0)]],
        [
            [piece("weather", "", id="chatcmpl-tool-c9ZC", index=0)],
            [piece(None, PARIS, id="", index=0)],
            [piece("time", "", id="chatcmpl-tool-HfzZ", index=0)],
            [piece(None, ROME, id="", index=0)],
        ],
        [
            [piece("weather", "", id="0", index=0)],
            [piece(None, PARIS, id="0", index=0)],
            [piece("time", "", id="1", index=0)],
            [piece(None, ROME, id="1", index=0)],
        ],
        [[piece("weather", PARIS, index=None)], [piece("time", ROME, index=None)]],
    ],
    ids=["Gemini", "Gemini, in one", "Gemini, in pieces", "Ollama", "vLLM", "SGLang", "without ids"],
)
def test_calls_are_told_apart_without_their_places(chunks: list[Calls]) -> None:
    """Gemini (openai-python, issue 2806 and pull request 3246; open-webui/computer, issue 224), Ollama (issue 15457),
    and what vLLM and SGLang once streamed (InternLM/lmdeploy, issue 3412)."""
    assert streamed(*chunks) == BOTH


@pytest.mark.parametrize(
    "chunks",
    [
        [[piece("weather", '{"city":', id="a", index=0)], [piece(None, '"Paris"}', id="b", index=0)]],
        [[piece("weather", '{"city":', id="a", index=0)], [piece("weather", '"Paris"}', id="a", index=0)]],
        [[piece("weather", "", index=0)], [piece("weather", PARIS, index=0)]],
        [[piece("weather", '{"city":', id="a", index=0), piece(None, '"Paris"}', index=0)]],
        [[piece("weather", '{"city":', id="a", index=0)], [piece("", '"Paris"}', id="", index=0)]],
    ],
    ids=["another id", "the same id", "a name before arguments", "twice in a chunk", "empty names"],
)
def test_one_call_stays_one(chunks: list[Calls]) -> None:
    """Poolside gives the first piece another id than the rest (poolsideai/pool, issue 9); some servers repeat the id in
    every piece (spring-projects/spring-ai, pull request 5973); vLLM may put two pieces in a chunk (openai-python, issue
    3201)."""
    assert streamed(*chunks) == BOTH[:1]


def test_pieces_of_numbered_calls_may_be_mixed() -> None:
    chunks = [
        [piece("weather", "", id="a", index=0), piece("time", "", id="b", index=1)],
        [piece(None, '{"city":', index=1), piece(None, '{"city":', index=0)],
        [piece(None, '"Paris"}', index=0), piece(None, '"Rome"}', index=1)],
    ]
    assert streamed(*chunks) == BOTH


def test_no_more_calls_are_kept_than_allowed() -> None:
    chunks = [[piece(f"f{number}", str(number), id=f"c{number}")] for number in range(MAX_TOOL_CALLS + 9)]
    calls = streamed(*chunks)
    assert calls == [{"name": f"f{number}", "arguments": str(number)} for number in range(MAX_TOOL_CALLS)]


@pytest.mark.parametrize("name", ["f", None])
def test_four_times_as_many_pieces_take_about_four_times_as_long(name: str | None) -> None:
    """By the processor's time; joined anew with each piece, they would take sixteen times as long."""

    def took(pieces: int) -> float:
        text = "" if name else "1"
        began = time.process_time()
        assert streamed(*([piece(name, text)] for _ in range(pieces))) == [{"name": name, "arguments": text * pieces}]
        return time.process_time() - began

    assert min(took(40_000) for _ in range(3)) < 9 * min(took(10_000) for _ in range(3))


ids = st.none() | st.sampled_from(["", "a", "b"]) | st.integers()
names = st.none() | st.sampled_from(["", "f", "g"])
places = st.none() | st.integers(-1, 2)


@given(st.lists(st.tuples(ids, names, places, st.text("ab", max_size=2)), min_size=1, max_size=12))
def test_no_piece_of_the_arguments_is_lost(pieces: list[tuple[Any, Any, Any, str]]) -> None:
    chunks = [[piece(name, text, id=given, index=place)] for given, name, place, text in pieces]
    said = "".join(call["arguments"] for call in streamed(*chunks))
    assert sorted(said) == sorted("".join(text for *_, text in pieces))


def row_of(message: dict[str, Any], **more: Any) -> Any:
    choice = {"index": 0, "message": {"role": "assistant", **message}, **more}
    (row,) = read_response(json.dumps({"choices": [choice]}).encode(), Roles({}), 10_000, "").rows
    return row


def test_what_came_before_tool_calls_is_one() -> None:
    """OpenAI's `function_call`, which older clients and servers still write."""
    row = row_of({"content": None, "function_call": BOTH[0]}, finish_reason="function_call")
    assert row["extra"]["tool_calls"] == BOTH[:1]


def test_a_streamed_function_call_is_put_together() -> None:
    pieces = [{"name": "weather", "arguments": ""}, {"arguments": '{"city":'}, {"arguments": '"Paris"}'}]
    deltas = [{"role": "assistant", "content": None, "function_call": piece} for piece in pieces]
    events = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    (row,) = read_stream(body.encode()).rows
    assert row["extra"]["tool_calls"] == BOTH[:1]
    assert row["output"] == {}


@pytest.mark.parametrize("nothing", [{"function_call": None}, {"tool_calls": []}, {"tool_calls": None}])
def test_a_place_for_calls_without_any_is_none(nothing: dict[str, Any]) -> None:
    assert row_of({"content": "A mug", **nothing}, finish_reason="stop") == {
        "status": "ok",
        "output": {"answer": "A mug"},
    }
    event = {"choices": [{"index": 0, "delta": {"content": "A mug", **nothing}, "finish_reason": "stop"}]}
    (row,) = read_stream(f"data: {json.dumps(event)}\n\n".encode()).rows
    assert row == {"status": "ok", "output": {"answer": "A mug"}}


def with_logprobs(*texts: str) -> dict[str, Any]:
    tokens = [{"token": text, "logprob": -0.5, "top_logprobs": [{"token": text, "logprob": -0.5}]} for text in texts]
    return {"logprobs": {"content": tokens}, "finish_reason": "tool_calls"}


@pytest.mark.parametrize("content", [None, ""])
@pytest.mark.parametrize("tokens", [("<tool_call>", '{"name"'), ("{}",)])
def test_a_call_alone_has_no_confidence_of_an_answer(content: str | None, tokens: tuple[str, ...]) -> None:
    row = row_of({"content": content, "tool_calls": [piece("weather", PARIS)]}, **with_logprobs(*tokens))
    assert row["output"].keys() <= {"answer"}


def test_the_tokens_of_a_call_do_not_count_for_the_answer_beside_it() -> None:
    said = {"content": "Let me see", "tool_calls": [piece("weather", PARIS)]}
    alone = row_of(said, **with_logprobs("Let", " me", " see"))
    assert round(alone["output"]["confidence"], 6) == 0.606531
    assert "confidence" not in row_of(said, **with_logprobs("Let", " me", " see", "<tool_call>"))["output"]
