"""Open Inference Protocol (V2) in Protocol Buffers: `ModelInferRequest` and `ModelInferResponse` of its gRPC service.

Open Inference Protocol, "gRPC" (https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/
open_inference_grpc.proto), the same in Triton, KServe, MLServer and Seldon Core 2. What a tensor holds stands in
`raw_*_contents`, coded as the binary extension of HTTP has it, or in the list of its type, which is brought into that
form here: from there on tensors are read as those of JSON are. Where both are there, as behind a step of Seldon's
pipelines, the raw one counts: they say the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Final, ParamSpec, TypeVar

import numpy as np

from monitor.domain.events import Rejection
from monitor.domain.halves import Side
from monitor.errors import InvalidEvent
from monitor.formats.limits import inflated, storable
from monitor.formats.payloads import oip
from monitor.formats.payloads.framing import Read
from monitor.formats.payloads.roles import Roles
from monitor.formats.payloads.tensors import MAX_DIMENSIONS, MAX_ELEMENTS, MAX_TENSORS, OPEN, Tensor, settle_shape
from monitor.formats.payloads.wire import BYTES, fields, varints

P = ParamSpec("P")
R = TypeVar("R")

_MODEL, _VERSION, _ID, _TENSORS = 1, 2, 3, 5
_RAW: Final = {"request": 7, "response": 6}
_NAME, _DATATYPE, _SHAPE, _PARAMETERS, _CONTENTS = 1, 2, 3, 4, 5
_KEY, _VALUE, _STRING = 1, 2, 3
"""Of a parameter; its value is a message in turn."""
_CONTENT_TYPE: Final = b"content_type"
"""MLServer's parameter that says what a text holds."""
_NUMBERS: Final = {
    1: ("BOOL", "?"),
    2: ("INT32", "<i4"),
    3: ("INT64", "<i8"),
    4: ("UINT32", "<u4"),
    5: ("UINT64", "<u8"),
}
_FLOATS: Final = {6: "FP32", 7: "FP64"}
"""The lists of a tensor's contents by the number of their field: what numbers they are, whatever the tensor calls them
(Seldon writes FP16 as 32 bits)."""
_TEXTS = 8
_MARK = 5
"""Bytes ahead of a message in gRPC: is it compressed, and its length."""


@dataclass(slots=True)
class InferMessage:
    """A request or a response."""

    model: str = ""
    version: str = ""
    id: str = ""
    tensors: list[Tensor] = field(default_factory=list)
    chunks: list[bytes | None] = field(default_factory=list)
    """What each tensor holds, as behind the JSON of a body with binary tensors."""


def refusing_wire(reads: Callable[P, R]) -> Callable[P, R]:
    """Turns the errors of the wire format into ours."""

    @wraps(reads)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return reads(*args, **kwargs)
        except IndexError:
            fault = "it is cut short"
        except UnicodeDecodeError:
            fault = "a name is not UTF-8"
        except ValueError as error:
            fault = str(error)
        raise InvalidEvent(Rejection.UNREADABLE, f"no inference message in Protocol Buffers: {fault}")

    return guarded


@refusing_wire
def read_message(value: bytes, side: Side) -> InferMessage:
    """The tensors of a request or a response; nothing in its bytes tells which of the two it is.

    Raises:
        InvalidEvent: it is no such message, has too many tensors, or not as many raw contents as tensors.
    """
    message = InferMessage()
    raw: list[bytes] = []
    for number, wire, content in fields(value):
        if wire != BYTES:
            raise ValueError(f"field {number} is none of its own")
        if number == _TENSORS:
            _add_tensor(message, content)
        elif number == _RAW[side]:
            raw.append(content)
        elif number == _MODEL:
            message.model = _text(content)
        elif number == _VERSION:
            message.version = _text(content)
        elif number == _ID:
            message.id = _text(content)
    if raw:
        _take_raw(message, raw)
    for tensor, chunk in zip(message.tensors, message.chunks, strict=True):
        if OPEN in tensor.shape:
            settle_shape(tensor, chunk)
    return message


def asked(message: InferMessage, roles: Roles) -> Read:
    """What a request says; errors as of `oip.rows_asked`."""
    return Read(oip.rows_asked(message.tensors, message.chunks, roles), message.id, model=message.model)


def said(message: InferMessage, roles: Roles, embedder: str) -> Read:
    """What a response says; arguments and errors as for `oip.response_rows`."""
    name = f"{embedder}@{message.version}" if message.version else embedder
    rows = oip.rows_said(message.tensors, message.chunks, roles, name)
    return Read([{"status": "ok", **row} for row in rows], message.id, model=message.model, version=message.version)


def grpc_message(body: bytes, max_bytes: int) -> bytes | None:
    """The message in a body of HTTP/2 as gRPC sends it, behind its mark; None where it is no such body.

    Raises:
        InvalidEvent: unpacked it is larger than `max_bytes`.
    """
    if body[:1] not in (b"\x00", b"\x01") or int.from_bytes(body[1:_MARK], "big") != len(body) - _MARK:
        return None
    return inflated(body[_MARK:], max_bytes)


def _add_tensor(message: InferMessage, content: bytes) -> None:
    if len(message.tensors) == MAX_TENSORS:
        raise InvalidEvent(Rejection.INVALID, f"more than {MAX_TENSORS} tensors")
    tensor = Tensor()
    shape: list[bytes] = []
    chunk = b""
    for number, _, said in fields(content):
        if number == _NAME:
            tensor.name = _text(said)
        elif number == _DATATYPE:
            tensor.datatype = _text(said)
        elif number == _SHAPE:
            shape.append(said)
        elif number == _PARAMETERS:
            tensor.parameters = _content_type(said) or tensor.parameters
        elif number == _CONTENTS:
            tensor.datatype, chunk = _contents(said, tensor.datatype)
    tensor.shape = varints(b"".join(shape), MAX_DIMENSIONS).view(np.int64).tolist()
    message.tensors.append(tensor)
    message.chunks.append(chunk)


def _take_raw(message: InferMessage, raw: list[bytes]) -> None:
    if len(raw) != len(message.tensors):
        fault = f"{len(message.tensors)} tensors, but raw contents of {len(raw)}"
        raise InvalidEvent(Rejection.INVALID, fault)
    message.chunks = list(raw)


def _contents(content: bytes, datatype: str) -> tuple[str, bytes]:
    """The data type of the list that is not empty, and what stands in it; the bytes are those of the raw form."""
    lists: dict[int, list[bytes]] = {}
    for number, _, said in fields(content):
        lists.setdefault(number, []).append(said)
    for number, parts in lists.items():
        if number == _TEXTS:
            return "BYTES", b"".join(b"%b%b" % (len(one).to_bytes(4, "little"), one) for one in parts)
        if number in _FLOATS:
            return _FLOATS[number], b"".join(parts)
        if number in _NUMBERS:
            name, dtype = _NUMBERS[number]
            return name, varints(b"".join(parts), MAX_ELEMENTS).astype(dtype).tobytes()
    return datatype, b""


def _content_type(entry: bytes) -> dict[str, str] | None:
    said = {number: content for number, _, content in fields(entry)}
    if said.get(_KEY) != _CONTENT_TYPE:
        return None
    kinds = [content for number, wire, content in fields(said.get(_VALUE, b"")) if (number, wire) == (_STRING, BYTES)]
    return {"content_type": _text(kinds[-1])} if kinds else None


def _text(content: bytes) -> str:
    return storable(content.decode())
