"""Cells of tables that people open with a spreadsheet."""

from __future__ import annotations

from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula when a cell begins with it."""
LONGEST: Final = 32_000
"""Characters of a cell; Excel's end at 32,767."""


def guarded(text: str) -> str:
    """A cell that no spreadsheet takes for a formula; one that looks guarded already is guarded once more.

    >>> guarded("=1+1"), guarded("'=1+1"), guarded("camera-1")
    ("'=1+1", "''=1+1", 'camera-1')
    """
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def plain(text: str) -> str:
    """The text behind the guard."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(_FORMULA) else text


def shortened(text: str) -> str:
    """A text that a cell can hold, with an ellipsis where its end is missing."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
