"""Ollama's own API, and pictures in base64 without an address: the shapes of its docs/api.md and docs/openai.md."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from monitor.errors import InvalidEvent
from monitor.formats.payloads.framing import Read
from monitor.formats.payloads.request_body import read_request
from monitor.formats.payloads.response_body import read_response
from monitor.formats.payloads.roles import Roles

ROLES = Roles({})
CONTENT = b"\x89PNG\r\n\x1a\n" + bytes(19)
PICTURE = base64.b64encode(CONTENT).decode()
IMAGE = {"ref": f"data:image/png;base64,{PICTURE}", "bytes": len(CONTENT)}
MESSAGE = {"role": "assistant", "content": " The image features a cute, little pig", "images": None}
CHAT: dict[str, Any] = {
    "model": "llava",
    "created_at": "2023-12-13T22:42:50.203334Z",
    "message": MESSAGE,
    "done": True,
    "total_duration": 1668506709,
    "prompt_eval_count": 26,
    "eval_count": 83,
}
GENERATED = {name: value for name, value in CHAT.items() if name != "message"} | {"response": "A cartoon character"}


def asked(body: dict[str, Any]) -> Any:
    (row,) = read_request(json.dumps(body).encode(), ROLES, 100_000).rows
    return row


def answered(body: dict[str, Any]) -> Read:
    return read_response(json.dumps(body).encode(), ROLES, 100_000, "m")


@pytest.mark.parametrize(
    ("body", "answer"),
    [(CHAT, " The image features a cute, little pig"), (GENERATED, "A cartoon character")],
    ids=["chat", "generate"],
)
def test_a_response_is_a_chat_completion_in_other_words(body: dict[str, Any], answer: str) -> None:
    read = answered(body)
    assert read.rows == [{"status": "ok", "output": {"answer": answer}, "tokens": {"in": 26, "out": 83}}]
    assert read.model == "llava"


def test_why_it_stopped_what_it_called_and_how_sure_it_was_are_kept() -> None:
    call = {"function": {"name": "zoom", "arguments": {"x": 1}}}
    message = {"role": "assistant", "content": "", "tool_calls": [call]}
    (row,) = answered({**CHAT, "message": message, "done_reason": "length"}).rows
    assert row["extra"] == {"finish_reason": "length", "tool_calls": [{"name": "zoom", "arguments": '{"x":1}'}]}
    (sure,) = answered({**CHAT, "logprobs": [{"token": " The", "logprob": 0.0, "top_logprobs": []}]}).rows
    assert sure["output"]["confidence"] == 1.0


def test_a_piece_of_a_stream_is_an_answer_that_was_cut() -> None:
    (row,) = answered({**CHAT, "done": False}).rows
    assert (row["status"], row["error_code"], row["output"]["answer"]) == ("error", "stream_cut", MESSAGE["content"])


def test_an_object_of_another_service_that_is_done_is_none_of_ollamas() -> None:
    assert answered({"done": True, "answer": "a mug"}).rows == [
        {"status": "ok", "output": {"answer": "a mug"}, "extra": {"done": True}}
    ]
    with pytest.raises(InvalidEvent, match="message"):
        answered({**CHAT, "message": "a mug"})


def test_pictures_beside_the_text_of_a_message() -> None:
    user = {"role": "user", "content": "what is in this image?", "images": [PICTURE, "https://example.org/b.png", 7]}
    row = asked({"model": "llava", "messages": [user]})
    assert row["input"] == {"prompt": "what is in this image?", "image": IMAGE}
    assert row["extra"] == {"images": [{"ref": "https://example.org/b.png"}]}


def test_pictures_and_context_beside_a_prompt() -> None:
    body = {"model": "llava", "prompt": "What is in this picture?", "system": "Be brief.", "images": [PICTURE]}
    said = {"prompt": "What is in this picture?", "context": "Be brief.", "image": IMAGE}
    assert asked(body)["input"] == said
    assert asked({"model": "llava", "prompt": "What?", "images": "none"})["input"] == {"prompt": "What?"}


@pytest.mark.parametrize("image_url", [PICTURE, {"url": PICTURE}])
def test_base64_where_an_address_belongs_becomes_one(image_url: Any) -> None:
    """The vision example of Ollama's OpenAI compatibility."""
    part = {"type": "image_url", "image_url": image_url}
    row = asked({"model": "llava", "messages": [{"role": "user", "content": [part, part]}]})
    assert row["input"]["image"] == IMAGE
    (further,) = row["extra"]["images"]
    assert (further["bytes"], len(further["sha256"])) == (len(CONTENT), 64)
