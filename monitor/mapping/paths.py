"""Paths of a mapping file: `$.a.b[0]`, `$['odd name']`, `$.list[-1]`, `$.list[*].name`, `$.list[?type=='text'].name`.

`$` is the row, `$headers` are the headers of its Kafka record, `$timestamp` is the record's time. Projections and
filters are those of JMESPath (https://jmespath.org/specification.html): elements that lack the rest of the path are
left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from monitor.mapping.row import Row

_ROOT = re.compile(r"\$(headers|timestamp)?(?=[.\[]|$)")
_STEP = re.compile(
    r"\.(?P<key>[^.\[\]'\s]+)|\['(?P<quoted>[^']+)'\]|\[(?P<index>-?[0-9]{1,6})\]|\[(?P<all>\*)\]"
    r"|\[\?(?P<name>[^.\[\]'\s=!]+) *(?P<sign>==|!=) *(?:'(?P<text>[^']*)'|(?P<word>-?[0-9.]{1,20}|true|false|null))\]"
)
_WORDS: Final = {"true": True, "false": False, "null": None}
_MISSING = object()
"""Equals nothing, not even null."""


@dataclass(frozen=True, slots=True)
class Every:
    """All elements of a list, or those whose field compares like this."""

    name: str | None = None
    wanted: Any = None
    equal: bool = True

    def takes(self, element: Any) -> bool:
        if self.name is None:
            return True
        found = element.get(self.name, _MISSING) if isinstance(element, dict) else _MISSING
        return found is not _MISSING and (found == self.wanted) is self.equal


Step = str | int | Every
Root = Callable[[Row], Any]
"""Raises LookupError where the row has none."""


def parse_path(text: str) -> tuple[Root, tuple[Step, ...]]:
    """Where a path begins, and its steps from there.

    Raises:
        ValueError: with what is wrong and how to write it.
    """
    root = _ROOT.match(text)
    place = root.end() if root else 0
    steps: list[Step] = []
    while match := _STEP.match(text, place):
        steps.append(_step(match))
        place = match.end()
    if root is None or place != len(text):
        raise ValueError(
            f"{text!r} is no path; write $.name, $.a.b[0], $['odd name'], $.list[*].name, $.list[?type=='text'].name, "
            "$headers.name or $timestamp, or {constant: ...} for text"
        )
    kind = root[1]
    if kind == "headers" and steps and isinstance(steps[0], str):
        steps[0] = steps[0].lower()
    return _ROOTS[kind], tuple(steps)


def follow(value: Any, steps: tuple[Step, ...]) -> Any:
    """What stands at the end of the steps.

    Raises:
        LookupError: nothing does.
    """
    for index, step in enumerate(steps):
        if isinstance(step, Every):
            if not isinstance(value, list):
                raise LookupError(step)  # noqa: TRY004 (nothing stands there, which a default may mend)
            return _project([one for one in value if step.takes(one)], steps[index + 1 :])
        value = _child(value, step)
    return value


def _project(elements: list[Any], steps: tuple[Step, ...]) -> list[Any]:
    found = []
    for element in elements:
        try:
            one = follow(element, steps)
        except LookupError:
            continue
        if one is not None:
            found.append(one)
    return found


def _child(value: Any, step: str | int) -> Any:
    match value, step:
        case (dict(), str()) | (list(), int()):
            return value[step]
    raise LookupError(step)


def _step(match: re.Match[str]) -> Step:
    part = match.groupdict()
    if part["index"] is not None:
        return int(part["index"])
    if part["all"]:
        return Every()
    if part["name"]:
        word = part["word"]
        wanted = part["text"] if word is None else _WORDS[word] if word in _WORDS else float(word)
        return Every(part["name"], wanted, part["sign"] == "==")
    return part["key"] or part["quoted"]


def _timestamp(row: Row) -> Any:
    if row.timestamp is None:
        raise LookupError("timestamp")
    return row.timestamp


_ROOTS: Final[dict[str | None, Root]] = {
    None: lambda row: row.values,
    "headers": lambda row: row.headers,
    "timestamp": _timestamp,
}
