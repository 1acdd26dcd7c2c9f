"""Text is folded for a terminal, and for nothing else."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from monitor.cli.terminal import LogLines, aligned, cut, folded, harmless

LONG = "word " * 40


@pytest.mark.parametrize("columns", [60, 100, 250])
def test_a_terminal_gets_lines_of_its_width(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = folded(LONG, "to do  ").split("\n")
    assert max(map(len, lines)) <= columns
    assert "".join(lines).replace(" ", "") == "todo" + "word" * 40
    assert len(cut("x" * 1000)) == columns


def test_a_pipe_gets_whole_lines_whatever_the_terminal_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    monkeypatch.setenv("COLUMNS", "60")
    assert folded(LONG, "to do  ") == f"to do  {LONG.strip()}"
    assert cut("x" * 1000) == "x" * 1000


def test_columns_begin_below_each_other_and_nothing_moves_the_cursor() -> None:
    assert aligned([("a", "long", "x"), ("bbb", "\x1b[2J", "")]) == ["a    long     x", "bbb  \\x1b[2J"]
    assert aligned([]) == []


def test_a_hint_stays_below_its_error_and_nothing_else_moves_the_terminal() -> None:
    assert harmless("refused\n\tIs it running?\x1b[2J\r") == "refused\n    Is it running?\\x1b[2J\\r"


def test_what_a_command_logs_is_one_harmless_line_that_says_why() -> None:
    command = """
import logging, sys
from monitor.cli import main
say = logging.getLogger("monitor.services").warning
sys.modules[main.__module__].app = lambda: say("not explained", extra={"model": "m\\x1b[31m", "reason": "too few rows"})
main()
"""
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == "not explained (model m\\x1b[31m, reason too few rows)\n"


def test_a_traceback_stands_below_what_was_logged() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        _ = 1 / 0
    record = logging.makeLogRecord({"msg": "broke", "exc_info": (caught.type, caught.value, caught.tb)})
    first, *below = LogLines().format(record).split("\n")
    assert first == "broke"
    assert below[-1] == "ZeroDivisionError: division by zero"
