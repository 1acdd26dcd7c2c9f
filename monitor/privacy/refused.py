"""What is left of a record that was refused: redacted, whatever it is, and packed again where it was packed."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec

from monitor.privacy import gzipped
from monitor.privacy.texts import TextRedactor, hidden
from monitor.privacy.trees import Change, tree

_IDENTIFYING: Final = frozenset(("model", "task", "status", "error_code", "trace_id", "preprocess_version"))
"""Of a prediction: names, and ids of what is no person."""
_BEGINNINGS: Final = (gzipped.IN_BASE64, b"eyI", b"eyJ", b"ewo", b"ew0", b"W3s", b"WyI", b"WyJ")
"""Of gzip in base64, and of JSON."""
_PACKED: Final = re.compile(
    rf"(\s*(?:data:[^,]{{0,200}},)?)((?:{b'|'.join(_BEGINNINGS).decode()})[A-Za-z0-9+/_-]{{4,}}[=\s]*)"
)
"""A text that is either, also as an address."""
_MAY_BE_PACKED: Final = tuple("He Wd\n\t\r")
_encode = msgspec.json.Encoder().encode


class RefusedRedactor:
    """Applies two redactors: of texts, and of what may well be an id."""

    def __init__(self, find: TextRedactor, names: TextRedactor) -> None:
        self._find = find
        self._names = names

    def record(self, content: bytes, removed: set[str] | None) -> bytes:
        """JSON whose texts are redacted, other bytes masked. Nothing, where it is gzip and nobody can tell of what.

        Args:
            removed: gets what was taken out.
        """
        return self._refused(content, removed, gzipped.Unpacker(len(content)))

    def fields(self, fields: dict[str, Any], removed: set[str] | None) -> dict[str, Any]:
        """One side of a call (`Half.fields`): it is to be sent again, so ids and names in it stay, as in events."""
        unpack = gzipped.Unpacker(len(_encode(fields)))

        def change(name: str) -> Change:
            if name == "slices":
                return lambda text: self._names(text, removed)
            return lambda text: self._found(text, removed, unpack)

        return {name: one if name in _IDENTIFYING else tree(one, change(name)) for name, one in fields.items()}

    def attached(self, content: bytes, removed: set[str] | None) -> bytes:
        """A key or header: ids that look like telephone numbers are ids."""
        if content.startswith(gzipped.MAGIC):
            return self.record(content, removed)
        return self._names.masked(content, removed)

    def _refused(
        self, content: bytes, removed: set[str] | None, unpack: gzipped.Unpacker, levels: int = gzipped.NESTED
    ) -> bytes:
        """What is left of a record, or of what is packed in it, which may be packed in turn."""
        if content.startswith(gzipped.MAGIC):
            return self._unpacked(content, removed, unpack, levels)
        try:
            value = msgspec.json.decode(content)
            changed = tree(value, lambda text: self._found(text, removed, unpack, levels))
            if changed is value and not (self._may_hide(content, removed) and _repeats_names(content)):
                return content
            return _encode(changed)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._find.masked(content, removed)

    def _unpacked(self, content: bytes, removed: set[str] | None, unpack: gzipped.Unpacker, levels: int) -> bytes:
        """Nothing, where nobody can tell what is in there."""
        if not levels:
            return b""
        try:
            plain = unpack.whole(content)
        except gzipped.Unreadable:
            return b""
        left = self._refused(plain, removed, unpack, levels - 1)
        return content if left is plain else gzipped.packed(left)

    def _found(
        self, text: str, removed: set[str] | None, unpack: gzipped.Unpacker, levels: int = gzipped.NESTED
    ) -> str:
        """A text of it without what was found in it, or in what it is base64 of."""
        if not text.startswith(_MAY_BE_PACKED) or (found := _PACKED.fullmatch(text)) is None:
            return self._find(text, removed)
        beginning, packed = found.groups()
        try:
            content = gzipped.from_base64(packed.encode())
        except gzipped.Unreadable:
            return hidden(text) if packed.startswith("H4sI") else self._find(text, removed)
        left = self._refused(content, removed, unpack, levels) if levels else b""
        if left is content:
            return text
        return beginning + gzipped.in_base64(left, packed) if left else hidden(text)

    def _may_hide(self, content: bytes, removed: set[str] | None) -> bool:
        """Could JSON of which nothing was changed hold something in a value that another one of its name replaced?"""
        return self._find.masked(content, removed) is not content or any(one in content for one in _BEGINNINGS)


def _repeats_names(content: bytes) -> bool:
    """Does a name stand twice in an object of this JSON? Then only the last value was seen, the others still hold
    what they hold."""

    def demand_unique(pairs: list[tuple[str, Any]]) -> None:
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError(pairs)

    try:
        json.loads(content, object_pairs_hook=demand_unique)
    except (ValueError, RecursionError):
        return True
    return False
