"""What may stand at a field of a mapping file, and its value for a row.

`$.a.b[0]`, `{path: $.a, default: x}`, `{path: .a, of: ...}` or `{column: "odd name"}` · `{concat: [...]}` · a list ·
`{transform: name, of: ...}` · `{first_of: [...]}` · `{exists: ...}` · `{equals: [a, b]}` · `{constant: ...}`; every
other scalar is a constant.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from monitor.mapping.paths import Root, Step, follow, parse_path
from monitor.mapping.row import Row
from monitor.mapping.transforms import TRANSFORMS, string

_NOTHING = object()
"""Stands for "no default": null is one."""


class RowFault(Exception):
    """A row that cannot be mapped, and why."""


class Expression(Protocol):
    """A field's value, computed from a row."""

    def value(self, row: Row) -> Any:
        """Raises RowFault when this row has no such value."""


@dataclass(frozen=True, slots=True)
class Constant:
    content: Any

    def value(self, row: Row) -> Any:
        del row
        return self.content


@dataclass(frozen=True, slots=True)
class Path:
    """Keys, list indices, projections and filters from the row, its headers, its timestamp or another value down."""

    text: str
    root: Root
    steps: tuple[Step, ...]
    default: Any = _NOTHING

    def value(self, row: Row) -> Any:
        try:
            return follow(self.root(row), self.steps)
        except LookupError:
            if self.default is not _NOTHING:
                return self.default
            raise RowFault(f"{self.text} is not in the row; a `default` may be given, also null") from None


@dataclass(frozen=True, slots=True)
class FirstOf:
    """The first of several that is there and not null; null where none is."""

    choices: tuple[Expression, ...]

    def value(self, row: Row) -> Any:
        return next((found for one in self.choices if (found := _value_or_null(one, row)) is not None), None)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of two values, by whether a value is there, or two are equal."""

    holds: Callable[[Row], bool]
    then: Expression
    otherwise: Expression

    def value(self, row: Row) -> Any:
        return (self.then if self.holds(row) else self.otherwise).value(row)


@dataclass(frozen=True, slots=True)
class Listing:
    """A list; null elements are left out."""

    elements: tuple[Expression, ...]

    def value(self, row: Row) -> list[Any]:
        return [one for element in self.elements if (one := element.value(row)) is not None]


@dataclass(frozen=True, slots=True)
class Concat:
    """Scalars put together into one text."""

    parts: tuple[Expression, ...]

    def value(self, row: Row) -> str:
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

    def value(self, row: Row) -> Any:
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
            return Path(node, *parse_path(node))
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
    _allow(node, "path", "of", "default")
    text = str(node["path"])
    if "of" not in node:
        return Path(text, *parse_path(text), node.get("default", _NOTHING))
    return Path(f"{text} (in `of`)", parse(node["of"]).value, _steps(text), node.get("default", _NOTHING))


def _steps(text: str) -> tuple[Step, ...]:
    """The steps of a path that goes on from the value of `of`."""
    try:
        if text.startswith((".", "[")):
            return parse_path(f"${text}")[1]
    except ValueError:
        pass
    raise ValueError(
        f"{text!r} is no path into the value of `of`; write it without $, as in "
        "{path: '.messages[-1].content', of: {transform: json, of: $.request}}"
    )


def _column(node: dict[str, Any]) -> Expression:
    _allow(node, "column", "default")
    name = str(node["column"])
    return Path(f"column {name!r}", _values, (name,), node.get("default", _NOTHING))


def _concat(node: dict[str, Any]) -> Expression:
    _allow(node, "concat")
    if not isinstance(node["concat"], list) or not node["concat"]:
        raise ValueError('concat: a list of parts is needed, e.g. {concat: [$.run, "/", $.id]}')
    return Concat(tuple(map(parse, node["concat"])))


def _first_of(node: dict[str, Any]) -> Expression:
    _allow(node, "first_of")
    if not isinstance(node["first_of"], list) or not node["first_of"]:
        raise ValueError("first_of: a list of choices is needed, e.g. {first_of: [$.answer, $.text]}")
    return FirstOf(tuple(map(parse, node["first_of"])))


def _exists(node: dict[str, Any]) -> Expression:
    _allow(node, "exists", "then", "otherwise")
    wanted = parse(node["exists"])
    return _choice(lambda row: _value_or_null(wanted, row) is not None, node)


def _equals(node: dict[str, Any]) -> Expression:
    _allow(node, "equals", "then", "otherwise")
    if not isinstance(node["equals"], list) or len(node["equals"]) != 2:
        raise ValueError("equals: a list of two is needed, e.g. {equals: [$.type, answer]}")
    left, right = map(parse, node["equals"])
    return _choice(lambda row: bool(_value_or_null(left, row) == _value_or_null(right, row)), node)


def _choice(holds: Callable[[Row], bool], node: dict[str, Any]) -> Expression:
    return Choice(holds, parse(node.get("then", True)), parse(node.get("otherwise", False)))


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
    "first_of": _first_of,
    "exists": _exists,
    "equals": _equals,
    "constant": _constant,
    "transform": _transform,
}


def _allow(node: dict[str, Any], *names: str) -> None:
    unknown = [name for name in node if name not in names]
    if unknown:
        raise ValueError(f"{unknown[0]!r} has no meaning here; known are {', '.join(names)}")


def _values(row: Row) -> Mapping[str, Any]:
    return row.values


def _value_or_null(expression: Expression, row: Row) -> Any:
    try:
        return expression.value(row)
    except RowFault:
        return None
