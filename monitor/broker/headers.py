"""The headers of a record: read one by one where they are laid out as never before, else at once.

The records of a topic have the same headers again and again, with values of the same lengths. Where names and lengths
stand at the same places as in an earlier record, only the values can differ: they are cut out in one go, at a fifth of
the cost. What that gives is what reading them one by one would give, as all else is the same byte by byte.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple

from monitor.domain.varints import LONG, varint

Headers = tuple[tuple[str, bytes], ...]

MAX_HEADERS: Final = 10_000
"""Of a record. Two bytes make a header, which takes a hundred in memory."""
_MAX_NAMED: Final = 2048
"""Bytes of names and lengths of a layout that is kept."""
_MAX_LENGTHS, _MAX_ALIKE = 512, 4
"""Layouts are kept by the bytes that headers take, so many of each."""


class _Layout(NamedTuple):
    """Where the values stand."""

    parts: Struct
    """What stands before a value, the value, what stands before the next."""
    between: tuple[bytes, ...]
    names: tuple[str, ...]


_layouts: dict[int, list[_Layout]] = {}


def headers_at(content: bytes, place: int, end: int) -> tuple[Headers, int]:
    """The headers that begin at `place` of a record that ends at `end`, and the place behind the last.

    Raises:
        ValueError: there are too many, or one has no name.
        IndexError: they are cut short.
    """
    known = _layouts.get(end - place, ())
    for layout in known:
        parts = layout.parts.unpack_from(content, place)
        if parts[::2] == layout.between:
            return tuple(zip(layout.names, parts[1::2], strict=True)), end
    headers, values, after = _one_by_one(content, place)
    if after == end:
        _remember(content, place, end, headers, values)
    return headers, after


def _one_by_one(content: bytes, place: int) -> tuple[Headers, list[int], int]:
    """Also where each value begins. Two of three numbers that are read stand here, nearly all of one byte: those are
    read in place."""
    count, place = varint(content, place)
    if count & 1 or count >> 1 > MAX_HEADERS:
        raise ValueError(f"a record has {count >> 1} headers, {MAX_HEADERS} are read")
    headers, values = [], []
    for _ in range(count >> 1):
        if (coded := content[place]) < LONG:
            place += 1
        else:
            coded, place = varint(content, place)
        if coded & 1:
            raise ValueError("a header has no name")
        end = place + (coded >> 1)
        name = content[place:end]
        if (coded := content[end]) < LONG:
            end += 1
        else:
            coded, end = varint(content, end)
        place = end + (coded >> 1)  # one without a value has no bytes
        headers.append((_name(name), content[end:place]))
        values.append(end)
    return tuple(headers), values, place


def _remember(content: bytes, place: int, end: int, headers: Headers, values: list[int]) -> None:
    named = end - place - sum(len(value) for _, value in headers)
    if named > _MAX_NAMED:
        return
    between, sizes, last = [], [], place
    for (_, value), begin in zip(headers, values, strict=True):
        between.append(content[last:begin])
        sizes.append(f"{begin - last}s{len(value)}s")
        last = begin + len(value)
    if len(_layouts) >= _MAX_LENGTHS:
        _layouts.clear()
    alike = _layouts.setdefault(end - place, [])
    alike.append(_Layout(Struct("".join(sizes)), tuple(between), tuple(name for name, _ in headers)))
    del alike[:-_MAX_ALIKE]


@lru_cache(maxsize=1024)
def _name(raw: bytes) -> str:
    """Kafka does not check them, and other clients write any bytes. A topic's records all have the same few."""
    return raw.decode("utf-8", "backslashreplace")
