"""Which ids raw bytes hold: as they are, in JSON however escaped, in query strings, in base64.

Nothing here trusts that the bytes are JSON, or text. Every reading of them is at most as long as they are, there are a
fixed number of readings, and each is gone through once; only for a few ids once per id.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

import numpy as np

PLAIN_FROM: Final = 8
"""Ids of so many characters are looked for anywhere; shorter ones only as a whole JSON text."""
_FEW: Final = 24
"""Up to so many ids are looked for one by one."""
_GRAM: Final = np.dtype("<u8")
_NESTED: Final = 3
"""JSON inside a text of JSON is escaped again; so often that is undone, inside base64 once."""
_AROUND: Final = 128
"""Bytes beside an id by which is told whether a binary format holds it."""

_ESCAPES: Final = re.compile(rb"\\(?:u[0-9A-Fa-f]{4}(?:\\u[0-9A-Fa-f]{4})*+|x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_PLAIN: Final = {
    b'\\"': b'"', b"\\\\": b"\\", b"\\/": b"/", b"\\'": b"'", b"\\b": b"\b", b"\\f": b"\f", b"\\n": b"\n",
    b"\\r": b"\r", b"\\t": b"\t",
}  # fmt: skip
_SHORT_TEXT: Final = re.compile(rb'"(?=((?:[^"\\]|\\u[0-9A-Fa-f]{4}|\\.){1,28}+)")', re.DOTALL)
"""A whole JSON text of no more units than seven characters take, wherever a quotation mark stands."""
_IN_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]{11,}")
_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_WRAPPED: Final = re.compile(rb"\n(?<=[A-Za-z0-9+/]{60}\n)(?=[A-Za-z0-9+/])")
"""Where long base64 goes on in the next line (RFC 2045: 76 characters, RFC 7468: 64)."""

_LETTER: Final = rb"(?:[A-Za-z0-9]|[\xc3-\xdf][\x80-\xbf])"
"""What an id is made of: ASCII, and in UTF-8 the letters up to U+07FF. Of those beyond, many scripts need no spaces."""
_BEFORE: Final = re.compile(_LETTER + rb"[-_.@]?\Z")
_AFTER: Final = re.compile(rb"[-_.@]?(?:" + _LETTER + rb"|\\+(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})|%[0-9A-Fa-f]{2})")
"""These four join the parts of an id; at the end of a sentence, nothing follows the point. What an escape stands for,
the next reading tells."""
_DELIMITER: Final = re.compile(rb"[\x00-\x7f](?<![A-Za-z0-9_.@-])")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Mentions:
    """Looks for a fixed set of ids."""

    def __init__(self, ids: Iterable[str]) -> None:
        texts = {one: one.encode("utf-8", "surrogatepass") for one in ids if one}
        self._short = {content: one for one, content in texts.items() if len(one) < PLAIN_FROM}
        self._long = {content: one for one, content in texts.items() if len(one) >= PLAIN_FROM}
        self._index = _index(self._long) if len(self._long) > _FEW else {}
        self._grams = np.array(sorted(self._index), _GRAM)

    def within(self, content: bytes) -> set[str]:
        """Those of the ids that the content holds, by themselves: not where they are a part of a longer id."""
        found = set()
        if self._short:
            found = {self._short[text] for text in _short_texts(content) if text in self._short}
        if self._long and len(content) >= PLAIN_FROM:
            for reading in _readings(content):
                found |= {self._long[one] for one in self._candidates(reading) if _holds(reading, one)}
        return found

    def _candidates(self, reading: bytes) -> Iterable[bytes]:
        """The ids that could be in there: of many, those of which eight bytes are."""
        if not self._index:
            return self._long
        if len(reading) < _GRAM.itemsize:
            return ()
        grams = np.ndarray((len(reading) - _GRAM.itemsize + 1,), _GRAM, reading, strides=(1,))
        places = np.searchsorted(self._grams, grams).clip(max=len(self._grams) - 1)
        hits = np.unique(grams[self._grams[places] == grams])
        return [one for gram in hits.tolist() for one in self._index[gram]]


def _index(ids: Collection[bytes]) -> dict[int, list[bytes]]:
    """Ids by the eight bytes of each that the fewest others have: those of a series share most of theirs."""
    shared = Counter(gram for one in ids for gram in set(_grams(one)))
    index = defaultdict(list)
    for one in ids:
        index[min(_grams(one), key=shared.__getitem__)].append(one)
    return dict(index)


def _grams(content: bytes) -> list[int]:
    size = _GRAM.itemsize
    return [int.from_bytes(content[at : at + size], "little") for at in range(len(content) - size + 1)]


# ---- readings: what the bytes say, if they are ... ------------------------------------------------------------------


def _readings(content: bytes) -> Iterator[bytes]:
    last = content
    for last in _unfolded(content):
        yield last
    for decoded in _out_of_base64(last):
        yield from _unfolded(decoded, nested=1)


def _unfolded(content: bytes, nested: int = _NESTED) -> Iterator[bytes]:
    """The content itself, without the escapes of JSON, and without those of addresses, as far as it has any."""
    yield content
    for _ in range(nested):
        plain = _ESCAPES.sub(_unescaped, content) if b"\\" in content else content
        if plain == content:
            break
        content = plain
        yield content
    if b"%" in content:
        yield unquote_to_bytes(content)


def _unescaped(found: re.Match[bytes]) -> bytes:
    escape = found[0]
    if len(escape) == 2:
        return _PLAIN.get(escape, escape)
    if escape[1:2] == b"x":
        return bytes.fromhex(escape[2:].decode())
    units = bytes.fromhex(escape.replace(b"\\u", b"").decode())
    return units.decode("utf-16-be", "surrogatepass").encode("utf-8", "surrogatepass")


def _short_texts(content: bytes) -> Iterator[bytes]:
    for found in _SHORT_TEXT.finditer(content):
        yield _ESCAPES.sub(_unescaped, found[1]) if b"\\" in found[1] else found[1]


def _out_of_base64(content: bytes) -> Iterator[bytes]:
    """What long words say if they are base64, of either alphabet, and begin up to three characters later."""
    lines = content.translate(_STANDARD).replace(b"\r\n", b"\n")
    words = _IN_BASE64.findall(_WRAPPED.sub(b"", lines))
    if words:
        for start in range(4):
            yield b"\n".join([_decoded(word[start:]) for word in words])


def _decoded(word: bytes) -> bytes:
    left = len(word) % 4
    return a2b_base64(word[:-1] if left == 1 else word + b"=" * (-left % 4))


# ---- what stands beside it ------------------------------------------------------------------------------------------


def _holds(content: bytes, ident: bytes) -> bool:
    at = content.find(ident)
    while at >= 0:
        if _stands_alone(content, at, at + len(ident)):
            return True
        at = content.find(ident, at + 1)
    return False


def _stands_alone(content: bytes, start: int, end: int) -> bool:
    """Does no longer id begin before it, or end behind it?"""
    begins = start == 0 or _DELIMITER.match(content, start) or not _BEFORE.search(content, max(start - 3, 0), start)
    if not begins and content[start - 1] < end - start:
        return False
    ends = _DELIMITER.match(content, end - 1) or not _AFTER.match(content, end)
    if begins and ends:
        return True
    return (
        start > 0 and _is_framed(content, start, end) and not _is_text(content[max(start - _AROUND, 0) : end + _AROUND])
    )


def _is_framed(content: bytes, start: int, end: int) -> bool:
    """Is the byte before it the length of it, or of a longer text that begins with it?

    So it is in Protocol Buffers, Thrift and MessagePack; in Avro, which doubles it; in CBOR and MessagePack with a mark
    where it is short. Lengths look like letters, and so do the tags that follow a text.
    """
    length, size = content[start - 1], end - start
    if length in (size, 2 * size) or (size < 24 and length == 0x60 | size) or (size < 32 and length == 0xA0 | size):
        return True
    whole = b"" if length in b"-_.@" else content[start : start + length]
    return len(whole) == length > size and _AFTER.match(whole, size) is None and _is_text(whole)


def _is_text(content: bytes) -> bool:
    """UTF-8 without control characters, but perhaps cut at its ends."""
    inside = content.strip(bytes(range(0x80, 0x100)))
    return _CONTROL.search(content) is None and "\ufffd" not in inside.decode("utf-8", "replace")
