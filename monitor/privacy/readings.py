"""What raw bytes say if they are JSON, however escaped, an address, or base64.

Nothing here trusts that they are any of it. There are a fixed number of readings, each at most as long as the bytes,
and each is made by operations on all of them at once: many contents, with a `\\x01` between, cost what their bytes do.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

NESTED: Final = 3
"""JSON inside a text of JSON is escaped again; so often that is undone, inside base64 once."""

_Bytes = NDArray[np.uint8]
_Places = NDArray[np.int64]
_LONGEST: Final = 12
"""Bytes of an escape: a pair of surrogates."""
_NO_DIGIT: Final = 0xFF

_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_WRAPPED: Final = re.compile(rb"\n(?<=[A-Za-z0-9+/]{60}\n)(?=[A-Za-z0-9+/])")
"""Where long base64 goes on in the next line (RFC 2045: 76 characters, RFC 7468: 64)."""


def _table(default: int, entries: dict[int, int]) -> _Bytes:
    table = np.full(256, default, np.uint8)
    table[list(entries)] = list(entries.values())
    return table


_PLAIN: Final = _table(0, dict(zip(b"\"\\/'bfnrt", b"\"\\/'\b\f\n\r\t", strict=True)))
"""What a backslash before it makes of a byte; 0: nothing, both stay."""
_DIGITS: Final = _table(_NO_DIGIT, {one: int(chr(one), 16) for one in b"0123456789abcdefABCDEF"})
_IN_BASE64: Final = bytes(chr(one).isascii() and (chr(one).isalnum() or one in b"+/") for one in range(256))


def readings(content: bytes, shortest: int) -> Iterator[bytes]:
    """The content as it is, without what escapes it, and what is base64 in it.

    Args:
        shortest: bytes of the shortest text that is looked for; base64 that cannot hold it is not decoded.
    """
    for form in forms(content):
        last = form
        for last in _unfolded(form, NESTED):
            yield last
        for decoded in _out_of_base64(last, (4 * shortest + 2) // 3):
            yield from _unfolded(decoded, 1)


def forms(content: bytes) -> list[bytes]:
    """The content, and without its NULs: so UTF-16 and UTF-32 become Latin-1."""
    return [content, content.replace(b"\x00", b"")] if b"\x00" in content else [content]


def unescaped(content: bytes) -> bytes:
    r"""Without the escapes of JSON, and those of a byte (`\x41`); what is none stays."""
    if b"\\" not in content:
        return content
    data = np.frombuffer(content + bytes(_LONGEST), np.uint8)
    out, keep = data.copy(), np.ones(len(data), bool)
    escapes = _escapes(data)
    kinds = data[escapes + 1]
    plain = escapes[_PLAIN[kinds] > 0]
    out[plain + 1] = _PLAIN[data[plain + 1]]
    keep[plain] = False
    _put_bytes(data, escapes[kinds == ord("x")] + 2, 2, out, keep)
    _put_characters(data, escapes[kinds == ord("u")], out, keep)
    return out[: len(content)][keep[: len(content)]].tobytes()


def unquoted(content: bytes) -> bytes:
    """Without the escapes of addresses (RFC 3986: `%41`)."""
    if b"%" not in content:
        return content
    data = np.frombuffer(content + bytes(_LONGEST), np.uint8)
    out, keep = data.copy(), np.ones(len(data), bool)
    _put_bytes(data, np.flatnonzero(data == ord("%")) + 1, 1, out, keep)
    return out[: len(content)][keep[: len(content)]].tobytes()


def _unfolded(content: bytes, nested: int) -> Iterator[bytes]:
    """The content itself, without the escapes of JSON, and without those of addresses, as far as it has any."""
    yield content
    for _ in range(nested):
        plain = unescaped(content)
        if plain == content:
            break
        content = plain
        yield content
    if b"%" in content:
        yield unquoted(content)


# ---- escapes --------------------------------------------------------------------------------------------------------


def _escapes(data: _Bytes) -> _Places:
    """Where they begin: of backslashes in a row, every second one is what the one before it escapes."""
    slashes = np.flatnonzero(data == ord("\\"))
    numbers = np.arange(len(slashes))
    begins = np.diff(slashes, prepend=-2) > 1
    in_row = numbers - np.maximum.accumulate(np.where(begins, numbers, 0))
    found: _Places = slashes[in_row % 2 == 0]
    return found


def _put_bytes(data: _Bytes, digits: _Places, mark: int, out: _Bytes, keep: NDArray[np.bool_]) -> None:
    """Two hexadecimal digits become a byte, which takes the place of the second; `mark` bytes before them go."""
    high, low = _DIGITS[data[digits]], _DIGITS[data[digits + 1]]
    valid = (high | low) < 16
    at = digits[valid]
    out[at + 1] = high[valid] << 4 | low[valid]
    for before in range(mark + 1):
        keep[at - before] = False


def _put_characters(data: _Bytes, at: _Places, out: _Bytes, keep: NDArray[np.bool_]) -> None:
    r"""`\u` and four digits become UTF-8, in the last places of the escape; a half of a pair by itself too."""
    digits = _DIGITS[data[at[:, None] + np.arange(2, 6)]]
    valid = (digits < 16).all(axis=1)
    at, units = at[valid], digits[valid].astype(np.int64) @ (4096, 256, 16, 1)
    paired = (units[:-1] >> 10 == 0x36) & (units[1:] >> 10 == 0x37) & (at[1:] == at[:-1] + 6)
    first = np.flatnonzero(paired)
    _put_utf8(0x10000 + (units[first] % 0x400 << 10) + units[first + 1] % 0x400, at[first], 12, out, keep)
    alone = np.ones(len(at), bool)
    alone[first] = alone[first + 1] = False
    _put_utf8(units[alone], at[alone], 6, out, keep)


def _put_utf8(points: _Places, at: _Places, size: int, out: _Bytes, keep: NDArray[np.bool_]) -> None:
    """Code points become UTF-8 at the end of `size` bytes each, of which the others go."""
    encoded = points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass").encode("utf-8", "surrogatepass")
    lengths = 1 + np.searchsorted((0x80, 0x800, 0x10000), points, side="right")
    stays = np.arange(size) >= size - lengths[:, None]
    places = at[:, None] + np.arange(size)
    keep[places] = stays
    out[places[stays]] = np.frombuffer(encoded, np.uint8)


# ---- base64 ---------------------------------------------------------------------------------------------------------


def joined_lines(content: bytes) -> bytes:
    """With base64 of several lines in one, and of one alphabet."""
    return _WRAPPED.sub(b"", content.translate(_STANDARD).replace(b"\r\n", b"\n"))


def _out_of_base64(content: bytes, least: int) -> Iterator[bytes]:
    """What words of so many characters say if they are base64, of either alphabet, and begin up to three later.

    Each word goes to a place that quadruples begin with, so that four passes decode all of them; `A` stands between.
    """
    lines = joined_lines(content)
    starts, lengths = _words(lines, least)
    if not len(starts):
        return
    data = np.frombuffer(lines, np.uint8)
    slots = (lengths + 4) // 4 * 4
    places = np.cumsum(slots) - slots
    packed = np.full(slots.sum() + 3, ord("A"), np.uint8)
    packed[_ranges(places, lengths)] = data[_ranges(starts, lengths)]
    for begin in range(4):
        decoded = np.frombuffer(a2b_base64(packed[begin : begin + slots.sum()].tobytes()), np.uint8)
        said = np.full(len(decoded), ord("\n"), np.uint8)
        bytes_of = _ranges(places * 3 // 4, (lengths - begin) * 3 // 4)
        said[bytes_of] = decoded[bytes_of]
        yield said.tobytes()


def _words(content: bytes, least: int) -> tuple[_Places, _Places]:
    """Where those of so many characters start, and how long they are."""
    inside = np.frombuffer(content.translate(_IN_BASE64), bool)
    known = 1
    while known < least:  # whether so many from here on are inside
        more = min(known, least - known)
        inside = inside[:-more] & inside[more:]
        known += more
    edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
    return edges[::2], edges[1::2] - edges[::2] + least - 1


def _ranges(starts: _Places, lengths: _Places) -> _Places:
    """The numbers from each start on, so many."""
    before = np.cumsum(lengths) - lengths
    found: _Places = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
    return found
