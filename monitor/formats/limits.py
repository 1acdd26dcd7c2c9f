"""What no record may hold, whatever its format."""

from __future__ import annotations

import zlib
from typing import Any

from monitor.domain.events import Rejection
from monitor.domain.storable import MAX_DEPTH, NUL, TOO_DEEP, has_nul, is_deep
from monitor.errors import InvalidEvent

_GZIP = b"\x1f\x8b"


def refuse_nul(raw: bytes) -> None:
    """For JSON as it came.

    Raises:
        InvalidEvent: some text in it has the NUL character.
    """
    if has_nul(raw):
        raise InvalidEvent(Rejection.UNSTORABLE, NUL)


def storable(text: str) -> str:
    """The text itself.

    Raises:
        InvalidEvent: it has the NUL character.
    """
    if "\x00" in text:
        raise InvalidEvent(Rejection.UNSTORABLE, NUL)
    return text


def demand_shallow(value: Any, levels: int = MAX_DEPTH) -> None:
    """For what goes into `extra`: an object or a list.

    Raises:
        InvalidEvent: it is nested deeper than that.
    """
    if is_deep(value, levels):
        raise InvalidEvent(Rejection.INVALID, TOO_DEEP)


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
