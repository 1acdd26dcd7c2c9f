"""Rows: what each item of a call says, and under which ids they go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent

Fields = dict[str, Any]
"""Part of a `prediction/v1`: plain values, nested and named as in its JSON."""
MAX_ROWS = 1024
_MAX_ID = 128


def with_ids(call_id: str, rows: Sequence[Fields], name: str) -> Iterator[tuple[str, Fields]]:
    """One row goes by the id of the call; of several, row k (from 0) by `<id>#k`.

    Raises:
        InvalidEvent: the id is missing or too long (`name` says where it should stand), or there are too many rows.
    """
    if len(rows) > MAX_ROWS:
        raise InvalidEvent(Rejection.INVALID, f"a batch of {len(rows)} items; {MAX_ROWS} are allowed")
    longest = f"{call_id}#{len(rows) - 1}" if len(rows) > 1 else call_id
    if not call_id or len(longest) > _MAX_ID:
        raise InvalidEvent(
            Rejection.INVALID, f"{name}: an id of 1 to {_MAX_ID} characters is needed, not {call_id[:64]!r}"
        )
    if len(rows) == 1:
        yield call_id, rows[0]
    else:
        yield from ((f"{call_id}#{number}", row) for number, row in enumerate(rows))


def over(base: Fields, *others: Fields) -> Fields:
    """The fields of all, the later ones first to say; objects are merged one level deep, `extra` included."""
    merged = dict(base)
    for other in others:
        for name, value in other.items():
            below = merged.get(name)
            merged[name] = {**below, **value} if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
