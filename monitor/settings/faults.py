"""What was wrong with a setting, in words: its name, what was meant, and what was given unless that may be a secret."""

from __future__ import annotations

import difflib
import os
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic_core import ErrorDetails
from pydantic_settings.exceptions import SettingsError as UnreadableVariable


def fault(settings: type[BaseModel], error: ErrorDetails) -> str:
    path = [str(part) for part in error["loc"]]
    variable = "SNELLEN_" + "__".join(path).upper()
    place = ".".join(path) + (f" (or {variable})" if variable.isidentifier() else "")
    unknown = error["type"] == "extra_forbidden"
    shown = isinstance(error["input"], str | int | float) and not unknown and not _is_secret(settings, path)
    return f"{place}: {_unknown(settings, path) if unknown else _hint(error)}" + (
        f"; got {error['input']!r}" if shown else ""
    )


def _hint(error: ErrorDetails) -> str:
    if error["type"] in ("time_delta_type", "time_delta_parsing"):
        return "no duration: write PT5M, PT3H or P30D (ISO 8601), or seconds"
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
    begin = f"SNELLEN_{field.upper()}"
    return ", ".join(sorted(name for name in os.environ if name.upper().startswith(begin)))  # noqa: TID251


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
