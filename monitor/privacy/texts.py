"""One text: what is found in it is replaced by a marker that says what stood there."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from monitor.privacy.options import Kind
from monitor.privacy.patterns import Pattern, TooSlow
from monitor.privacy.plain import characters, find
from monitor.privacy.scan import Span, called_numbers, cards, emails, is_suspect, phones

log = logging.getLogger(__name__)

_SEARCHES: Final[tuple[tuple[Kind, Callable[[str], Iterable[Span]]], ...]] = (
    ("email", emails), ("card", cards), ("phone", called_numbers), ("phone", phones),
)  # fmt: skip
"""One after the other: an address may hold digits, a card's digits could begin like a telephone number, and what is
gone no longer stands beside a number."""
_MARKER: Final = re.compile(r"(\[(?:[a-z_]{1,32} removed|hidden \d+ characters)\])")
MAX_ID: Final = 256
"""Characters of what may be an id of a person as a whole."""
_HIDDEN: Final = re.compile(r"\[hidden \d+ characters\]")


class TextRedactor:
    """Replaces what it finds. Doing it again changes nothing: no marker is searched."""

    def __init__(self, kinds: Iterable[Kind], patterns: tuple[Pattern, ...]) -> None:
        self._searches = [(kind, search) for kind, search in _SEARCHES if kind in set(kinds)]
        self._patterns = patterns

    def __call__(self, text: str, removed: set[str] | None = None) -> str:
        """The text itself where nothing was found. A text on which a pattern takes too long is hidden as a whole.

        Args:
            removed: gets what was taken out, and a short text of which anything was as a whole.
        """
        new = self._redacted(text, removed)
        if removed is not None and new is not text and len(text) <= MAX_ID:
            removed.add(text)
        return new

    def _redacted(self, text: str, removed: set[str] | None) -> str:
        suspect = is_suspect(text)
        if not suspect and not self._patterns:
            return text
        try:
            for pattern in self._patterns:
                if pattern.is_in(text):
                    text = self._outside_markers(text, pattern, removed)
        except TooSlow:
            log.warning("a pattern took too long, the text is hidden", extra={"pattern": pattern.name})
            return hidden(text)
        if suspect:
            for kind, search in self._searches:
                text = _replaced(text, find(text, search), kind, removed)
        return text

    def masked(self, content: bytes, removed: set[str] | None = None) -> bytes:
        """Bytes of no known structure, with what was found overwritten by asterisks: every length in it stays true.

        Args:
            removed: gets what was overwritten.
        """
        text, places = characters(content)
        found = [span for _, search in self._searches for span in find(text, search)]
        try:
            found += [span for pattern in self._patterns for span in pattern.find(text)]
        except TooSlow:
            return b""
        result = bytearray(content)
        if removed is not None:
            removed.update(text[start:end] for start, end in found)
        for start, end in found:
            result[places[start] : places[end]] = b"*" * (places[end] - places[start])
        return bytes(result) if found else content

    def _outside_markers(self, text: str, pattern: Pattern, removed: set[str] | None) -> str:
        if "[" not in text:
            return _replaced(text, pattern.find(text), pattern.name, removed)
        parts = _MARKER.split(text)
        parts[::2] = [_replaced(part, pattern.find(part), pattern.name, removed) for part in parts[::2]]
        return "".join(parts)


def hidden(text: str) -> str:
    """A marker in place of the whole text, with its length: prompts that grow longer can still be seen."""
    return text if not text or _HIDDEN.fullmatch(text) else f"[hidden {len(text)} characters]"


def holds_marker(text: str) -> bool:
    """Was something replaced in this text? Then comparing it with another says nothing about what stood there."""
    return "[" in text and _MARKER.search(text) is not None


def _replaced(text: str, spans: Iterable[Span], name: str, removed: set[str] | None) -> str:
    pieces = list(_pieces(text, spans, f"[{name} removed]", removed))
    return "".join(pieces) if len(pieces) > 1 else text


def _pieces(text: str, spans: Iterable[Span], marker: str, removed: set[str] | None) -> Iterator[str]:
    at = 0
    for start, end in sorted(spans):
        if removed is not None:
            removed.add(text[start:end])
        if start >= at:
            yield text[at:start]
            yield marker
        at = max(at, end)
    yield text[at:]
