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
_HIDDEN: Final = re.compile(r"\[hidden \d+ characters\]")


class TextRedactor:
    """Replaces what it finds. Doing it again changes nothing: no marker is searched."""

    def __init__(self, kinds: Iterable[Kind], patterns: tuple[Pattern, ...]) -> None:
        self._searches = [(kind, search) for kind, search in _SEARCHES if kind in set(kinds)]
        self._patterns = patterns

    def __call__(self, text: str) -> str:
        """The text itself where nothing was found. A text on which a pattern takes too long is hidden as a whole."""
        suspect = is_suspect(text)
        if not suspect and not self._patterns:
            return text
        try:
            for pattern in self._patterns:
                if pattern.is_in(text):
                    text = self._outside_markers(text, pattern)
        except TooSlow:
            log.warning("a pattern took too long, the text is hidden", extra={"pattern": pattern.name})
            return hidden(text)
        if suspect:
            for kind, search in self._searches:
                text = _replaced(text, find(text, search), kind)
        return text

    def masked(self, content: bytes) -> bytes:
        """Bytes of no known structure, with what was found overwritten by asterisks: every length in it stays true."""
        text, places = characters(content)
        found = [span for _, search in self._searches for span in find(text, search)]
        try:
            found += [span for pattern in self._patterns for span in pattern.find(text)]
        except TooSlow:
            return b""
        result = bytearray(content)
        for start, end in found:
            result[places[start] : places[end]] = b"*" * (places[end] - places[start])
        return bytes(result) if found else content

    def _outside_markers(self, text: str, pattern: Pattern) -> str:
        if "[" not in text:
            return _replaced(text, pattern.find(text), pattern.name)
        parts = _MARKER.split(text)
        parts[::2] = [_replaced(part, pattern.find(part), pattern.name) for part in parts[::2]]
        return "".join(parts)


def hidden(text: str) -> str:
    """A marker in place of the whole text, with its length: prompts that grow longer can still be seen."""
    return text if not text or _HIDDEN.fullmatch(text) else f"[hidden {len(text)} characters]"


def holds_marker(text: str) -> bool:
    """Was something replaced in this text? Then comparing it with another says nothing about what stood there."""
    return "[" in text and _MARKER.search(text) is not None


def _replaced(text: str, spans: Iterable[Span], name: str) -> str:
    pieces = list(_pieces(text, spans, f"[{name} removed]"))
    return "".join(pieces) if len(pieces) > 1 else text


def _pieces(text: str, spans: Iterable[Span], marker: str) -> Iterator[str]:
    at = 0
    for start, end in sorted(spans):
        if start >= at:
            yield text[at:start]
            yield marker
        at = max(at, end)
    yield text[at:]
