"""What no event may hold, wherever it comes from, since it could not be stored or written again."""

from __future__ import annotations

import re
from typing import Any, Final

MAX_DEPTH: Final = 64
"""Levels of nesting inside `extra`: writing it again takes more of the stack than reading it did."""
TOO_DEEP: Final = f"extra is nested deeper than {MAX_DEPTH} levels"
NUL: Final = "a text holds the NUL character, which PostgreSQL cannot store"
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def has_nul(raw: bytes) -> bool:
    """Of JSON as it came, or as we wrote it: the escape is the only way in which it can hold NUL."""
    # One byte is found much faster than six.
    return b"\\" in raw and b"\\u0000" in raw and _ESCAPED_NUL.search(raw) is not None


def is_deep(value: dict[str, Any] | list[Any], levels: int = MAX_DEPTH) -> bool:
    """Is an object or list of JSON nested deeper than that? It is a level itself.

    >>> is_deep([{"a": 1}], levels=1), is_deep([{"a": 1}], levels=2)
    (True, False)
    """
    if not levels:
        return True
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list) and is_deep(inner, levels - 1):
            return True
    return False
