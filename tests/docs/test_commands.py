"""Every command that the docs print is one that there is, with options that it has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from monitor.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = sorted((ROOT / "dashboards").rglob("*.py"))
PRINTED = re.compile(r"(?:^ {4}|`|(?<=bin/))snellen ([^`#\n]+)", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def printed(page: Path) -> Iterator[str]:
    yield from (found.strip() for found in PRINTED.findall(page.read_text()))


def subcommands(command: Any) -> dict[str, Any]:
    return getattr(command, "commands", {})


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words name, and what is left of them."""
    command: Any = typer.main.get_command(app)
    while words and words[0] in subcommands(command):
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("page", [*PAGES, *SOURCES], ids=lambda one: str(one.relative_to(ROOT)))
def test_commands_that_are_printed_exist_with_their_options(page: Path) -> None:
    for line in printed(page):
        command, rest = command_of(line.split())
        assert command.name != "snellen", f"{page.name}: no such command: snellen {line}"
        if subcommands(command):
            assert not rest or rest[0].startswith("."), f"{page.name}: no such command: snellen {line}"
        known = {name for one in command.params for name in one.opts} | {"--help"}
        assert set(OPTION.findall(line)) <= known, f"{page.name}: no such option: snellen {line}"


def test_enough_commands_are_found() -> None:
    assert sum(1 for page in PAGES for _ in printed(page)) > 80
