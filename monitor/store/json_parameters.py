"""Thousands of values as one parameter of a statement: as an array psycopg would put them together in Python."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import msgspec

TEXTS: Final = "ARRAY(SELECT json_array_elements_text(%s::json))"
"""SQL: the text[] that `as_json` made of texts. Its length is unknown to the planner, which so takes it for short."""
DIGESTS: Final = "ARRAY(SELECT decode(value, 'hex') FROM json_array_elements_text(%s::json))"
"""SQL: the bytea[] that `as_json` made of bytes in hexadecimal."""


def as_json(values: Collection[Any]) -> str:
    """The parameter; NUL must not be in any text."""
    return msgspec.json.encode(values).decode()
