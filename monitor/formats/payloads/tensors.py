"""Tensors of the Open Inference Protocol: their values, from JSON or from the raw bytes behind it.

Open Inference Protocol, "Tensor Data" (https://github.com/kserve/open-inference-protocol); binary tensor data extension
(https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md): little-endian, row
major, BYTES elements each behind a 4-byte length. BF16 is the upper half of a 32-bit float.
"""

from __future__ import annotations

import base64
import math
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta, Raw, Struct

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.limits import refuse_nul
from monitor.formats.payloads.values import bytes_of

MAX_TENSORS = 64
MAX_ELEMENTS = 4_000_000
MAX_DIMENSIONS = 32
"""As many as numpy had for long."""
_LENGTH = 4
_SMALL = 16384
"""Larger bodies are of pixels or vectors, or hold them in passing: they are not read twice."""
OPEN: Final = -1
"""A dimension that the sender left open."""
_BF16 = "BF16"
_DTYPES: Final = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1", "INT16": "<i2",
    "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8", _BF16: "<u2",
}  # fmt: skip
_to_any = msgspec.json.Decoder(Any).decode
Scalar = str | int | float | bool


class Tensor(Struct, gc=False):
    """One input or output of a request or response, as its JSON has it."""

    name: str = ""
    shape: list[int] = []
    datatype: str = ""
    parameters: dict[str, Any] | None = None
    data: Raw = Raw()

    @property
    def binary_size(self) -> int | None:
        """Bytes that it takes behind the JSON; None when its data stand in the JSON.

        Raises:
            InvalidEvent: the parameter is no size.
        """
        size = (self.parameters or {}).get("binary_data_size")
        if size is None:
            return None
        if not isinstance(size, int) or size < 0:
            raise self.fault("binary_data_size is not a number of bytes")
        return size

    @property
    def count(self) -> int:
        """Elements by the shape.

        Raises:
            InvalidEvent: the shape is negative, or of more elements than allowed.
        """
        many = len(self.shape) > MAX_DIMENSIONS  # multiplying them all could take seconds
        if many or min(self.shape, default=0) < 0 or (total := math.prod(self.shape)) > MAX_ELEMENTS:
            raise self.fault(f"shape {self.shape[:8]} is not one of at most {MAX_ELEMENTS} elements")
        return total

    def fault(self, message: str) -> InvalidEvent:
        return InvalidEvent(Rejection.INVALID, f"tensor {self.name[:64]!r}: {message}")


class _Single(Struct, gc=False):
    """A tensor of one value that stands in the JSON and is what it looks like."""

    name: str
    shape: Annotated[list[Literal[1]], Meta(max_length=2)]
    datatype: str
    data: tuple[Scalar]
    parameters: None = None


_to_tensors = msgspec.json.Decoder(list[Tensor]).decode
_to_singles = msgspec.json.Decoder(Annotated[list[_Single], Meta(max_length=MAX_TENSORS)]).decode


def single_values(raw: Raw) -> dict[str, tuple[str, Scalar]] | None:
    """Name -> (data type, value) where each tensor of a body holds one value, as nearly every call of one item has it:
    what `tensors_of` and `values` say of it, for half the time. None: read it with these."""
    if len(bytes(raw)) > _SMALL:
        return None
    try:
        return {one.name: (one.datatype, one.data[0]) for one in _to_singles(raw)}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def tensors_of(raw: Raw) -> list[Tensor]:
    """The tensors of a body. A shape may be a number, as in KServe's samples: it is the only dimension.

    Raises:
        msgspec.DecodeError: they are none.
    """
    try:
        return _to_tensors(raw)
    except msgspec.ValidationError:
        given: Any = _to_any(raw)
        scalar = [one for one in given if isinstance(one, dict) and isinstance(one.get("shape"), int)]
        if not scalar:
            raise
        for one in scalar:
            one["shape"] = [one["shape"]]
        return _to_tensors(msgspec.json.encode(given))


def settle_shape(tensor: Tensor, raw: bytes | None) -> None:
    """The dimension that is left open (-1, as in KServe's samples) becomes what the number of elements makes it.

    Args:
        tensor, raw: as for `values`.

    Raises:
        InvalidEvent: there are several, or the others do not divide the number of elements.
    """
    if tensor.shape.count(OPEN) > 1 or len(tensor.shape) > MAX_DIMENSIONS:
        raise tensor.fault(f"shape {tensor.shape[:8]} leaves more than one dimension open")
    others = math.prod(size for size in tensor.shape if size != OPEN)
    found = len(_from_json(tensor) if raw is None else _from_bytes(tensor, raw))
    if others < 1 or found % others:
        raise tensor.fault(f"shape {tensor.shape[:8]} does not follow from {found} elements")
    tensor.shape = [found // others if size == OPEN else size for size in tensor.shape]


def values(tensor: Tensor, raw: bytes | None) -> list[Any]:
    """All elements in row-major order, as many as the shape says: numbers, truth values, texts or bytes.

    Args:
        tensor: of any data type.
        raw: its bytes behind the JSON; None when its data stand in the JSON.

    Raises:
        InvalidEvent: shape, data type and data do not fit together.
    """
    read = _from_json(tensor) if raw is None else _from_bytes(tensor, raw)
    if len(read) != tensor.count:
        raise tensor.fault(f"{len(read)} elements, but shape {tensor.shape[:8]}")
    return [_plain(tensor, one) for one in read] if tensor.datatype == "BYTES" and tensor.parameters else read


def _from_json(tensor: Tensor) -> list[Any]:
    try:
        data: Any = _to_any(tensor.data) if bytes(tensor.data) else []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise tensor.fault(f"data is no JSON: {error}") from None
    flat: list[Any] = data if isinstance(data, list) else [data]
    while flat and isinstance(flat[0], list):
        if not all(isinstance(one, list) for one in flat):
            raise tensor.fault("data is nested unevenly")
        flat = [inner for one in flat for inner in one]
    return flat


def _from_bytes(tensor: Tensor, raw: bytes) -> list[Any]:
    if tensor.datatype == "BYTES":
        return _texts(tensor, raw)
    dtype = _DTYPES.get(tensor.datatype)
    if dtype is None:
        raise tensor.fault(f"datatype {tensor.datatype[:16]!r} is none of the protocol's")
    if len(raw) % np.dtype(dtype).itemsize:
        raise tensor.fault(f"{len(raw)} bytes are no whole number of {tensor.datatype} elements")
    numbers = np.frombuffer(raw, dtype)
    if tensor.datatype == _BF16:
        numbers = (numbers.astype("<u4") << np.uint32(16)).view("<f4")
    flat: list[Any] = numbers.tolist()
    return flat


def _texts(tensor: Tensor, raw: bytes) -> list[bytes]:
    texts = elements(raw)
    if texts is None:
        raise tensor.fault("an element reaches beyond the bytes of its tensor")
    return texts


def elements(raw: bytes) -> list[bytes] | None:
    """The elements of a BYTES tensor, each behind its length; None where the lengths do not fill the bytes. A body that
    is nothing but these is Triton's raw binary request, of one tensor and without JSON."""
    texts: list[bytes] = []
    position = 0
    while position < len(raw):
        start = position + _LENGTH
        position = start + int.from_bytes(raw[position:start], "little")
        if position > len(raw):
            return None
        texts.append(raw[start:position])
    return texts


def _plain(tensor: Tensor, element: Any) -> Any:
    """MLServer's content types say what a text holds: `base64` bytes, those of its Hugging Face runtime JSON."""
    match (tensor.parameters or {}).get("content_type"):
        case "base64" if isinstance(element, str):
            return bytes_of(element, f"tensor {tensor.name[:64]!r}: an element")
        case "base64" if isinstance(element, bytes) and (content := _decoded(element)) is not None:
            return content
        case "hg_json" | "hg_jsonlist" if isinstance(element, str | bytes):
            return _inner(tensor, element.encode() if isinstance(element, str) else element)
    return element


def _decoded(element: bytes) -> bytes | None:
    """What base64 holds; some clients send the bytes themselves where they need no text."""
    try:
        return base64.b64decode(element, validate=True)
    except ValueError:
        return None


def _inner(tensor: Tensor, element: bytes) -> Any:
    refuse_nul(element)
    try:
        return _to_any(element)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise tensor.fault(f"an element is no JSON: {error}") from None
