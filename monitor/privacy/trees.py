"""Values of JSON with all their texts changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from monitor.privacy.scan import is_card

Change = Callable[[str], str]
_CARD_FROM: Final = 10**12
_CARD_BEYOND: Final = 10**19
"""Numbers of 13 to 19 digits: JSON may hold a card as a number."""


def tree(value: Any, change: Change | None) -> Any:
    """A value of JSON (arrays as lists or tuples) with all its texts changed, names too; itself where none is."""
    if change is None:
        return value
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        changed = {change(name): tree(one, change) for name, one in value.items()}
        same = len(changed) == len(value) and all(changed.get(name) is one for name, one in value.items())
        return value if same else changed
    if isinstance(value, list | tuple):
        items = [tree(one, change) for one in value]
        return value if all(map(_is, items, value)) else type(value)(items)
    if may_be_card(value) and is_card(f"{abs(value):.0f}"):
        return change(f"{value:.0f}")
    return value


def may_be_card(value: Any) -> bool:
    """Is it a number of 13 to 19 digits?"""
    return type(value) in (int, float) and _CARD_FROM <= abs(value) < _CARD_BEYOND


def _is(one: object, other: object) -> bool:
    return one is other
