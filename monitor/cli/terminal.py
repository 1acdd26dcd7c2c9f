"""Text for a terminal of any width. What goes into a file or a pipe is not folded, so that it can be searched."""

from __future__ import annotations

import logging
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Final

NARROWEST: Final = 60
ENDLESS: Final = 10_000


def width() -> int:
    """Columns of the terminal, if this is one."""
    return max(shutil.get_terminal_size().columns, NARROWEST) if sys.stdout.isatty() else ENDLESS


def folded(text: str, before: str, indent: int | None = None) -> str:
    """A text behind what stands before it; further lines begin below its first word, or after `indent` spaces."""
    margin = " " * (len(before) if indent is None else indent)
    lines = textwrap.wrap(
        text, width(), initial_indent=before, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines) or before.rstrip()


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of as many cells each as lines whose columns begin below each other; a cell holds no line break."""
    shown = [[escaped(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return ["  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in shown]


def cut(line: str) -> str:
    """As much of a line as the terminal is wide."""
    return line if len(line) <= width() else f"{line[: width() - 1]}…"


def escaped(text: str) -> str:
    """No control character, no change of direction, no invisible sign reaches the terminal."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def harmless(text: str) -> str:
    """The same of several lines, which may be indented: PostgreSQL begins its hints with a tab."""
    return "\n".join(map(escaped, text.replace("\t", "    ").split("\n")))


class LogLines(logging.Formatter):
    """What a command logs, for people: the message and what was said besides."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback below it if there is one."""
        from monitor.telemetry.logs import extras  # most commands log nothing

        besides = ", ".join(f"{name} {value}" for name, value in extras(record).items())
        line = escaped(f"{record.getMessage()} ({besides})" if besides else record.getMessage())
        return f"{line}\n{harmless(self.formatException(record.exc_info))}" if record.exc_info else line
