"""What no record may hold, whatever its format."""

from __future__ import annotations

import re
import zlib
from typing import Any

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent

MAX_DEPTH = 64
"""Levels of nesting inside `extra`: writing it again takes more of the stack than reading it did."""
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_GZIP = b"\x1f\x8b"
_NUL = "a text holds the NUL character, which PostgreSQL cannot store"


def refuse_nul(raw: bytes) -> None:
    """For JSON as it came: the escape is the only way in which it can hold NUL.

    Raises:
        InvalidEvent: some text in it has the NUL character.
    """
    if b"\\" in raw and b"\\u0000" in raw and _ESCAPED_NUL.search(raw):  # one byte is found much faster than six
        raise InvalidEvent(Rejection.UNSTORABLE, _NUL)


def storable(text: str) -> str:
    """The text itself.

    Raises:
        InvalidEvent: it has the NUL character.
    """
    if "\x00" in text:
        raise InvalidEvent(Rejection.UNSTORABLE, _NUL)
    return text


def demand_shallow(value: Any, levels: int = MAX_DEPTH) -> None:
    """For what goes into `extra`: an object or a list.

    Raises:
        InvalidEvent: it is nested deeper than that.
    """
    if not levels:
        raise InvalidEvent(Rejection.INVALID, f"extra is nested deeper than {MAX_DEPTH} levels")
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            demand_shallow(inner, levels - 1)


def inflated(body: bytes, max_bytes: int) -> bytes:
    """The body, unpacked if it is gzip (a logged HTTP body is as the wire had it), in bounded memory.

    Raises:
        InvalidEvent: it is larger than `max_bytes`, or broken gzip.
    """
    if not body.startswith(_GZIP):
        return body
    unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = unpack.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise InvalidEvent(Rejection.UNREADABLE, f"the body looks like gzip, but is not: {error}") from None
    if len(plain) > max_bytes:
        raise InvalidEvent(
            Rejection.OVERSIZED, f"unpacked it is larger than the {max_bytes} bytes allowed (max_record_bytes)"
        )
    if not unpack.eof:
        raise InvalidEvent(Rejection.UNREADABLE, "the body is gzip that was cut short")
    return plain
