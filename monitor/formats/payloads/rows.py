"""Rows: what each item of a call says, and under which ids they go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent

Fields = dict[str, Any]
"""Part of a `prediction/v1`: plain values, nested and named as in its JSON."""
MAX_ROWS = 1024
MAX_GROWTH: Final = 16
"""Items of one call share what was said once, a prompt say: together they may be so many times `max_record_bytes`."""
MAX_ID: Final = 128
_encode = msgspec.json.Encoder().encode


def with_ids(call_id: str, rows: Sequence[Fields], name: str, max_bytes: int) -> list[tuple[str, Fields]]:
    """One row goes by the id of the call; of several, row k (from 0) by `<id>#k`.

    Args:
        call_id: as the log has it.
        rows: whole, with what they share.
        name: of the place where the id should stand, for messages.
        max_bytes: of a record; see `MAX_GROWTH`.

    Raises:
        InvalidEvent: the id is missing or too long, there are too many rows, or together they are too large.
    """
    if len(rows) == 1 and 0 < len(call_id) <= MAX_ID:  # mostly
        return [(call_id, rows[0])]
    demand_few(len(rows))
    demand_id(f"{call_id}#{len(rows) - 1}" if call_id and len(rows) > 1 else call_id, name)
    _demand_small(rows, MAX_GROWTH * max_bytes, name)
    return [(f"{call_id}#{number}", row) for number, row in enumerate(rows)]


def demand_id(found: str, name: str) -> None:
    """Raises InvalidEvent when an id is missing or too long; `name` is of the place where it should stand."""
    if not 0 < len(found) <= MAX_ID:
        raise InvalidEvent(
            Rejection.INVALID, f"{name}: an id of 1 to {MAX_ID} characters is needed, not {found[:64]!r}"
        )


def demand_few(items: int) -> None:
    """Raises InvalidEvent when a call has more items than allowed."""
    if items > MAX_ROWS:
        raise InvalidEvent(Rejection.INVALID, f"a batch of {items} items; {MAX_ROWS} are allowed")


def _demand_small(rows: Sequence[Fields], limit: int, name: str) -> None:
    size = 0
    for row in rows:
        size += len(_encode(row))
        if size > limit:
            raise InvalidEvent(
                Rejection.OVERSIZED,
                f"{name}: with what its {len(rows)} items share, they are larger than {limit} bytes "
                f"({MAX_GROWTH} times max_record_bytes)",
            )


def over(base: Fields, *others: Fields) -> Fields:
    """The fields of all, the later ones first to say; objects are merged one level deep, `extra` included."""
    merged = base
    for other in others:
        below, merged = merged, {**merged, **other}
        for name in below.keys() & other.keys():
            if isinstance(lower := below[name], dict) and isinstance(upper := other[name], dict):
                merged[name] = {**lower, **upper}
    return merged
