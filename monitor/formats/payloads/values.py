"""Single values of payloads as texts: names and classes come as strings, bytes or numbers."""

from __future__ import annotations

import base64
from typing import Any

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.limits import storable

MAX_SHORT = 256


def text_of(value: Any) -> str | None:
    """Text of one value, or of the first of a list; None for what is no single value.

    >>> text_of(b"cat"), text_of(1.0), text_of(True), text_of(["a", "b"]), text_of({})
    ('cat', '1', 'true', 'a', None)

    Raises:
        InvalidEvent: bytes that are no UTF-8, or the NUL character.
    """
    match value:
        case str():
            return storable(value)
        case bytes():
            return _decoded(value)
        case bool() | int() | float():
            return _number(value)
        case [first, *_] if not isinstance(first, list):
            return text_of(first)
    return None


def bytes_of(base64_text: str, name: str) -> bytes:
    """What a text in base64 holds.

    Raises:
        InvalidEvent: it is no base64; `name` says where it stood.
    """
    try:
        return base64.b64decode(base64_text, validate=True)
    except ValueError as error:
        raise InvalidEvent(Rejection.UNREADABLE, f"{name} is no base64: {error}") from None


def short(value: Any) -> str | float | None:
    """A single value that is short enough to be kept in passing."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return storable(value) if len(value) <= MAX_SHORT else None
    return value if isinstance(value, int | float) else None


def _number(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _decoded(value: bytes) -> str:
    try:
        return storable(value.decode())
    except UnicodeDecodeError:
        raise InvalidEvent(Rejection.UNREADABLE, "a text of the payload is not UTF-8") from None
