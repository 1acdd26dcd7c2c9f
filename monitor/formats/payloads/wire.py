"""Protocol Buffers as they stand on the wire: the fields of a message, whose names nobody knows without its `.proto`.

Encoding guide, https://protobuf.dev/programming-guides/encoding. Read by hand where a message may come from anybody: a
parser that was generated makes an object of each of a million empty messages, before anybody can count them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.domain.varints import LONG, varint

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_SIZES: Final = {FIXED64: 8, FIXED32: 4}
_LONGEST: Final = 10
"""Bytes of a number of 64 bits."""


def fields(message: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Number, wire type and content of each field, in order; of a number its bytes as they are coded, so that the
    contents of a repeated field put together are the same, packed or not.

    >>> list(fields(bytes([0x08, 0x96, 0x01, 0x12, 0x02, 0x68, 0x69])))
    [(1, 0, b'\\x96\\x01'), (2, 2, b'hi')]

    Raises:
        ValueError, IndexError: these bytes are no message, or are cut short.
    """
    place, end = 0, len(message)
    while place < end:
        tag, start = varint(message, place)
        wire = tag & 7
        if wire == BYTES:
            size, start = varint(message, start)
            place = start + size
        elif wire == VARINT:
            _, place = varint(message, start)
        elif wire in _SIZES:
            place = start + _SIZES[wire]
        else:
            raise ValueError(f"a field of wire type {wire}")
        if place > end:
            raise ValueError(f"a field reaches {place - end} bytes beyond the end")
        if tag < 8:
            raise ValueError("a field without a number")
        yield tag >> 3, wire, message[start:place]


def varints(coded: bytes, most: int) -> NDArray[np.uint64]:
    """The numbers of a repeated field, without a sign; negative ones are those from 2^63 on.

    >>> varints(bytes([0x01, 0x96, 0x01]), most=2).tolist()
    [1, 150]

    Raises:
        ValueError: the last is cut short, one has more than 64 bits, or there are more than `most`.
    """
    raw = np.frombuffer(coded, np.uint8)
    last = raw < LONG
    if not len(raw):
        return np.zeros(0, np.uint64)
    if not last[-1]:
        raise ValueError("a number is cut short")
    if np.count_nonzero(last) > most:
        raise ValueError(f"more than {most} numbers")
    ends = np.flatnonzero(last)
    if len(ends) == len(raw):  # of one byte each
        return raw.astype(np.uint64)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    longest = int(lengths.max())
    if longest > _LONGEST:
        raise ValueError("a number of more than 64 bits")
    numbers = np.zeros(len(starts), np.uint64)
    for index in range(longest):
        there = lengths > index
        numbers[there] |= (raw[starts[there] + index] & np.uint8(0x7F)).astype(np.uint64) << np.uint64(7 * index)
    return numbers
