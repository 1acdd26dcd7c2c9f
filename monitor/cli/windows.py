"""Windows as they are written on the command line."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from monitor.domain.window import Window


def window_of(words: str, option: str) -> Window:
    """The window that START/END names.

    Raises:
        typer.BadParameter: it is none; names the option.
    """
    from monitor.domain.window import Window

    try:
        start, end = (datetime.fromisoformat(one) for one in words.split("/"))
        return Window(start, end)
    except ValueError as error:
        raise typer.BadParameter(f"{option} {words!r}: write 2026-11-20T00:00Z/2026-11-21T00:00Z; {error}") from None
