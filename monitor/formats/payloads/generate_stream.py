"""Streams of Triton's and KServe's `generate_stream`: each event holds the next piece of one text.

Triton, "Generate Extension"
(https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/extension_generate.html); KServe
serves the same. Nothing marks the end.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from monitor.formats.payloads.chat_response import CUT
from monitor.formats.payloads.failures import from_error
from monitor.formats.payloads.framing import Read, word
from monitor.formats.payloads.rows import Fields
from monitor.formats.payloads.thoughts import without_thoughts


class Generated(Struct, gc=False):
    id: Any = None
    model_name: Any = None
    model_version: Any = None
    text_output: str | list[str] | None = None
    error: Any = None


_to_generated = msgspec.json.Decoder(Generated).decode


class GenerateStream:
    """The pieces of one text."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._first = Generated()
        self._error: Any = None

    def add(self, data: bytes) -> None:
        piece = _to_generated(data)
        if not self._texts:
            self._first = piece
        said = piece.text_output
        self._texts.extend([said] if isinstance(said, str) else said or ())
        self._error = self._error if piece.error is None else piece.error

    def read(self, *, done: bool, torn: bool) -> Read:
        answer = without_thoughts("".join(self._texts))
        output: Fields = {"output": {} if answer is None else {"answer": answer}}
        fields: Fields = {"status": "ok"}
        if self._error is not None:
            fields = from_error(self._error)
        elif torn and not done:
            fields = CUT
        first = self._first
        return Read([output | fields], word(first.id), model=word(first.model_name), version=word(first.model_version))
