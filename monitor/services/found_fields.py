"""The fields of an event by their dotted names, and how to show what stands in one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, get_args, get_type_hints

import msgspec
from msgspec import Struct

EXAMPLE_CHARACTERS: Final = 48
_PLAIN_KEY = re.compile(r"[^.\[\]'\s]{1,64}")


def leaves(value: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Dotted names and values; lists, and what stands under free names, as a whole. Empty ones are not found."""
    for name, inner in value.items():
        if isinstance(inner, dict) and not prefix.startswith(("slices.", "extra.")):
            yield from leaves(inner, f"{prefix}{name}.")
        elif inner not in (None, "", [], {}):
            yield f"{prefix}{name}", inner


def paths(value: Any, path: str = "$", levels: int = 3) -> Iterator[tuple[str, Any]]:
    """Paths of a mapping file into a JSON value, and what stands there; of lists the first element."""
    match value:
        case dict() if levels:
            for name, inner in value.items():
                step = f".{name}" if _PLAIN_KEY.fullmatch(name) else f"['{name}']"
                yield from paths(inner, f"{path}{step}", levels - 1)
        case [dict() as first, *_] if levels:
            yield from paths(first, f"{path}[0]", levels)
        case None | "" | [] | {}:
            return
        case _:
            yield path, value


def names(kind: type[Struct], prefix: str) -> Iterator[str]:
    hints = get_type_hints(kind)
    for info in msgspec.structs.fields(kind):
        hint = hints[info.name]
        inner = next((one for one in (hint, *get_args(hint)) if _is_struct(one)), None)
        listed = getattr(hint, "__origin__", None) is tuple
        if inner is None or listed:
            yield f"{prefix}{info.encode_name}"
        else:
            yield from names(inner, f"{prefix}{info.encode_name}.")


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Struct)


def short(value: Any) -> str:
    match value:
        case str():
            text = " ".join(value[: 4 * EXAMPLE_CHARACTERS].split())
        case bytes():
            text = f"{len(value)} bytes"
        case [{"embedder": embedder, "kind": kind, "data": data}, *_]:
            text = f"{kind} by {embedder}, {len(data)} bytes"
        case _:
            text = msgspec.json.encode(value).decode()
    return text if len(text) <= EXAMPLE_CHARACTERS else f"{text[: EXAMPLE_CHARACTERS - 1]}…"


def size(value: Any) -> str:
    match value:
        case str():
            return f"text of {len(value)} characters"
        case bytes():
            return f"{len(value)} bytes"
        case list():
            return f"list of {len(value)}"
        case dict():
            return f"object of {len(value)}"
    return {bool: "truth value", int: "whole number", float: "number"}.get(type(value), type(value).__name__)
