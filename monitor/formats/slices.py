"""Slices of a prediction, and whose data it is, looked up where a format says them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.formats.payloads.rows import Fields, over
from monitor.formats.payloads.values import short

SUBJECT = "user_id"
"""What the id of a person is called in `extra`."""
_MAX = 256


def slices_of(wanted: Mapping[str, str], *sources: Mapping[str, Any]) -> dict[str, str]:
    """Dimension -> value, from the first source that has the name; names compare without case.

    Args:
        wanted: slice dimension -> name (`FormatOptions.slices`).
        sources: names and values; of a list its only item counts, as in logged HTTP headers.
    """
    found: dict[str, str] = {}
    if not wanted:
        return found
    folded = [{name.lower(): value for name, value in source.items()} for source in sources if source]
    for dimension, name in wanted.items():
        sought = name.lower()
        for source in folded:
            value = short(source[sought]) if sought in source else None
            if value is not None and value != "":
                text = str(value)
                found[dimension] = (text.lower() if isinstance(value, bool) else text)[:_MAX]
                break
    return found


def named(rows: list[Fields], subject: Mapping[str, str]) -> list[Fields]:
    """The rows, saying whose data they are.

    Args:
        subject: `user_id` -> the person, as `slices_of` found it; empty where nobody is named.
    """
    return [over(row, {"extra": subject}) for row in rows] if subject else rows


def variant_of(endpoint: str) -> str:
    """`canary` or `shadow` where the name of the endpoint says so, else `stable`.

    >>> variant_of("canary"), variant_of("my-shadow"), variant_of("default"), variant_of("")
    ('canary', 'shadow', 'stable', 'stable')
    """
    if not endpoint:
        return "stable"
    return next((variant for variant in ("canary", "shadow") if variant in endpoint.lower()), "stable")
