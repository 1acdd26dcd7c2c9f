"""Texts as they look: the same address in full-width letters or with invisible characters in it is the same address."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Final

from monitor.privacy.scan import Span

_INVISIBLE: Final = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
"""Soft hyphen, joiners, zero-width spaces, direction marks (Unicode category Cf, and the grapheme joiner)."""
_ALIKE: Final = {
    "@": "＠﹫", ".": "．。｡․", "+": "＋﹢", "-": "‐‑‒–—―−－﹣", "(": "（", ")": "）", "/": "／",
    " ": "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
}  # fmt: skip


_UNITS: Final = re.compile(
    rb"\\u[0-9A-Fa-f]{4}|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
"""Several bytes that may stand for one character: escapes of JSON, and UTF-8 (RFC 3629)."""


@cache
def _looks() -> dict[int, str]:
    """Character -> the one of ASCII that it looks like: digits of all scripts, and the marks of addresses.

    Made when it is first needed: going through all of Unicode takes a tenth of a second, which no start need wait for.
    """
    digits = {
        code: str(unicodedata.digit(chr(code)))
        for code in range(128, sys.maxunicode + 1)
        if unicodedata.category(chr(code)) == "Nd"
    }
    return digits | {ord(one): plain for plain, several in _ALIKE.items() for one in several}


def find(text: str, search: Callable[[str], Iterable[Span]]) -> list[Span]:
    """What `search` finds in the text as it looks, as places in the text as it is."""
    if text.isascii():
        return list(search(text))
    plain = text.translate(_looks())
    if _INVISIBLE.search(plain) is None:
        return list(search(plain))
    kept = [index for index, character in enumerate(plain) if not _INVISIBLE.match(character)]
    seen = "".join([plain[index] for index in kept])
    return [(kept[start], kept[end - 1] + 1) for start, end in search(seen)]


def characters(content: bytes) -> tuple[str, Sequence[int]]:
    r"""What bytes of no known structure look like, and where each character begins in them; last, where they end.

    >>> characters(rb"a\u0040b")
    ('a@b', [0, 1, 7, 8])
    """
    if content.isascii() and b"\\u" not in content:
        return content.decode(), range(len(content) + 1)
    pieces: list[str] = []
    places: list[int] = []
    at = 0
    for unit in _UNITS.finditer(content):
        pieces += content[at : unit.start()].decode("ascii", "replace"), _character(unit[0])
        places += range(at, unit.start() + 1)
        at = unit.end()
    return "".join(pieces) + content[at:].decode("ascii", "replace"), [*places, *range(at, len(content) + 1)]


def _character(unit: bytes) -> str:
    return chr(int(unit[2:], 16)) if unit.startswith(b"\\") else unit.decode("utf-8", "replace")[0]
