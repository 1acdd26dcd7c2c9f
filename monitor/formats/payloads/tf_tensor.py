"""TensorFlow's tensors as Protocol Buffers' JSON has them, `data.tftensor` of a Seldon message.

TensorFlow, `tensorflow/core/framework/tensor.proto`: the values of a type in a list of their own (64-bit integers as
text, texts in base64), or all of them as raw little-endian bytes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from msgspec import Struct

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.payloads.values import bytes_of

_DTYPES: Final = {
    "DT_FLOAT": "<f4", "DT_DOUBLE": "<f8", "DT_HALF": "<f2", "DT_INT8": "i1", "DT_INT16": "<i2", "DT_INT32": "<i4",
    "DT_INT64": "<i8", "DT_UINT8": "u1", "DT_BOOL": "?",
}  # fmt: skip


class Dimension(Struct, gc=False):
    size: int | str = 0


class Shape(Struct, gc=False):
    dim: list[Dimension] = []


class TfTensor(Struct, gc=False, rename="camel"):
    dtype: str = ""
    tensor_shape: Shape | None = None
    tensor_content: str | None = None
    float_val: list[Any] = []
    double_val: list[Any] = []
    int_val: list[Any] = []
    int64_val: list[int | str] = []
    bool_val: list[Any] = []
    string_val: list[str] = []

    def shape(self) -> list[int]:
        """
        Raises:
            InvalidEvent: a dimension is no number.
        """
        sizes = self.tensor_shape.dim if self.tensor_shape is not None else []
        return [_integer(one.size) for one in sizes]

    def values(self) -> list[Any]:
        """All elements in row-major order.

        Raises:
            InvalidEvent: they cannot be read, or are of a type that is not.
        """
        if self.tensor_content is not None:
            return self._from_bytes(bytes_of(self.tensor_content, "data.tftensor.tensorContent"))
        if self.string_val:
            return [bytes_of(one, "data.tftensor.stringVal") for one in self.string_val]
        integers = [_integer(one) for one in self.int64_val]
        return self.float_val or self.double_val or self.int_val or integers or self.bool_val

    def _from_bytes(self, raw: bytes) -> list[Any]:
        dtype = _DTYPES.get(self.dtype)
        if dtype is None or len(raw) % np.dtype(dtype).itemsize:
            raise _fault(f"{len(raw)} bytes of {self.dtype[:16] or 'no dtype'}")
        values: list[Any] = np.frombuffer(raw, dtype).tolist()
        return values


def _integer(value: int | str) -> int:
    """Protocol Buffers write 64-bit integers as text."""
    if isinstance(value, str) and not (value.removeprefix("-").isdecimal() and len(value) <= 20):
        raise _fault(f"{value[:24]!r} is no integer")
    return int(value)


def _fault(message: str) -> InvalidEvent:
    return InvalidEvent(Rejection.INVALID, f"data.tftensor: {message}")
