"""Which ids raw bytes hold: as they are, in JSON however escaped, in query strings, in base64.

Every reading of the bytes is gone through once; only for a few ids once per id. Of very many contents, readings are
made of hundreds at once, and only where an id could be in there of each by itself.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.privacy.readings import forms, readings, unescaped

PLAIN_FROM: Final = 8
"""Ids of so many characters are looked for anywhere; shorter ones only as a whole text."""
_FEW: Final = 24
"""Up to so many ids are looked for one by one."""
_GRAM: Final = np.dtype("<u8")
_HASH_BITS: Final = 18
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio: its products differ in their first bits (Knuth, TAOCP 3, 6.4)."""
_AROUND: Final = 128
"""Bytes beside an id by which is told whether a binary format holds it."""
_FRAMED_FROM: Final = 4
"""Bytes of a short id that is found in binary formats: fewer stand behind their length by chance."""
_PARTS: Final = 16
"""Contents of which one could hold an id are looked at in so many parts."""
_APART: Final = b"\x01"
"""Between contents that are read as one: no part of an id, of an escape or of base64."""

_SHORT_TEXT: Final = re.compile(rb'"(?=((?:[^"\\]|\\u[0-9A-Fa-f]{4}|\\.){1,28}+)")', re.DOTALL)
"""A whole JSON text of no more units than seven characters take, wherever a quotation mark stands."""

_LETTER: Final = rb"(?:[A-Za-z0-9]|[\xc3-\xdf][\x80-\xbf])"
"""What an id is made of: ASCII, and in UTF-8 the letters up to U+07FF. Of those beyond, many scripts need no spaces."""
_BEFORE: Final = re.compile(_LETTER + rb"[-_.@]?\Z")
_GOES_ON: Final = rb"[-_.@]?(?:" + _LETTER + rb"|\\+(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})|%[0-9A-Fa-f]{2})"
_FILE: Final = (
    rb"(?i:\.(?:avif|bmp|csv|gif|gz|heic|html?|jpe?g|jsonl?|log|mp[34]|ndjson|np[yz]|parquet|pdf|png|svg|tar|tiff?|txt|wav"
    rb"|web[mp]|xlsx|xml|ya?ml|zip|zst))+(?!" + _GOES_ON + rb")"
)
"""Endings of files: one that is named after an id is about it."""
_AFTER: Final = re.compile(rb"(?!" + _FILE + rb")" + _GOES_ON)
"""These four join the parts of an id; at the end of a sentence, nothing follows the point. What an escape stands for,
the next reading tells."""
_DELIMITER: Final = re.compile(rb"[\x00-\x7f](?<![A-Za-z0-9_.@-])")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Mentions:
    """Looks for a fixed set of ids."""

    def __init__(self, ids: Iterable[str]) -> None:
        ids = [one for one in ids if one]
        texts = _in_latin_1(ids) | {one.encode("utf-8", "surrogatepass"): one for one in ids}
        self._short = {content: one for content, one in texts.items() if len(one) < PLAIN_FROM}
        self._long = {content: one for content, one in texts.items() if len(one) >= PLAIN_FROM}
        self._shortest = min(map(len, self._long), default=0)
        sizes = {len(one) for one in self._short if len(one) >= _FRAMED_FROM}
        frames = bytes(sorted({length for size in sizes for length in (size, 2 * size)}))
        self._frames = re.compile(b"[" + re.escape(frames) + b"]") if frames else None
        self._index = _index(self._long) if len(self._long) > _FEW else {}
        self._grams = np.array(sorted(self._index), _GRAM)
        self._hashed = np.zeros(1 << _HASH_BITS, bool)
        self._hashed[_hashes(self._grams)] = True

    def within(self, content: bytes) -> set[str]:
        """Those of the ids that the content holds, by themselves: not where they are a part of a longer id."""
        found = set()
        if self._short:
            texts = (content, *self._quoted(content), *self._framed(content))
            found = {self._short[one] for one in texts if one in self._short}
        if self._long and len(content) >= self._shortest:
            for reading in readings(content, self._shortest):
                found |= {self._long[one] for one in self._candidates(reading) if _holds(reading, one)}
        return found

    def suspects(self, contents: Sequence[Sequence[bytes]]) -> list[int]:
        """Places of those that could hold one of the ids, each of several parts; certainly of all that do."""
        whole = {place for place, parts in enumerate(contents) if not self._short.keys().isdisjoint(parts)}
        return sorted(whole.union(self._suspects([_APART.join(parts) for parts in contents], 0)))

    def _suspects(self, contents: Sequence[bytes], first: int) -> Iterator[int]:
        if len(contents) < 2:
            yield from range(first, first + len(contents))
        elif self._may_be_in(_APART + _APART.join(contents) + _APART):
            size = -(-len(contents) // _PARTS)
            for start in range(0, len(contents), size):
                yield from self._suspects(contents[start : start + size], first + start)

    def _may_be_in(self, contents: bytes) -> bool:
        if self._short and self._may_have_short(contents):
            return True
        if not self._long:
            return False
        return any(self._has_candidate(reading) for reading in readings(contents, self._shortest))

    def _has_candidate(self, reading: bytes) -> bool:
        ids = self._candidates(reading)
        return len(ids) > _FEW or any(one in reading for one in ids)

    def _candidates(self, reading: bytes) -> Collection[bytes]:
        """The ids that could be in there: of many, those of which eight bytes are."""
        if not self._index:
            return self._long
        if len(reading) < _GRAM.itemsize:
            return ()
        grams = np.ndarray((len(reading) - _GRAM.itemsize + 1,), _GRAM, reading, strides=(1,))
        grams = grams[self._hashed[_hashes(grams)]]  # of most, this tells that they are none
        places = np.searchsorted(self._grams, grams).clip(max=len(self._grams) - 1)
        hits = np.unique(grams[self._grams[places] == grams])
        return [one for gram in hits.tolist() for one in self._index[gram]]

    # ---- short ones -------------------------------------------------------------------------------------------------

    def _quoted(self, content: bytes) -> Iterator[bytes]:
        """Whole JSON texts that are short."""
        for form in forms(content):
            texts = _SHORT_TEXT.findall(form)
            yield from (one for one in texts if b"\\" not in one)
            yield from _each_unescaped([one for one in texts if b"\\" in one])

    def _framed(self, content: bytes) -> Iterator[bytes]:
        """Ids that stand behind their length, or behind twice of it, and not in a text."""
        for found in self._frames.finditer(content) if self._frames else ():
            length, start = found[0][0], found.end()
            for text in (content[start : start + length], content[start : start + length // 2]):
                if text in self._short and not _is_text(content[max(start - _AROUND, 0) : start + _AROUND]):
                    yield text

    def _may_have_short(self, contents: bytes) -> bool:
        if any(self._framed(contents)):
            return True
        if len(self._short) > _FEW:
            return any(one in self._short for one in self._quoted(contents))
        plain = b" ".join(map(unescaped, forms(contents)))
        return any(b'"' + one + b'"' in plain for one in self._short)


def _each_unescaped(texts: Sequence[bytes]) -> Iterable[bytes]:
    plain = unescaped(_APART.join(texts)).split(_APART)
    return plain if len(plain) == len(texts) else map(unescaped, texts)


def _in_latin_1(ids: Iterable[str]) -> dict[bytes, str]:
    """Those that can be written so, as older systems do."""
    found = {}
    for one in ids:
        with suppress(UnicodeEncodeError):
            found[one.encode("latin-1")] = one
    return found


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


def _hashes(grams: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return grams * _SPREAD >> np.uint64(64 - _HASH_BITS)


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
