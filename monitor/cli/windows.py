"""Times and windows as they are written on the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from monitor.cli.bounds import YEARS

if TYPE_CHECKING:
    from monitor.domain.window import Window


def moment(words: str) -> datetime:
    """The time that an option names; `aware` asks for its zone.

    Raises:
        typer.BadParameter: it is none; says how to write one.
    """
    try:
        return datetime.fromisoformat(words.strip().upper())
    except ValueError:
        raise typer.BadParameter(f"{words!r} is no time; write e.g. 2026-11-21T14:00Z") from None


def aware(moment: datetime) -> datetime:
    """The same moment. Raises typer.BadParameter when it names no time zone, or lies outside of `YEARS`."""
    if moment.tzinfo is None:
        raise typer.BadParameter(f"{moment.isoformat()} has no time zone; write e.g. {moment.isoformat()}Z")
    if moment.year not in YEARS:
        raise typer.BadParameter(f"{moment.isoformat()} is not of the years {YEARS[0]} to {YEARS[-1]}")
    return moment


def written(moment: datetime) -> str:
    """As it may be given again."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def window_between(since: datetime, until: datetime) -> Window:
    """The window from --since to --until.

    Raises:
        typer.BadParameter: one is not as `aware` has it, or --until is not the later one.
    """
    from monitor.domain.window import Window

    if aware(until) <= aware(since):
        raise typer.BadParameter(f"--until must come later than --since, {since.isoformat()}")
    return Window(since, until)


def window_of(words: str, option: str) -> Window:
    """The window that START/END names.

    Raises:
        typer.BadParameter: it is none; names the option.
    """
    from monitor.domain.window import Window

    try:
        start, end = (aware(datetime.fromisoformat(one)) for one in words.split("/"))
        return Window(start, end)
    except (ValueError, typer.BadParameter) as error:
        raise typer.BadParameter(f"{option} {words!r}: write 2026-11-20T00:00Z/2026-11-21T00:00Z; {error}") from None
