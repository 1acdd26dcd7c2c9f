"""Open Inference Protocol (V2) bodies: which tensor says what, item by item.

Open Inference Protocol, "HTTP/REST" (https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/
inference_rest.md). A batch of n items gives n rows. Items lie along the first dimension of a tensor; classes, scores
and vectors of one item along the last, so a class tensor of rank 1 is one item's.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Raw

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.payloads import chat_tensors, v1
from monitor.formats.payloads.answers import are_probabilities, finite
from monitor.formats.payloads.roles import MANY, Roles
from monitor.formats.payloads.rows import Fields, demand_few
from monitor.formats.payloads.tensors import MAX_TENSORS, OPEN, Tensor, settle_shape, single_values, tensors_of, values

_PASSING = 64
"""Tensors without a role are read up to so many elements."""
_EMBEDDING = "embeddings."
_CHANNELS = (1, 3, 4)


def request_rows(inputs: Raw, tail: bytes, roles: Roles) -> list[Fields]:
    """What each item of a request says.

    Args:
        inputs: the tensors.
        tail: the bytes behind the JSON.
        roles: names of this topic's models.

    Raises:
        InvalidEvent: shapes and data do not fit, or tensors disagree about the number of items.
        msgspec.DecodeError: they are no tensors.
    """
    if (row := _single(inputs, roles.of_request)) is not None:
        return [roles.request(row)]
    tensors = tensors_of(inputs)
    return rows_asked(tensors, _chunks(tensors, tail), roles)


def rows_asked(tensors: Sequence[Tensor], chunks: Sequence[bytes | None], roles: Roles) -> list[Fields]:
    """The same of tensors that are read already.

    Args:
        tensors: with shapes that are settled.
        chunks: the bytes of each; None of those whose data stand in the JSON.
        roles: names of this topic's models.

    Raises:
        InvalidEvent: as for `request_rows`.
    """
    if chat_tensors.is_chat([one.name for one in tensors], roles):
        return [chat_tensors.asked(tensors, chunks)]
    named = _named(tensors, chunks, roles.of_request)
    rows = [roles.request(row) for row in _by_row(named, of_all=True)]
    for row, image in zip(rows, _pixels(tensors, roles, len(rows)), strict=False):
        row["input"].setdefault("image", image)
    return rows


def response_rows(outputs: Raw, tail: bytes, roles: Roles, embedder: str) -> list[Fields]:
    """What each item of a response says; arguments and errors as for `request_rows`.

    Args:
        embedder: fingerprint of the model, of which each configured embedding becomes `<embedder>/<tensor>`.
    """
    row = _single(outputs, roles.of_response)
    if row is not None and (len(row) > 1 or roles.of_response(next(iter(row))) is not None):
        return [roles.response(row)]
    tensors = tensors_of(outputs)
    return rows_said(tensors, _chunks(tensors, tail), roles, embedder)


def rows_said(tensors: Sequence[Tensor], chunks: Sequence[bytes | None], roles: Roles, embedder: str) -> list[Fields]:
    """What each item of a response says; arguments and errors as for `rows_asked` and `response_rows`."""
    if chat_tensors.is_chat([one.name for one in tensors], roles):
        return [chat_tensors.answered(tensors, chunks)]
    if (only := _unnamed(tensors, chunks, roles)) is not None:
        return only
    named = _named(tensors, chunks, roles.of_response)
    dtypes = {one.name: one.datatype for one in tensors}
    vectors = [name for name in named if (roles.of_response(name) or "").startswith(_EMBEDDING)]
    rows = []
    for row in _by_row(named, of_all=len(tensors) > 1 and all(len(one.shape) > 1 for one in tensors)):
        embeddings = [_embedding(one, row.pop(one), dtypes[one], roles, embedder) for one in vectors if one in row]
        fields = roles.response(row)
        rows.append({**fields, "embeddings": embeddings} if embeddings else fields)
    return rows


def _single(raw: Raw, role_of: Callable[[str], str | None]) -> Fields | None:
    """The row of a call of one item, each of whose tensors is one value; None where a closer look is needed."""
    values_by_name = single_values(raw)
    if not values_by_name or "content" in values_by_name:  # of a chat, mostly
        return None
    row: Fields = {}
    for name, (datatype, value) in values_by_name.items():
        role = role_of(name)
        if role in MANY or (role == "image" and datatype != "BYTES"):
            return None
        row[name] = value
    return row


def _unnamed(tensors: Sequence[Tensor], chunks: Sequence[bytes | None], roles: Roles) -> list[Fields] | None:
    """A single output of any name: answers [n] or [n, 1], or class probabilities [k] or [n, k]; None if neither."""
    if len(tensors) != 1 or roles.of_response(tensors[0].name) is not None or len(tensors[0].shape) not in (1, 2):
        return None
    tensor = tensors[0]
    flat = values(tensor, chunks[0])
    items = [flat] if len(tensor.shape) == 1 and are_probabilities(flat) else _split(flat, tensor.shape)
    if any(isinstance(item, list) and not (are_probabilities(item) or v1.are_objects(item)) for item in items):
        return None
    demand_few(len(items))
    return [v1.prediction(item, roles) for item in items]


def _named(
    tensors: Sequence[Tensor], chunks: Sequence[bytes | None], role_of: Callable[[str], str | None]
) -> dict[str, tuple[bool, list[Any]]]:
    """Name -> (has a role?, value of each item), of the tensors that can say something."""
    named: dict[str, tuple[bool, list[Any]]] = {}
    for tensor, raw in zip(tensors, chunks, strict=True):
        role = role_of(tensor.name)
        named[tensor.name] = role is not None, _column(tensor, raw, role)
    return named


def _column(tensor: Tensor, raw: bytes | None, role: str | None) -> list[Any]:
    """The value of each item; None for each where numbers say nothing to us, such as pixels."""
    if (role == "image" and tensor.datatype != "BYTES") or (role is None and tensor.count > _PASSING):
        return _silent(tensor)
    try:
        flat = values(tensor, raw)
    except InvalidEvent:
        if role is None:
            return _silent(tensor)
        raise
    if role in MANY and len(tensor.shape) < 2:
        return [flat]
    return _split(flat, tensor.shape, whole=role in MANY)


def _silent(tensor: Tensor) -> list[None]:
    items = _items(tensor.shape)
    demand_few(items)
    return [None] * items


def _items(shape: Sequence[int]) -> int:
    """The first dimension, but for a single picture without a batch dimension: [h, w, c] or [c, h, w]."""
    if not shape or (len(shape) == 3 and (shape[0] in _CHANNELS or shape[2] in _CHANNELS)):
        return 1
    return shape[0]


def _by_row(named: Mapping[str, tuple[bool, list[Any]]], *, of_all: bool) -> list[Fields]:
    """Turn columns into rows. A column of one item holds for all; one without a role gives way.

    Args:
        named: columns, and whether they have a role.
        of_all: without any role, columns that agree on their number of items make as many rows; otherwise one. Outputs
            do only where several agree: those of rank 1, and a single one, may be what the model says of one item.
    """
    if all(len(column) == 1 for _, column in named.values()):  # mostly
        return [{name: column[0] for name, (_, column) in named.items()}]
    speaking = [column for known, column in named.values() if known]
    silent = [column for known, column in named.values() if not known]
    sizes = {len(column) for column in speaking or (silent if of_all else ())} - {1}
    if speaking and len(sizes) > 1:
        raise InvalidEvent(Rejection.INVALID, f"tensors of {', '.join(map(str, sorted(sizes)))} items in one batch")
    count = sizes.pop() if len(sizes) == 1 else 1
    demand_few(count)
    fitting = {name: column for name, (_, column) in named.items() if len(column) in (1, count)}
    return [{name: column[index % len(column)] for name, column in fitting.items()} for index in range(count)]


def _split(flat: list[Any], shape: Sequence[int], *, whole: bool = False) -> list[Any]:
    """The value of each item along the first dimension: one value, or (`whole`, or where there are more) a list."""
    if not flat or len(shape) < 2:
        return flat
    size = len(flat) // shape[0]
    if size == 1 and not whole:
        return flat
    return [flat[start : start + size] for start in range(0, len(flat), size)]


def _chunks(tensors: Sequence[Tensor], tail: bytes) -> list[bytes | None]:
    """The bytes of each tensor behind the JSON, in order; None for those whose data stand in the JSON.

    With them the shapes are settled.
    """
    if len(tensors) > MAX_TENSORS:
        raise InvalidEvent(Rejection.INVALID, f"{len(tensors)} tensors; {MAX_TENSORS} are allowed")
    chunks: list[bytes | None] = []
    position = 0
    for tensor in tensors:
        size = tensor.binary_size
        if size is None:
            chunks.append(None)
        elif position + size > len(tail):
            raise tensor.fault(f"{size} bytes are announced, but {max(0, len(tail) - position)} follow")
        else:
            chunks.append(tail[position : position + size])
            position += size
        if OPEN in tensor.shape:
            settle_shape(tensor, chunks[-1])
    return chunks


def _pixels(tensors: Sequence[Tensor], roles: Roles, rows: int) -> list[Fields]:
    """Width and height from the shape of a picture that came as numbers: [n, h, w, c], [n, c, h, w] or without n."""
    for tensor in tensors:
        shape = tensor.shape[-3:]
        if len(shape) == 3 and tensor.datatype != "BYTES" and roles.of_request(tensor.name) == "image":
            height, width = shape[:2] if shape[2] in _CHANNELS else shape[1:]
            return [{"width": width, "height": height}] * rows
    return []


def _embedding(name: str, vector: list[Any], datatype: str, roles: Roles, embedder: str) -> Fields:
    dtype = "f2" if datatype == "FP16" else "f4"
    kind = (roles.of_response(name) or "").removeprefix(_EMBEDDING)
    numbers = [finite(one, name) for one in vector]
    with np.errstate(over="ignore"):  # an infinite vector is refused where all vectors are checked
        data = base64.b64encode(np.asarray(numbers, f"<{dtype}").tobytes()).decode()
    return {"kind": kind, "embedder": f"{embedder}/{name}", "dtype": dtype, "data": data}
