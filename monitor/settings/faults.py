"""What was wrong with a setting, in words: its name, what was meant, and what was given unless that may be a secret."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic_core import ErrorDetails
from pydantic_settings.exceptions import SettingsError as UnreadableVariable

PREFIX, NESTED = "SNELLEN_", "__"
_OF_A_SERVICE = re.compile(r"_SERVICE_(HOST|PORT)|_PORT_\d+_(TCP|UDP|SCTP)|_PORT=\w+://")
"""What Kubernetes sets in every pod beside a Service that is called `snellen` or `snellen-...`."""


def fault(settings: type[BaseModel], error: ErrorDetails) -> str:
    path = [str(part) for part in error["loc"]]
    variable = _variable(path)
    place = ".".join(path) + (f" (or {variable})" if variable.isidentifier() else "")
    unknown = error["type"] == "extra_forbidden"
    shown = isinstance(error["input"], str | int | float) and not unknown and not _is_secret(settings, path)
    return f"{place}: {_unknown(settings, path) if unknown else _hint(error)}" + (
        f"; got {error['input']!r}" if shown else ""
    )


def _hint(error: ErrorDetails) -> str:
    if error["type"] in ("time_delta_type", "time_delta_parsing"):
        return "no duration: write PT5M, PT3H or P30D (ISO 8601), or seconds"
    if error["type"] in ("dict_type", "model_type"):
        return f"a table is expected, with a heading [{'.'.join(map(str, error['loc']))}]; see docs/settings.md"
    return error["msg"].removeprefix("Value error, ")


def _unknown(settings: type[BaseModel], path: list[str]) -> str:
    """With the name that was probably meant."""
    kind: Any = settings
    for name in path[:-1]:
        field = kind.model_fields.get(name)
        kind = next((one for one in _kinds_in(field.annotation if field else kind) if _is_section(one)), kind)
    meant = difflib.get_close_matches(path[-1], kind.model_fields, n=1)
    return f"no setting of this name{f', is {meant[0]!r} meant' if meant else ''}; see docs/settings.md"


def variables_of(error: UnreadableVariable) -> str:
    """pydantic-settings tells only the first word of the setting's name, in quotes."""
    _, field, _ = str(error).split('"', 2)
    begin = _variable([field])
    return ", ".join(sorted(name for name in os.environ if name.upper().startswith(begin)))  # noqa: TID251


def unread_variables(settings: type[BaseModel], others: frozenset[str]) -> list[str]:
    """A fault for each variable that begins as ours do and names no setting, with the one that was probably meant.

    Of a section unknown names are told by its own check. `others` are read elsewhere. Empty ones count as not set.
    """
    known = [_variable(path) for path in _paths(settings)]
    faults = []
    for name, value in sorted(os.environ.items()):  # noqa: TID251
        variable = name.upper()
        field, nested, _ = variable.removeprefix(PREFIX).lower().partition(NESTED)
        found = settings.model_fields.get(field)
        ours = variable.startswith(PREFIX) and variable not in others and not _OF_A_SERVICE.search(f"{name}={value}")
        if value and ours and (found is None or (nested and not _is_section(found.annotation))):
            meant = difflib.get_close_matches(variable, known, n=1)
            faults.append(f"{name}: no setting{f', is {meant[0]} meant' if meant else ''}; see docs/settings.md")
    return faults


def _paths(kind: Any) -> Iterator[list[str]]:
    """Of all settings of a section; below it none where it is none."""
    for name, field in kind.model_fields.items() if _is_section(kind) else ():
        yield [name]
        yield from ([name, *path] for path in _paths(field.annotation))


def _variable(path: list[str]) -> str:
    return PREFIX + NESTED.join(path).upper()


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _is_secret(settings: type[BaseModel], path: list[str]) -> bool:
    """Is this a secret, or a section that may hold one?"""
    kind: Any = settings
    for name in path:
        field = kind.model_fields.get(name) if isinstance(kind, type) and issubclass(kind, BaseModel) else None
        if field is None:  # an entry of a list
            break
        kind = field.annotation
    return SecretStr in _kinds_in(kind) or _is_section(kind)


def _kinds_in(hint: Any) -> set[Any]:
    return {hint}.union(*(_kinds_in(arg) for arg in get_args(hint)))
