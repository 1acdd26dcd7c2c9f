"""Chats in tensors: `role` and `content`, one element for each message, as MLServer's runtimes for LLMs have them.

Seldon, "LLM Module" (https://docs.seldon.ai/llm-module/components/models). `type` says what the parts of a message
are; where there are several, types and contents are lists in JSON. `output_all` is the whole response of the model's
own API.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Final

import msgspec

from monitor.errors import InvalidEvent
from monitor.formats.payloads.chat_request import ChatRequest, Message, Part, from_request, text_in
from monitor.formats.payloads.chat_response import ChatResponse, from_response
from monitor.formats.payloads.roles import Roles
from monitor.formats.payloads.rows import Fields
from monitor.formats.payloads.tensors import Tensor, values
from monitor.formats.payloads.values import text_of

_CHAT: Final = frozenset({"role", "content"})
_TYPE, _WHOLE = "type", "output_all"
_to_texts = msgspec.json.Decoder(list[str]).decode
_to_response = msgspec.json.Decoder(ChatResponse).decode


def is_chat(names: Iterable[str], roles: Roles) -> bool:
    """Are these the tensors of a chat? Not where the configuration says what they are."""
    return _CHAT.issubset(names) and not any(roles.of_request(one) or roles.of_response(one) for one in _CHAT)


def asked(tensors: Sequence[Tensor], chunks: Sequence[bytes | None]) -> Fields:
    """`input` and `extra` of the messages of a request.

    Args:
        tensors, chunks: as for `tensors.values`.

    Raises:
        InvalidEvent: shapes and data do not fit, or there are more messages than allowed.
    """
    return from_request(ChatRequest(), _messages(_columns(tensors, chunks)))


def answered(tensors: Sequence[Tensor], chunks: Sequence[bytes | None]) -> Fields:
    """`status`, `output` and what else is known of a response; arguments and errors as for `asked`."""
    columns = _columns(tensors, chunks)
    for whole in columns.get(_WHOLE, ()):
        try:
            row, *_ = from_response(_to_response(whole))
        except (msgspec.DecodeError, RecursionError, InvalidEvent):
            continue  # of an API that has no choices
        return row
    said = next((text_in(one.content) for one in _messages(columns) if one.role == "assistant"), None)
    return {"status": "ok", "output": {} if said is None else {"answer": said}}


def _columns(tensors: Sequence[Tensor], chunks: Sequence[bytes | None]) -> dict[str, list[str]]:
    wanted = {*_CHAT, _TYPE, _WHOLE}
    return {
        one.name: [text_of(element) or "" for element in values(one, chunk)]
        for one, chunk in zip(tensors, chunks, strict=True)
        if one.name in wanted and one.datatype == "BYTES"
    }


def _messages(columns: dict[str, list[str]]) -> list[Message]:
    rows = zip_longest(columns.get("role", ()), columns.get("content", ()), columns.get(_TYPE, ()), fillvalue="")
    return [Message(role, _content(content, kind)) for role, content, kind in rows if role]


def _content(content: str, said: str) -> list[Part]:
    """The text as it stands, or the parts of which it says so many."""
    contents, kinds = _listed(content), _listed(said)
    if kinds is None or contents is None or len(kinds) != len(contents):
        contents, kinds = [content], [said]
    parts = zip(contents, kinds, strict=True)
    return [Part(image_url=one) if "image" in kind else Part(text=one) for one, kind in parts]


def _listed(text: str) -> list[str] | None:
    try:
        return _to_texts(text)
    except (msgspec.DecodeError, RecursionError):
        return None
