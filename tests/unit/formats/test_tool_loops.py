"""A question whose answer took several calls: the last call's messages end with what the tools said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.errors import InvalidEvent
from monitor.formats.payloads.request_body import read_request
from monitor.formats.payloads.responses_api import request_of
from monitor.formats.payloads.roles import Roles
from monitor.formats.payloads.rows import Fields

REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "{}"}
USED = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "price", "input": {}}]}
GOT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "15 dollars"}]}


def read(request: dict[str, Any]) -> Fields:
    (row,) = read_request(json.dumps(request).encode(), Roles({}), 100_000).rows
    return row


def asked(*items: Any, **more: Any) -> Fields:
    """OpenAI API reference, "Create a model response"."""
    return read({"model": "gpt-5", "input": list(items), **more})


def told(*messages: Any) -> Fields:
    """Anthropic API reference, "Messages"; its guide "Tool use"."""
    return read({"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": list(messages)})


def test_results_alone_ask_nothing() -> None:
    """The rest of the conversation is with OpenAI: OpenAI's guide "Function calling", `previous_response_id`."""
    assert asked(RESULT, previous_response_id="resp_123") == {"input": {}}
    assert asked(previous_response_id="resp_123") == {"input": {}}


@pytest.mark.parametrize("first", [RESULT, REASONING, {"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}])
def test_whatever_stands_before_the_question_and_its_picture(first: dict[str, Any]) -> None:
    parts = [
        {"type": "input_text", "text": "And this?"},
        {"type": "input_image", "image_url": "https://a/1.jpg", "detail": "auto"},
    ]
    row = asked(first, {"role": "user", "content": parts}, previous_response_id="resp_123")
    assert row == {"input": {"prompt": "And this?", "image": {"ref": "https://a/1.jpg"}}}


def test_texts_and_pictures_to_be_embedded_are_no_conversation() -> None:
    """Jina's API reference, "Embeddings"."""
    assert request_of({"model": "jina-clip-v2", "input": [{"text": "a cat"}, {"image": "https://a/1.jpg"}]}) is None


def test_what_stands_behind_the_question() -> None:
    call = {"type": "function_call", "call_id": "call_1", "name": "price", "arguments": "{}"}
    row = asked({"role": "user", "content": "How much?"}, REASONING, call, RESULT)
    assert row == {"input": {"prompt": "How much?"}}


def test_the_question_before_the_results_of_tools_is_the_prompt() -> None:
    picture = {"type": "image", "source": {"type": "url", "url": "https://a/1.jpg"}}
    question = {"role": "user", "content": [picture, {"type": "text", "text": "How much?"}]}
    row = told(question, USED, GOT, USED, GOT)
    assert row["input"] == {"prompt": "How much?", "image": {"ref": "https://a/1.jpg"}}
    assert "turns" not in row["extra"]


def test_only_questions_count_as_turns() -> None:
    answer = {"role": "assistant", "content": "15 dollars."}
    row = told({"role": "user", "content": "How much?"}, USED, GOT, answer, {"role": "user", "content": "In euros?"})
    assert (row["input"]["prompt"], row["extra"]["turns"]) == ("In euros?", 2)


def test_what_is_said_beside_a_result_is_a_question() -> None:
    beside = {"role": "user", "content": [*GOT["content"], {"type": "text", "text": "And in euros?"}]}
    row = told({"role": "user", "content": "How much?"}, USED, beside)
    assert (row["input"]["prompt"], row["extra"]["turns"]) == ("And in euros?", 2)


def test_results_without_their_question_ask_nothing() -> None:
    assert told(USED, GOT)["input"] == {}


def test_a_picture_alone_is_about_the_question_before_it() -> None:
    picture = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a/2.jpg"}}]}
    row = told({"role": "user", "content": "What is this?"}, {"role": "assistant", "content": "What?"}, picture)
    assert row["input"] == {"prompt": "What is this?", "image": {"ref": "https://a/2.jpg"}}
    assert row["extra"]["turns"] == 2


def test_limits_hold_for_messages_that_ask() -> None:
    with pytest.raises(InvalidEvent, match="1025"):
        asked(*[{"role": "user", "content": "x"}] * 1025)
    assert asked(*[RESULT] * 1025, {"role": "user", "content": "x"}) == {"input": {"prompt": "x"}}
