"""What may stand at a field of a mapping file, and its value for a row.

`$.a.b[0]`, `{path: $.a, default: x}` or `{column: "odd name"}` · `{concat: [...]}` · a list ·
`{transform: name, of: ...}` · `{constant: ...}`; every other scalar is a constant.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from monitor.mapping.transforms import TRANSFORMS, string

_STEP = re.compile(r"\.([^.\[\]'\s]+)|\[([0-9]{1,6})\]|\['([^']+)'\]")
_NOTHING = object()
"""Stands for "no default": null is one."""


class RowFault(Exception):
    """A row that cannot be mapped, and why."""


class Expression(Protocol):
    """A field's value, computed from a row."""

    def value(self, row: Mapping[str, Any]) -> Any:
        """Raises RowFault when this row has no such value."""


@dataclass(frozen=True, slots=True)
class Constant:
    content: Any

    def value(self, row: Mapping[str, Any]) -> Any:
        del row
        return self.content


@dataclass(frozen=True, slots=True)
class Path:
    """Keys and list indices from the row down."""

    text: str
    steps: tuple[str | int, ...]
    default: Any = _NOTHING

    def value(self, row: Mapping[str, Any]) -> Any:
        found: Any = row
        for step in self.steps:
            try:
                found = _child(found, step)
            except LookupError:
                if self.default is not _NOTHING:
                    return self.default
                raise RowFault(f"{self.text} is not in the row; a `default` may be given, also null") from None
        return found


@dataclass(frozen=True, slots=True)
class Listing:
    """A list; null elements are left out."""

    elements: tuple[Expression, ...]

    def value(self, row: Mapping[str, Any]) -> list[Any]:
        return [one for element in self.elements if (one := element.value(row)) is not None]


@dataclass(frozen=True, slots=True)
class Concat:
    """Scalars put together into one text."""

    parts: tuple[Expression, ...]

    def value(self, row: Mapping[str, Any]) -> str:
        values = [part.value(row) for part in self.parts]
        if None in values:
            raise RowFault(f"concat: part {values.index(None) + 1} is null")
        try:
            return "".join(map(string, values))
        except ValueError as error:
            raise RowFault(f"concat: {error}") from None


@dataclass(frozen=True, slots=True)
class Call:
    """A transform of the table. Null in, null out."""

    name: str
    function: Callable[..., Any]
    of: Expression
    arguments: Mapping[str, Expression]

    def value(self, row: Mapping[str, Any]) -> Any:
        given = self.of.value(row)
        if given is None:
            return None
        arguments = {name: argument.value(row) for name, argument in self.arguments.items()}
        try:
            return self.function(given, **arguments)
        except (ValueError, TypeError, OverflowError) as error:
            raise RowFault(f"{self.name}: {error}") from None


def parse(node: Any) -> Expression:
    """The expression that a YAML node stands for.

    Raises:
        ValueError: with what is wrong and how to write it.
    """
    match node:
        case str() if node.startswith("$"):
            return Path(node, _steps(node))
        case list():
            return Listing(tuple(map(parse, node)))
        case dict():
            return _operator(node)
    return Constant(node)


def _operator(node: dict[str, Any]) -> Expression:
    chosen = [name for name in _OPERATORS if name in node]
    if len(chosen) != 1:
        raise ValueError(
            f"an object here needs exactly one of {', '.join(_OPERATORS)}; it has {', '.join(node) or 'none'}"
        )
    return _OPERATORS[chosen[0]](node)


def _path(node: dict[str, Any]) -> Expression:
    _allow(node, "path", "default")
    text = str(node["path"])
    return Path(text, _steps(text), node.get("default", _NOTHING))


def _column(node: dict[str, Any]) -> Expression:
    _allow(node, "column", "default")
    name = str(node["column"])
    return Path(f"column {name!r}", (name,), node.get("default", _NOTHING))


def _concat(node: dict[str, Any]) -> Expression:
    _allow(node, "concat")
    if not isinstance(node["concat"], list) or not node["concat"]:
        raise ValueError('concat: a list of parts is needed, e.g. {concat: [$.run, "/", $.id]}')
    return Concat(tuple(map(parse, node["concat"])))


def _constant(node: dict[str, Any]) -> Expression:
    _allow(node, "constant")
    return Constant(node["constant"])


def _transform(node: dict[str, Any]) -> Expression:
    name = node["transform"]
    if name not in TRANSFORMS:
        raise ValueError(f"transform {name!r} is unknown; there are {', '.join(TRANSFORMS)}")
    if "of" not in node:
        raise ValueError(f"{name}: `of` is missing, the value to transform, e.g. {{transform: {name}, of: $.column}}")
    _, *known = inspect.signature(TRANSFORMS[name]).parameters.values()
    _allow(node, "transform", "of", *(one.name for one in known))
    missing = [one.name for one in known if one.default is one.empty and one.name not in node]
    if missing:
        raise ValueError(f"{name}: the argument {missing[0]} is missing")
    arguments = {one.name: parse(node[one.name]) for one in known if one.name in node}
    return Call(name, TRANSFORMS[name], parse(node["of"]), arguments)


_OPERATORS: dict[str, Callable[[dict[str, Any]], Expression]] = {
    "path": _path,
    "column": _column,
    "concat": _concat,
    "constant": _constant,
    "transform": _transform,
}


def _allow(node: dict[str, Any], *names: str) -> None:
    unknown = [name for name in node if name not in names]
    if unknown:
        raise ValueError(f"{unknown[0]!r} has no meaning here; known are {', '.join(names)}")


def _child(value: Any, step: str | int) -> Any:
    """Raises LookupError when there is none."""
    match value, step:
        case (dict(), str()) | (list(), int()):
            return value[step]
    raise LookupError(step)


def _steps(text: str) -> tuple[str | int, ...]:
    steps: list[str | int] = []
    place = 1
    while place < len(text):
        match = _STEP.match(text, place)
        if match is None:
            break
        key, index, quoted = match.groups()
        steps.append(int(index) if index else key or quoted)
        place = match.end()
    if text[:1] != "$" or place != len(text):
        raise ValueError(f"{text!r} is no path; write $.name, $.a.b[0] or $['odd name'], or {{constant: ...}} for text")
    return tuple(steps)
