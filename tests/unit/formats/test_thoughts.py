"""Thoughts that a server leaves inside the answer: what is scored and compared is the answer alone."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.formats.chats import Message, answered
from monitor.formats.payloads.response_body import read_response
from monitor.formats.payloads.roles import Roles
from monitor.formats.payloads.thoughts import without_thoughts
from tests.pace import cost


def output(body: Any) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    (row,) = read_response(raw, Roles({}), 1 << 22, "m").rows
    return row["output"]


def chat(content: str, **more: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop", **more}]}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>\nIt has a handle.\n</think>\n\nA mug", "A mug"),  # Qwen's, DeepSeek's, GLM's, InternVL's
        ("\n<think></think>A mug", "A mug"),
        ("It has a handle.\n</think>\n\nA mug", "A mug"),  # the opening tag is in the template
        ("◁think▷It has a handle.◁/think▷A mug", "A mug"),  # Kimi-VL's
        ("<think>It has a", None),
        ("<think>It has a handle.</think>\n", None),
        ("A mug", "A mug"),
        ("", ""),
        ("I think it is a mug", "I think it is a mug"),
        ("The tag </think> ends thoughts", "The tag </think> ends thoughts"),
        ("A mug <think>or not", "A mug <think>or not"),
    ],
)
def test_the_answer_is_what_stands_behind_the_thoughts(text: str, answer: str | None) -> None:
    assert output(chat(text)).get("answer") == answer
    assert without_thoughts(text) == answer


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [{"text": "<think>hm</think>A mug", "finish_reason": "stop"}], "object": "text_completion"},
        {"text": "<think>hm</think>A mug", "meta_info": {"finish_reason": {"type": "stop"}}},
        {"generated_text": "<think>hm</think>A mug"},
        {"model": "q", "created_at": "2026-01-01T00:00:00Z", "done": True, "response": "<think>hm</think>A mug"},
        {"text_output": "<think>hm</think>A mug", "model_name": "q"},
        {"predictions": ["<think>hm</think>A mug"]},
        {"strData": "<think>hm</think>A mug"},
        {"outputs": [{"name": "o", "shape": [1], "datatype": "BYTES", "data": ["<think>hm</think>A mug"]}]},
        b'data: {"text_output": "<think>hm</th"}\n\ndata: {"text_output": "ink>A mug"}\n\n',
        b'data: {"choices": [{"delta": {"content": "<think>hm</th"}}]}\n\n'
        b'data: {"choices": [{"delta": {"content": "ink>A mug"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n',
    ],
    ids=["texts", "sglang", "tgi", "ollama", "triton", "v1", "seldon", "v2", "triton's stream", "stream"],
)
def test_whichever_server_leaves_them(body: Any) -> None:
    assert output(body)["answer"] == "A mug"


def test_in_telemetry_too() -> None:
    assert answered([Message("assistant", ["<think>hm</think>A mug"])]) == {"answer": "A mug"}
    assert answered([Message("assistant", ["<think>hm"])]) == {}


def test_the_tokens_of_the_thoughts_do_not_count() -> None:
    said = [("<think>", -3.0), ("hm", -3.0), ("</think>", -3.0), ("\n\n", -3.0), ("A", -0.5), (" mug", -0.5)]
    tokens = [{"token": text, "logprob": one} for text, one in said]
    found = output(chat("".join(text for text, _ in said), logprobs={"content": tokens}))
    assert found == {"answer": "A mug", "confidence": pytest.approx(math.exp(-0.5))}


def test_several_choices_are_compared_without_their_thoughts() -> None:
    texts = ["<think>a</think>A mug", "<think>b</think>A mug", "<think>c</think>A jug", "<think>d"]
    choices = [{"index": at, "message": {"content": text}} for at, text in enumerate(texts)]
    assert [one["answer"] for one in output({"choices": choices})["candidates"]] == ["A mug", "A jug"]


@given(st.text())
def test_any_other_text_is_an_answer_as_it_stands(text: str) -> None:
    if "think" not in text.lower():
        assert without_thoughts(text) == text


def test_megabytes_are_gone_over_once() -> None:
    text = "<think>" + "</thin" * 500_000
    assert cost(lambda: without_thoughts(text)) < 1
    assert cost(lambda: without_thoughts(" " * 1_000_000 + "</think>\n" * 100_000)) < 1
