"""Parameters of statements that go over as JSON: a document for a column, or thousands of values at once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import msgspec
from psycopg.types.json import Jsonb

Json = Jsonb
"""A document for a column of jsonb."""
TEXTS: Final = "ARRAY(SELECT json_array_elements_text(%s::json))"
"""SQL: the text[] that `as_json` made of texts. Its length is unknown to the planner, which so takes it for short."""
DIGESTS: Final = "ARRAY(SELECT decode(value, 'hex') FROM json_array_elements_text(%s::json))"
"""SQL: the bytea[] that `as_json` made of bytes in hexadecimal."""


def as_json(values: Collection[Any]) -> str:
    """Many values as one parameter, without NUL in any text. An array of them psycopg would put together in Python."""
    return msgspec.json.encode(values).decode()
