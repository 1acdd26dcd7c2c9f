"""Write the reference pages that follow from code: `python docs/generate.py`. With `--check`, only compare them.

A test runs the comparison, so that the pages cannot go stale.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import get_args

from pydantic import BaseModel
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

from monitor import cli, settings
from monitor.domain.events import json_schema

DOCS = Path(__file__).parent


def pages() -> dict[Path, str]:
    """Every generated page with its content."""
    return {
        DOCS / "schemas" / "events.json": json.dumps(json_schema(), indent=2) + "\n",
        DOCS / "settings.md": settings_page(),
        DOCS / "cli.md": cli_page(),
    }


def settings_page() -> str:
    rows = "\n".join(
        f"| `{name}` | {default} | {text} |" for name, default, text in setting_rows(settings.Settings, "")
    )
    return f"""# Settings

Read once at the start of each process: environment variables first, then the file `snellen.toml` in the working folder
(or the one that `{settings.CONFIG_VARIABLE}` names), then what `snellen up` started. A setting `a.b` is the variable
`SNELLEN_A__B`, and in the file the key `b` of the table `[a]`. Unknown names (also of variables that begin with
`SNELLEN_`) and wrong values are told all at once, before anything starts; what settings have to do with each other is
told once each is right by itself. Empty variables count as not set; those that Kubernetes makes of a Service's name are
passed over. Times are ISO 8601 durations (`PT3H`) or seconds.

| setting | default | meaning |
|---|---|---|
{rows}
"""


def setting_rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    """(dotted name, default, what its docstring says) of every setting."""
    texts = attribute_texts(model)
    for name, field in model.model_fields.items():
        kind = field.annotation
        if inspect.isclass(kind) and issubclass(kind, BaseModel):
            yield from setting_rows(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", shown(field.default), texts[name]
            for table in (one for one in get_args(kind) if inspect.isclass(one) and issubclass(one, BaseModel)):
                yield from setting_rows(table, f"{prefix}{name}.NAME.")


def attribute_texts(model: type[BaseModel]) -> dict[str, str]:
    """The text below each attribute of the class."""
    [body] = [one.body for one in ast.parse(inspect.getsource(model)).body if isinstance(one, ast.ClassDef)]
    texts = {}
    for field, after in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(after, ast.Expr):
            texts[field.target.id] = " ".join(str(ast.literal_eval(after.value)).split())
    return texts


def shown(default: object) -> str:
    if default in (None, (), {}):
        return "none"
    if isinstance(default, timedelta):
        hours = default / timedelta(hours=1)
        if hours >= 72:
            return f"{hours / 24:g} days"
        return f"{hours:g} h" if hours >= 1 else f"{hours * 60:g} min"
    return f"`{', '.join(map(str, default)) if isinstance(default, tuple) else default}`"


def cli_page() -> str:
    return "\n".join(["# Commands\n", *(command_section(name, one) for name, one in commands(get_command(cli.app)))])


def commands(group: TyperGroup, prefix: str = "") -> Iterator[tuple[str, TyperCommand]]:
    """Every command with its full name, those of groups too."""
    for name, one in group.commands.items():
        if isinstance(one, TyperGroup):
            yield from commands(one, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", one


def command_section(name: str, command: TyperCommand) -> str:
    """Usage, what it does, and its options."""
    usage = f"snellen {name}"
    for parameter in command.params:
        usage += f" {_word(parameter)}" if parameter.required else f" [{_word(parameter)}]"
    helps = [(_names(one)[0], one.help) for one in command.params if getattr(one, "help", None)]
    options = "".join(f"- `{option}`: {text}\n" for option, text in helps)
    return f"## `snellen {name}`\n\n    {usage}\n\n{inspect.cleandoc(command.help or '')}\n" + (
        f"\n{options}" if options else ""
    )


def _word(parameter: TyperArgument | TyperOption) -> str:
    """As it is typed: `--dry-run`, `--limit LIMIT`, `FILE`."""
    option, value = _names(parameter)
    if parameter.param_type_name == "argument":
        return value + ("..." if parameter.nargs == -1 else "")
    return option if parameter.is_flag else f"{option} {value}" + (" ..." if parameter.multiple else "")


def _names(parameter: TyperArgument | TyperOption) -> tuple[str, str]:
    """Of the option or argument, and of its value."""
    value = parameter.metavar or parameter.opts[0].lstrip("-").replace("-", "_").upper()
    return (value, value) if parameter.param_type_name == "argument" else (parameter.opts[0], value)


def main(arguments: list[str]) -> int:
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text() != text]
    for path in stale:
        sys.stdout.write(f"{path.relative_to(DOCS.parent)} {'is stale' if '--check' in arguments else 'written'}\n")
        if "--check" not in arguments:
            path.write_text(pages()[path])
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
