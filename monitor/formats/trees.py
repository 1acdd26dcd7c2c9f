"""Flattened attributes made whole again: `a.0.b` and `a: [{"b": ...}]` are the same tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_STEPS = 16
"""Names with more parts are not parted further."""

Tree = dict[str, Any]


def tree(attributes: Mapping[str, Any]) -> Tree:
    """Objects all the way down; list elements stand under their number as text. A value that is in the way of others
    (`a` beside `a.b`) stands under the empty name."""
    root: Tree = {}
    for name, value in attributes.items():
        _put(root, name, value)
    return root


def children(value: Any) -> list[Any]:
    """The elements of a list in their order, whether it was flattened or not."""
    if not isinstance(value, dict):
        return []
    numbers = sorted((int(name), name) for name in value if name.isdecimal() and len(name) < 10)
    return [value[name] for _, name in numbers]


def at(value: Any, *names: str) -> Any:
    """What stands there; None where nothing does."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value.get("", value) if isinstance(value, dict) else value


def _put(node: Tree, name: str, value: Any) -> None:
    *parents, last = name.split(".", MAX_STEPS)
    for parent in parents:
        below = node.setdefault(parent, {})
        if not isinstance(below, dict):
            below = node[parent] = {"": below}
        node = below
    items = _items(value)
    if items is None:
        if isinstance(node.get(last), dict):
            node[last][""] = value
        else:
            node[last] = value
        return
    below = node.setdefault(last, {})
    if not isinstance(below, dict):
        below = node[last] = {"": below}
    for key, item in items:
        _put(below, key, item)


def _items(value: Any) -> Any:
    """Of objects, and of lists that hold objects: vectors and other plain lists stay whole."""
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        return ((str(index), one) for index, one in enumerate(value))
    return None
