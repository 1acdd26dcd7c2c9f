"""Whole numbers as Protocol Buffers have them, and Kafka's records."""

from __future__ import annotations

from typing import Final

LONG: Final = 0x80
"""A byte of a number from here on says that another follows."""
_BITS: Final = 64


def varint(content: bytes | memoryview, place: int) -> tuple[int, int]:
    """A number as it is coded, and the place behind it (Protocol Buffers encoding guide, "Base 128 Varints").

    Kafka's are signed: half of an even one is the number; odd ones are negative ("Signed Integers", zigzag).

    Raises:
        ValueError: it has more than 64 bits.
        IndexError: it is cut short.
    """
    byte = content[place]
    if byte < LONG:
        return byte, place + 1
    value, shift = byte & 0x7F, 7
    while byte >= LONG:
        if shift >= _BITS:
            raise ValueError("a number of more than 64 bits")
        place += 1
        byte = content[place]
        value |= (byte & 0x7F) << shift
        shift += 7
    return value, place + 1
