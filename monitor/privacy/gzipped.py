"""gzip in what was refused (RFC 1952): logged bodies are as the wire had them. Unpacked in bounded memory and time.

It is the content itself, a text in base64 (which then begins with `H4sI`), or stands somewhere in a binary format.
"""

from __future__ import annotations

import gzip
import re
import zlib
from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from collections.abc import Iterable, Sequence
from typing import Final

from monitor.privacy.readings import NESTED as ESCAPED
from monitor.privacy.readings import joined_lines, unescaped

MAGIC: Final = b"\x1f\x8b\x08"
IN_BASE64: Final = b"H4sI"
RATIO: Final = 32
"""Times its size that content may unpack to: a small bomb must not cost as much as a large record."""
LEAST: Final = 256 * 1024
MOST: Final = 16 * 1024 * 1024
"""Bytes to which all that is packed in one content may unpack at any rate, and at most."""
NESTED: Final = 2
"""How deep it is unpacked."""
_MEMBERS: Final = 64
"""Members that follow each other, and places of one content where some may begin."""
_WORD: Final = re.compile(rb"(?<![A-Za-z0-9+/_-])H4sI[A-Za-z0-9+/_-]+")
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")


class Unreadable(Exception):
    """It is broken or cut off, something else follows it, or it unpacks to too much."""


class Unpacker:
    """Unpacks what one content holds, all of it together to no more than its room."""

    def __init__(self, size: int) -> None:
        """
        Args:
            size: of the content, bytes.
        """
        self._room = min(MOST, max(LEAST, RATIO * size))

    def whole(self, packed: bytes) -> bytes:
        """What it says that is nothing but members.

        Raises:
            Unreadable: see there.
        """
        plain, rest = self.first(packed)
        if rest:
            raise Unreadable
        return plain

    def first(self, packed: bytes) -> tuple[bytes, bytes]:
        """What the members say that it begins with, and what follows them.

        Raises:
            Unreadable: see there; of a single member, or there are too many.
        """
        said = []
        for _ in range(_MEMBERS):
            if self.is_full:
                raise Unreadable
            member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            try:
                said.append(member.decompress(packed, self._room + 1))
            except zlib.error:
                raise Unreadable from None
            self._room -= len(said[-1])
            if self._room < 0 or not member.eof:
                raise Unreadable
            packed = member.unused_data
            if not packed.startswith(MAGIC):
                return b"".join(said), packed
        raise Unreadable

    @property
    def is_full(self) -> bool:
        """Has it given up, as that was too much?"""
        return self._room < 0


def packed(plain: bytes) -> bytes:
    """As gzip, always the same."""
    return gzip.compress(plain, compresslevel=6, mtime=0)


def from_base64(text: bytes) -> bytes:
    """What a text of either alphabet holds, with its padding or without.

    Raises:
        Unreadable: it is no base64.
    """
    digits = b"".join(text.split()).translate(_TO_STANDARD).rstrip(b"=")
    try:
        return b64decode(digits + b"=" * (-len(digits) % 4), validate=True)
    except NoBase64:
        raise Unreadable from None


def in_base64(content: bytes, like: str) -> str:
    """The content in the alphabet of another text."""
    text = b64encode(content).decode()
    return text.replace("+", "-").replace("/", "_") if "-" in like or "_" in like else text


def may_hold_gzip(content: bytes) -> bool:
    """False is certain."""
    return MAGIC in content or IN_BASE64 in content


def said_within(contents: Iterable[bytes]) -> tuple[list[bytes], bool]:
    """What is packed in the contents, wherever; and whether all of that could be read.

    In the midst of other bytes, what looks like gzip and cannot be unpacked was none.
    """
    contents = list(filter(may_hold_gzip, contents))
    if not contents:
        return [], True
    said: list[bytes] = []
    unpack = Unpacker(sum(map(len, contents)))
    return said, _open_all(contents, unpack, said, NESTED)


def _open(content: bytes, unpack: Unpacker, said: list[bytes], levels: int) -> bool:
    """Add what is packed in it. False: not all of it can be read."""
    if not levels:
        return not content.startswith(MAGIC)
    found: list[bytes] = []
    is_whole = _open_binary(content, unpack, found)
    if IN_BASE64 in content:
        is_whole = _open_texts(content, unpack, found) and is_whole
    said += found
    return _open_all(found, unpack, said, levels - 1) and is_whole


def _open_all(contents: Sequence[bytes], unpack: Unpacker, said: list[bytes], levels: int) -> bool:
    unread = sum(not _open(one, unpack, said, levels) for one in contents)  # all are looked at
    return not unread


def _open_binary(content: bytes, unpack: Unpacker, found: list[bytes]) -> bool:
    at, is_whole = content.find(MAGIC), True
    for _ in range(_MEMBERS):
        if at < 0:
            return is_whole
        rest = content[at:]
        try:
            plain, rest = unpack.first(rest)
            found.append(plain)
            at = len(content) - len(rest)
        except Unreadable:
            is_whole = is_whole and at > 0 and not unpack.is_full
            at += len(MAGIC)
        at = content.find(MAGIC, at)
    return is_whole and at < 0


def _open_texts(content: bytes, unpack: Unpacker, found: list[bytes]) -> bool:
    is_whole = True
    for _ in range(ESCAPED):
        content = unescaped(content)
    for word in set(_WORD.findall(joined_lines(content))):
        try:
            found.append(unpack.first(from_base64(word))[0])
        except Unreadable:
            is_whole = False
    return is_whole
