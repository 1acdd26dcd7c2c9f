"""Chats in tensors, as MLServer's runtimes for LLMs have them: one call, whose messages are the elements."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.errors import InvalidEvent
from monitor.formats.payloads.chat_request import MAX_MESSAGES
from monitor.formats.payloads.request_body import read_request
from monitor.formats.payloads.response_body import read_response
from monitor.formats.payloads.roles import Roles


def tensors(nested: bool = False, **columns: list[str]) -> list[dict[str, Any]]:
    shape = [1] if nested else []
    return [
        {"name": name, "shape": [len(data), *shape], "datatype": "BYTES", "data": data}
        for name, data in columns.items()
    ]


def asked(roles: Roles | None = None, **columns: list[str]) -> Any:
    body = json.dumps({"inputs": tensors(**columns), "parameters": {"llm_parameters": {"temperature": 0}}})
    (row,) = read_request(body.encode(), roles or Roles({}), 10_000).rows
    return row


def answered(nested: bool = False, **columns: list[str]) -> Any:
    body = json.dumps({"model_name": "chat", "id": "c1", "outputs": tensors(nested, **columns)})
    (row,) = read_response(body.encode(), Roles({}), 10_000, "m").rows
    return row


def test_the_messages_of_a_chat_are_one_request() -> None:
    row = asked(role=["system", "user"], content=["Be brief.", "What is it?"], type=["text", "text"])
    assert row == {"input": {"prompt": "What is it?", "context": "Be brief."}}


def test_one_message_is_a_chat_too() -> None:
    assert asked(role=["user"], content=["What is it?"]) == {"input": {"prompt": "What is it?"}}


def test_turns_are_counted_and_the_last_question_is_the_prompt() -> None:
    row = asked(role=["user", "assistant", "user"], content=["What is it?", "A mug", "Which colour?"])
    assert row == {"input": {"prompt": "Which colour?"}, "extra": {"turns": 2}}


def test_contents_in_parts_have_their_pictures() -> None:
    parts = ["What is it?", "https://example.org/a.jpg"]
    row = asked(role=["user"], content=[json.dumps(parts)], type=['["text", "image_url"]'])
    assert row["input"] == {"prompt": "What is it?", "image": {"ref": "https://example.org/a.jpg"}}


def test_a_list_in_json_is_a_text_where_nothing_says_that_it_has_parts() -> None:
    assert asked(role=["user"], content=['["a", "b"]'])["input"] == {"prompt": '["a", "b"]'}
    assert asked(role=["user"], content=['["a", "b"]'], type=["text"])["input"] == {"prompt": '["a", "b"]'}


def test_long_chats_are_read_to_their_end() -> None:
    roles = ["user", "assistant"] * 50
    assert asked(role=roles, content=[f"text {number}" for number in range(100)])["input"] == {"prompt": "text 98"}
    with pytest.raises(InvalidEvent, match="messages: 1025 of them"):
        asked(role=["user"] * (MAX_MESSAGES + 1), content=["?"])


@pytest.mark.parametrize("nested", [False, True])
def test_the_message_of_the_assistant_is_the_answer(nested: bool) -> None:
    row = answered(nested, role=["assistant"], content=["A mug"], type=["text"])
    assert row == {"status": "ok", "output": {"answer": "A mug"}}


def test_the_whole_response_of_the_models_api_says_more() -> None:
    """mlserver_llm's runtime for OpenAI puts it in `output_all`."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "A mu"}, "finish_reason": "length"}
    whole = {"object": "chat.completion", "choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}
    row = answered(role=["assistant"], content=["A mu"], output_all=[json.dumps(whole)])
    assert (row["output"], row["tokens"]) == ({"answer": "A mu"}, {"in": 9, "out": 2})
    assert row["extra"] == {"finish_reason": "length"}


@pytest.mark.parametrize("whole", ["{}", "no JSON", '{"candidates": []}'])
def test_where_that_is_of_another_api_the_message_counts(whole: str) -> None:
    assert answered(role=["assistant"], content=["A mug"], output_all=[whole])["output"] == {"answer": "A mug"}


def test_without_roles_or_where_it_is_configured_content_is_a_tensor_like_others() -> None:
    assert asked(content=["What is it?"]) == {"input": {"prompt": "What is it?"}}
    row = asked(Roles({"prompt": "content"}), role=["user"], content=["What is it?"])
    assert row == {"input": {"prompt": "What is it?"}, "extra": {"role": "user"}}
