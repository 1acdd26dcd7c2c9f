"""Streams of other APIs: read as they are meant, or refused, and never taken for a chat completion that was cut."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

import pytest

from monitor.domain.events import Rejection
from monitor.domain.halves import Half
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FORMATS, FormatOptions
from monitor.formats.payloads.framing import Read
from monitor.formats.payloads.response_body import read_response
from monitor.formats.payloads.roles import Roles

ROLES = Roles({})


def stream(*events: dict[str, Any], named: bool = False) -> bytes:
    """Server-sent events; those of OpenAI's Responses API and of Anthropic name their type twice."""
    names = [f"event: {event['type']}\n" if named else "" for event in events]
    return "".join(f"{name}data: {json.dumps(event)}\n\n" for name, event in zip(names, events, strict=True)).encode()


def read(body: bytes | dict[str, Any]) -> Read:
    return read_response(json.dumps(body).encode() if isinstance(body, dict) else body, ROLES, 100_000, "m")


TRITON: list[dict[str, Any]] = [
    {"model_name": "vllm_model", "model_version": "1", "text_output": piece}
    for piece in ("The", " mug", " is", " red.")
]


def test_pieces_of_generate_stream_are_one_answer() -> None:
    said = read(stream(*TRITON))
    assert said.rows == [{"output": {"answer": "The mug is red."}, "status": "ok"}]
    assert (said.model, said.version) == ("vllm_model", "1")


def test_generate_stream_through_kserve_is_an_answer_and_no_error() -> None:
    headers = (("ce_type", b"org.kubeflow.serving.inference.response"), ("ce_id", b"c1"))
    record = Record(Partition("cluster", "kserve", "id", 0), 0, 1763719205_000, stream(*TRITON), headers)
    (half,) = FORMATS["kserve"](FormatOptions(model="m"))(record)
    assert isinstance(half, Half)
    assert (half.fields["status"], half.fields["output"]) == ("ok", {"answer": "The mug is red."})


def test_an_error_inside_generate_stream_is_the_outcome() -> None:
    (row,) = read(stream(TRITON[0], {"error": "inference request timed out"})).rows
    assert (row["status"], row["extra"]) == ("error", {"error_message": "inference request timed out"})
    assert row["output"]["answer"] == "The"


def test_generate_stream_that_ends_inside_an_event_is_cut() -> None:
    (row,) = read(stream(*TRITON)[:-20]).rows
    assert (row["status"], row["error_code"], row["output"]) == ("error", "stream_cut", {"answer": "The mug is"})


RESPONSE: dict[str, Any] = {
    "id": "resp_67c9fdcecf488190bdd9a0409de3a1ec07b8b0ad4e5eb654",
    "object": "response",
    "created_at": 1741290958,
    "status": "in_progress",
    "error": None,
    "incomplete_details": None,
    "model": "gpt-4.1-2025-04-14",
    "output": [],
    "usage": None,
}
TEXT = {"type": "output_text", "text": "Hi there!", "annotations": []}
MESSAGE = {"id": "msg_67c9", "type": "message", "status": "completed", "role": "assistant", "content": [TEXT]}
COUNTS = {"input_tokens": 37, "output_tokens": 11, "output_tokens_details": {"reasoning_tokens": 0}}
COMPLETED = {**RESPONSE, "status": "completed", "output": [MESSAGE], "usage": COUNTS}
PLACE = {"item_id": "msg_67c9", "output_index": 0, "content_index": 0}
BEGUN: list[dict[str, Any]] = [
    {"type": "response.created", "response": RESPONSE},
    {"type": "response.in_progress", "response": RESPONSE},
    {"type": "response.output_item.added", "output_index": 0, "item": {**MESSAGE, "content": []}},
    {"type": "response.content_part.added", **PLACE, "part": {**TEXT, "text": ""}},
    {"type": "response.output_text.delta", **PLACE, "delta": "Hi"},
    {"type": "response.output_text.delta", **PLACE, "delta": " there!"},
]
ENDED: list[dict[str, Any]] = [
    {"type": "response.output_text.done", **PLACE, "text": "Hi there!"},
    {"type": "response.completed", "response": COMPLETED},
]


def test_a_stream_of_the_responses_api_says_what_its_response_says() -> None:
    streamed = read(stream(*BEGUN, *ENDED, named=True))
    (row,) = streamed.rows
    assert row == {"status": "ok", "output": {"answer": "Hi there!"}, "tokens": {"in": 37, "out": 11}}
    assert (streamed.answer_id, streamed.model, streamed.created) == (RESPONSE["id"], RESPONSE["model"], 1741290958)
    assert streamed == read(COMPLETED)


def test_a_stream_of_the_responses_api_that_is_cut_keeps_what_had_come() -> None:
    (row,) = read(stream(*BEGUN)).rows
    assert (row["status"], row["error_code"], row["output"]["answer"]) == ("error", "stream_cut", "Hi there!")


def test_a_response_that_stopped_early_says_why() -> None:
    incomplete = {**COMPLETED, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    (row,) = read(stream(*BEGUN, {"type": "response.incomplete", "response": incomplete})).rows
    assert (row["status"], row["extra"]) == ("ok", {"finish_reason": "length"})


def test_refusals_calls_and_logprobs_of_a_response() -> None:
    refusal = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "I cannot."}]}
    assert read({**COMPLETED, "output": [refusal]}).rows[0]["output"] == {"answer": "I cannot.", "refused": True}
    call = {"type": "function_call", "call_id": "c", "name": "zoom", "arguments": '{"x":1}'}
    thought: dict[str, Any] = {"type": "reasoning", "summary": [], "content": None}
    (row,) = read({**COMPLETED, "output": [thought, call]}).rows
    assert row["extra"]["tool_calls"] == [{"name": "zoom", "arguments": '{"x":1}'}]
    sure = {**MESSAGE, "content": [{**TEXT, "logprobs": [{"token": "Hi", "logprob": 0.0, "top_logprobs": []}]}]}
    assert read({**COMPLETED, "output": [sure]}).rows[0]["output"]["confidence"] == 1.0


@pytest.mark.parametrize(
    "end",
    [
        {"type": "response.failed", "response": {**RESPONSE, "status": "failed", "error": {"code": "server_error"}}},
        {"type": "error", "code": "server_error", "message": "overloaded", "param": None},
    ],
    ids=["failed", "error"],
)
def test_a_response_that_failed_is_an_error_of_its_code(end: dict[str, Any]) -> None:
    (row,) = read(stream(*BEGUN, end, named=True)).rows
    assert (row["status"], row["error_code"]) == ("error", "server_error")


START: dict[str, Any] = {
    "id": "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY",
    "type": "message",
    "role": "assistant",
    "content": [],
    "model": "claude-opus-4-1-20250805",
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 25, "output_tokens": 1},
}
ANTHROPIC: list[dict[str, Any]] = [
    {"type": "message_start", "message": START},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "!"}},
    {"type": "content_block_stop", "index": 0},
]
STOP: list[dict[str, Any]] = [
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 15}},
    {"type": "message_stop"},
]


def test_a_stream_of_anthropic_says_what_its_message_says() -> None:
    streamed = read(stream(*ANTHROPIC, *STOP, named=True))
    (row,) = streamed.rows
    assert row == {"status": "ok", "output": {"answer": "Hello!"}, "tokens": {"in": 25, "out": 15}}
    whole = {
        **START,
        "content": [{"type": "text", "text": "Hello!"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 25, "output_tokens": 15},
    }
    assert streamed == read(whole)


def test_a_stream_of_anthropic_that_is_cut_keeps_what_had_come() -> None:
    (row,) = read(stream(*ANTHROPIC)).rows
    assert (row["status"], row["error_code"], row["output"]) == ("error", "stream_cut", {"answer": "Hello!"})


def test_a_tool_that_anthropic_calls_in_pieces() -> None:
    use: dict[str, Any] = {"type": "tool_use", "id": "toolu_01", "name": "get_weather", "input": {}}
    pieces = [{"type": "input_json_delta", "partial_json": one} for one in ("", '{"location":', ' "Bonn"}')]
    said: list[dict[str, Any]] = [
        {"type": "content_block_start", "index": 1, "content_block": use},
        *({"type": "content_block_delta", "index": 1, "delta": piece} for piece in pieces),
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 89}},
    ]
    (row,) = read(stream(*ANTHROPIC, *said)).rows
    assert row["extra"]["tool_calls"] == [{"name": "get_weather", "arguments": '{"location": "Bonn"}'}]
    assert row["extra"]["finish_reason"] == "tool_calls"


def test_an_error_inside_a_stream_of_anthropic_is_the_outcome() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    (row,) = read(stream(*ANTHROPIC, error, named=True)).rows
    assert (row["status"], row["error_code"]) == ("error", "overloaded_error")


def gemini(text: str, reason: str | None = None) -> dict[str, Any]:
    """Gemini API reference, "streamGenerateContent"."""
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": reason}
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 2} if reason else {"promptTokenCount": 9}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash", "responseId": "r-9"}


@pytest.mark.parametrize("in_a_list", [False, True])
def test_a_stream_of_gemini_is_one_answer(in_a_list: bool) -> None:
    pieces = [gemini("A "), gemini("mug", "STOP")]
    found = read(json.dumps(pieces).encode() if in_a_list else stream(*pieces))
    (row,) = found.rows
    assert row == {"status": "ok", "output": {"answer": "A mug"}, "tokens": {"in": 9, "out": 2}}
    assert (found.model, found.answer_id) == ("gemini-2.5-flash", "r-9")


def test_a_stream_of_gemini_that_ends_too_soon_is_cut() -> None:
    (row,) = read(stream(gemini("A "), gemini("mug"))).rows
    assert (row["status"], row["error_code"], row["output"]["answer"]) == ("error", "stream_cut", "A mug")


@pytest.mark.parametrize("last", [gemini("", "SAFETY"), {"promptFeedback": {"blockReason": "SAFETY"}}])
def test_a_stream_of_gemini_that_a_filter_stopped_is_refused(last: Any) -> None:
    (row,) = read(stream(gemini("A "), last)).rows
    assert (row["status"], row["output"]["refused"]) == ("ok", True)


def test_calls_of_tools_in_a_stream_of_gemini_stand_beside_the_answer() -> None:
    called = gemini("")
    called["candidates"][0]["content"]["parts"] = [{"functionCall": {"name": "find", "args": {"shelf": 3}}}]
    (row,) = read(stream(called, gemini("", "STOP"))).rows
    assert row["extra"]["tool_calls"] == [{"name": "find", "arguments": '{"shelf":3}'}]


def token(text: str, *, special: bool = False, **more: Any) -> dict[str, Any]:
    """Text Generation Inference, docs/openapi.json, `StreamResponse`."""
    told = {"id": 330, "text": text, "logprob": math.log(0.5), "special": special}
    return {"index": 1, "token": told, "generated_text": None, "details": None, **more}


@pytest.mark.parametrize("details", [None, {"finish_reason": "eos_token", "generated_tokens": 3, "seed": None}])
def test_a_stream_of_text_generation_inference_is_one_answer(details: Any) -> None:
    last = token("</s>", special=True, generated_text="A mug", details=details)
    (row,) = read(stream(token("A"), token(" mug"), last)).rows
    assert (row["status"], row["output"]["answer"]) == ("ok", "A mug")
    assert row["output"]["confidence"] == pytest.approx(0.5)
    assert row.get("tokens") == (None if details is None else {"out": 3})


def test_a_stream_of_text_generation_inference_that_ends_too_soon_is_cut() -> None:
    (row,) = read(stream(token("A"), token(" mug"))).rows
    assert (row["error_code"], row["output"]["answer"]) == ("stream_cut", "A mug")


def test_a_stream_of_llama_cpp_is_one_answer() -> None:
    """llama.cpp, tools/server/README.md, "POST /completion"."""
    pieces = [{"index": 0, "content": text, "tokens": [9], "stop": False, "id_slot": -1} for text in ("A", " mug")]
    last = {"content": "", "stop": True, "stop_type": "limit", "tokens_predicted": 2, "tokens_evaluated": 9}
    (row,) = read(stream(*pieces, last)).rows
    assert row["output"] == {"answer": "A mug"}
    assert (row["tokens"], row["extra"]) == ({"in": 9, "out": 2}, {"finish_reason": "length"})
    (older,) = read(stream(*pieces, {"content": "", "stop": True, "stopped_eos": True})).rows
    assert (older["status"], older["output"]["answer"]) == ("ok", "A mug")
    (cut,) = read(stream(*pieces)).rows
    assert (cut["error_code"], cut["output"]["answer"]) == ("stream_cut", "A mug")


COHERE: list[dict[str, Any]] = [
    {"type": "message-start", "id": "29f14a5a", "delta": {"message": {"role": "assistant", "content": []}}},
    {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "A"}}}},
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": " mug"}}}},
    {"type": "content-end", "index": 0},
]
CALLED: list[dict[str, Any]] = [
    {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I will look."}}},
    {
        "type": "tool-call-start",
        "index": 0,
        "delta": {"message": {"tool_calls": {"id": "z1", "function": {"name": "zoom", "arguments": ""}}}},
    },
    {"type": "tool-call-delta", "index": 0, "delta": {"message": {"tool_calls": {"function": {"arguments": '{"x":'}}}}},
    {"type": "tool-call-delta", "index": 0, "delta": {"message": {"tool_calls": {"function": {"arguments": " 1}"}}}}},
]


def ended(reason: str) -> dict[str, Any]:
    tokens = {"input_tokens": 71, "output_tokens": 9}
    return {"type": "message-end", "delta": {"finish_reason": reason, "usage": {"tokens": tokens}}}


def test_a_stream_of_cohere_is_one_answer() -> None:
    """Cohere, "A Guide to Streaming Responses"."""
    (row,) = read(stream(*COHERE, ended("COMPLETE"), named=True)).rows
    assert row == {"status": "ok", "output": {"answer": "A mug"}, "tokens": {"in": 71, "out": 9}}
    (called,) = read(stream(COHERE[0], *CALLED, ended("TOOL_CALL"))).rows
    assert called["extra"] == {
        "finish_reason": "tool_calls",
        "tool_calls": [{"name": "zoom", "arguments": '{"x": 1}'}],
    }
    (cut,) = read(stream(*COHERE)).rows
    assert (cut["error_code"], cut["output"]["answer"]) == ("stream_cut", "A mug")


# ---- Cohere, "Streaming", v1; lines as in Vercel's AI SDK (packages/cohere) ------------------------------------------

COHERE_FIRST: list[dict[str, Any]] = [
    {"is_finished": False, "event_type": "stream-start", "generation_id": "586ac33f"},
    *({"is_finished": False, "event_type": "text-generation", "text": text} for text in ("A ", "red ", "mug")),
    {
        "is_finished": True,
        "event_type": "stream-end",
        "response": {
            "response_id": "ac6d5f86",
            "text": "A red mug",
            "generation_id": "586ac33f",
            "finish_reason": "COMPLETE",
            "meta": {
                "billed_units": {"input_tokens": 9, "output_tokens": 20},
                "tokens": {"input_tokens": 34, "output_tokens": 12},
            },
        },
        "finish_reason": "COMPLETE",
    },
]


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("events", [COHERE_FIRST, COHERE_FIRST[-1:] * 2, COHERE_FIRST[1:]])
def test_a_stream_of_coheres_first_api(lines: bool, events: list[dict[str, Any]]) -> None:
    body = "\n".join(map(json.dumps, events)).encode() if lines else stream(*events)
    (row,) = read(body).rows
    assert row == {"status": "ok", "output": {"answer": "A red mug"}, "tokens": {"in": 34, "out": 12}}


def test_a_stream_of_coheres_first_api_that_is_cut() -> None:
    (row,) = read(stream(*COHERE_FIRST[:3])).rows
    assert (row["error_code"], row["output"]["answer"]) == ("stream_cut", "A red ")


def test_a_tool_that_coheres_first_api_calls() -> None:
    call = {"event_type": "tool-calls-generation", "tool_calls": [{"name": "look", "parameters": {"at": 1}}]}
    ended = {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": {"text": "", "generation_id": "g"}}
    (row,) = read(stream(COHERE_FIRST[0], call, ended)).rows
    assert row["extra"]["tool_calls"] == [{"name": "look", "arguments": '{"at":1}'}]


def test_a_whole_answer_of_coheres_first_api_has_its_tokens() -> None:
    (row,) = read(COHERE_FIRST[-1]["response"]).rows
    assert (row["output"], row["tokens"]) == ({"answer": "A red mug"}, {"in": 34, "out": 12})


# ---- Groq: packages/groq of Vercel's AI SDK ---------------------------------------------------------------


def groq(*, finish: str | None = None, content: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": content} if content else {}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "model": "gemma2-9b-it", "choices": [choice], **more}


def test_groq_counts_the_tokens_of_a_stream_in_a_member_of_its_own() -> None:
    usage = {
        "queue_time": 0.06,
        "prompt_tokens": 18,
        "prompt_time": 0.0002,
        "completion_tokens": 439,
        "total_time": 0.8,
    }
    ended = groq(finish="stop", x_groq={"id": "req_01jadadp0femyae9kav1gpkhe8", "usage": usage})
    (row,) = read(stream(groq(content="A mug", x_groq={"id": "req_1"}), ended)).rows
    assert row == {"status": "ok", "output": {"answer": "A mug"}, "tokens": {"in": 18, "out": 439}}


def test_groq_says_why_a_stream_ended_early() -> None:
    (row,) = read(stream(groq(content="A"), groq(x_groq={"id": "req_1", "error": "over capacity"}))).rows
    assert (row["status"], row["extra"]) == ("error", {"error_message": "over capacity"})


@pytest.mark.parametrize(
    "event",
    [
        {"event": "delta", "text": "a"},
        {},
    ],
    ids=["nobody's", "nothing"],
)
def test_a_stream_of_an_unknown_api_is_refused_and_says_so(event: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvent, match="a stream of no API that is known") as caught:
        read(stream(event, event))
    assert caught.value.reason is Rejection.INVALID


@pytest.mark.parametrize("body", [b"data: The mug\n\n", b"data: {\n\ndata: {}\n\n", b"data: [DONE]\n\n"])
def test_a_stream_of_plain_text_or_of_nothing_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidEvent):
        read(body)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


def put(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(copy[path[0]], path[1:], odd)
    return copy


@pytest.mark.parametrize("events", [TRITON, [*BEGUN, *ENDED], [*ANTHROPIC, *STOP]], ids=["triton", "openai", "claude"])
@pytest.mark.parametrize("odd", [None, True, -1, 10**18, 1e300, "", "x", [], {}, [[]], [None], {"type": 1}], ids=repr)
def test_odd_values_anywhere_are_read_or_refused(events: list[dict[str, Any]], odd: Any) -> None:
    for number, event in enumerate(events):
        for place in places(event):
            with suppress(InvalidEvent):
                assert len(read(stream(*events[:number], put(event, place, odd), *events[number + 1 :])).rows) == 1
