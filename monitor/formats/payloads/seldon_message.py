"""Seldon Core v1 messages: `data` (an `ndarray`, `tensor` or `tftensor`), `strData`, `jsonData`, `binData`, `meta`,
`status`.

Seldon Core, "SeldonMessage" (https://github.com/SeldonIO/seldon-core/blob/v1.18.0/proto/prediction.proto) as JSON.
"""

from __future__ import annotations

import math
from typing import Any

from msgspec import UNSET, Raw, Struct, UnsetType

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.payloads import v1
from monitor.formats.payloads.answers import are_probabilities, candidates, likeliest
from monitor.formats.payloads.failures import from_error
from monitor.formats.payloads.roles import Roles
from monitor.formats.payloads.rows import Fields
from monitor.formats.payloads.tensors import MAX_DIMENSIONS
from monitor.formats.payloads.tf_tensor import TfTensor
from monitor.formats.payloads.values import bytes_of, short


class DenseTensor(Struct, gc=False):
    shape: list[int] = []
    values: list[Any] = []


class Data(Struct, gc=False):
    names: list[str] = []
    tensor: DenseTensor | None = None
    ndarray: list[Any] | None = None
    tftensor: TfTensor | None = None


class Meta(Struct, gc=False):
    puid: str = ""
    tags: dict[str, Any] = {}


class Status(Struct, gc=False):
    code: Any = None
    info: Any = None
    reason: Any = None
    status: Any = None


class SeldonMessage(Struct, gc=False):
    data: Data | None = None
    strData: str | None = None
    jsonData: Any = None
    binData: str | None = None
    meta: Meta | None = None
    status: Status | None = None


def request_rows(message: SeldonMessage, roles: Roles) -> list[Fields]:
    """What each item of a request says: named columns of a row, or a text or picture by itself.

    Raises:
        InvalidEvent: shape and values do not fit, or `binData` is no base64.
    """
    names, items = _items(message)
    return [
        roles.request(dict(zip(names, item, strict=False)))
        if isinstance(item, list) and names
        else roles.request({"": item})
        if isinstance(item, bytes)
        else v1.instance(_only(item), roles)
        for item in items
    ]


def response_rows(message: SeldonMessage, roles: Roles) -> list[Fields]:
    """What each item of a response says; the names of a row of probabilities are its classes.

    Raises:
        InvalidEvent: as for `request_rows`, or a number is not finite.
    """
    names, items = _items(message)
    return [_answer(names, item, roles) for item in items]


def is_message(data: Raw | UnsetType, *others: Raw | UnsetType) -> bool:
    """Are these members (`data`; `strData`, `jsonData`, `binData`) a Seldon message's? Others have `data` too."""
    return any(one is not UNSET for one in others) or (data is not UNSET and bytes(data).startswith(b"{"))


def outcome_of(message: SeldonMessage) -> Fields:
    """`status` and, of a failure, its code."""
    status = message.status
    if status is None or status.status in (None, "SUCCESS", 0):
        return {"status": "ok"}
    code = status.code if isinstance(status.code, int) else None
    return from_error({"message": status.info, "type": status.reason, "code": status.code}, code)


def puid_of(message: SeldonMessage) -> str:
    """The id of the prediction, as the message has it."""
    return message.meta.puid if message.meta else ""


def tags_of(message: SeldonMessage) -> dict[str, Any]:
    """Short tags that components put on the message."""
    tags = message.meta.tags if message.meta else {}
    return {name: kept for name, value in tags.items() if (kept := short(value)) is not None}


def _answer(names: list[str], item: Any, roles: Roles) -> Fields:
    if not isinstance(item, list) or len(names) != len(item):
        return v1.prediction(item, roles)
    if are_probabilities(item):
        return likeliest(candidates(names, item))
    if any(roles.of_response(name) for name in names):
        return roles.response(dict(zip(names, item, strict=True)))
    return v1.prediction(item, roles)


def _items(message: SeldonMessage) -> tuple[list[str], list[Any]]:
    """Column names, and the items of the message; one without content has one item that says nothing."""
    if message.strData is not None:
        return [], [message.strData]
    if message.jsonData is not None:
        return [], message.jsonData if isinstance(message.jsonData, list) else [message.jsonData]
    if message.binData is not None:
        return [], [bytes_of(message.binData, "binData")]
    return (message.data.names, _rows_in(message.data)) if message.data is not None else ([], [[]])


def _rows_in(data: Data) -> list[Any]:
    if data.ndarray is not None:
        return data.ndarray
    if data.tensor is not None:
        return _rows_of("data.tensor", data.tensor.shape, data.tensor.values)
    if data.tftensor is not None:
        return _rows_of("data.tftensor", data.tftensor.shape(), data.tftensor.values())
    return [[]]


def _rows_of(name: str, shape: list[int], values: list[Any]) -> list[Any]:
    """Along the first dimension, the others flat."""
    fits = len(shape) <= MAX_DIMENSIONS and all(size >= 0 for size in shape) and math.prod(shape) == len(values)
    if not fits:
        raise InvalidEvent(Rejection.INVALID, f"{name}: {len(values)} values, but shape {shape[:8]}")
    if len(shape) < 2 or not values:
        return values
    size = len(values) // shape[0]
    return [values[start : start + size] for start in range(0, len(values), size)]


def _only(item: Any) -> Any:
    return item[0] if isinstance(item, list) and len(item) == 1 else item
