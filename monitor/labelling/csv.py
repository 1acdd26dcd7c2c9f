"""CSV for spreadsheets: a task per row, with empty columns for what annotators say."""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import IO, Any, Final, get_args

from monitor.domain.label_tasks import TaskItem
from monitor.domain.results import Judgement
from monitor.labelling.cells import guarded, plain, shortened
from monitor.labelling.rows import FIELDS, MAX_ROW, SAID, Row, fields_of, kept, row_of

BETWEEN: Final = "|"
"""Between several acceptable answers of one cell."""
_VERDICTS: Final = frozenset(get_args(Judgement))


class Csv:
    """UTF-8 with or without a byte order mark, commas, the first line names the columns, in any case.

    Cells of tasks that no spreadsheet could hold are shortened; labels are known by their request_id.
    """

    def write(self, tasks: Iterable[TaskItem], out: IO[bytes]) -> None:
        text = io.TextIOWrapper(out, "utf-8", newline="", write_through=True)
        rows = csv.DictWriter(text, (*FIELDS, *SAID), restval="")
        rows.writeheader()
        for task in tasks:
            cells = {name: guarded(shortened(value or "")) for name, value in fields_of(task).items()}
            rows.writerow(cells | {"request_id": guarded(task.key.request_id)})
        text.detach()

    def read(self, source: IO[bytes], annotator: str | None) -> Iterator[Row]:
        csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW))  # of the whole process, so it is never lowered
        text = io.TextIOWrapper(source, "utf-8-sig", errors="surrogateescape", newline="")
        try:
            yield from _rows(_Records(text), annotator)
        finally:
            text.detach()


def _rows(records: _Records, annotator: str | None) -> Iterator[Row]:
    names: list[str] = []
    while True:
        try:
            cells = next(records)
            fault = "it holds what looks like other rows" if _swallows(cells, names) else ""
        except StopIteration:
            return
        except csv.Error as error:
            cells, fault = [], str(error)
        if fault:
            line = records.give_up()
            yield kept(Row(records.place, fault=_no_record(line, fault)), line.encode("utf-8", "surrogateescape"))
            if not names:
                return
        elif names and cells:
            filled = {name or "unnamed": cell for name, cell in zip(names, cells, strict=False) if cell}
            beyond = {"beyond the columns": ",".join(cells[len(names) :])} if len(cells) > len(names) else {}
            yield kept(_row(records.place, cells, names, annotator), filled | beyond)
        elif cells:
            names = [name.strip().casefold() for name in cells]
            if misnamed := _misnamed(names):
                yield Row(records.place, fault=misnamed)
                return


def _misnamed(names: Sequence[str]) -> str:
    if "request_id" not in names:
        return "must name the columns, and request_id is not among them"
    twice = [name for name in ("request_id", *SAID) if names.count(name) > 1]
    return f"names {' and '.join(twice)} twice; which one counts?" if twice else ""


def _no_record(line: str, why: str) -> str:
    if len(line) > MAX_ROW:
        return f"longer than {MAX_ROW} characters"
    return f"a cell begins with a quotation mark that is not closed where it should be: {why}"


def _swallows(cells: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a cell that annotators fill in holds whole rows: a quotation mark of one closed that of another."""
    lines = chain.from_iterable(
        cell.splitlines()[1:] for name, cell in zip(names, cells, strict=False) if name in SAID and "\n" in cell
    )
    found = (dict(zip(names, inner, strict=True)) for inner in csv.reader(lines) if len(inner) == len(names))
    return any(row.get("verdict", "").strip().lower() in _VERDICTS for row in found)


def _row(place: str, cells: Sequence[str], names: Sequence[str], annotator: str | None) -> Row:
    if len(cells) > len(names):
        return Row(place, fault="has more cells than the first line names")
    row = dict(zip(names, cells, strict=False))
    if not row.get("request_id"):
        return Row(place, fault="names no request_id")
    said: dict[str, Any] = {name: plain(row.get(name, "").strip()) for name in ("request_id", *SAID)}
    said["answers"] = [one.strip() for one in said["answers"].split(BETWEEN) if one.strip()]
    if said["rating"]:
        try:
            said["rating"] = float(said["rating"])
        except ValueError:
            return Row(place, fault=f"rating must be a number from 0 to 100, not {said['rating'][:40]!r}")
    return row_of(place, said, annotator)


class _Records:
    """Records of a CSV one after the other, which may go on over lines. Of one that is none only the first line is
    lost, if it is given up."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text
        self._before = 0
        self._taken: list[str] = []
        self._ahead: deque[str] = deque()

    @property
    def place(self) -> str:
        """The line in which the last one begins."""
        return f"line {self._before + 1}"

    def __next__(self) -> list[str]:
        self._before += len(self._taken)
        self._taken = []
        return next(csv.reader(self._lines(), strict=True))

    def give_up(self) -> str:
        """The first line of the last one; those after it come again."""
        self._ahead.extendleft(reversed(self._taken[1:]))
        self._taken = self._taken[:1]
        return self._taken[0]

    def _lines(self) -> Iterator[str]:
        left = MAX_ROW
        while line := self._ahead.popleft() if self._ahead else _line(self._text):
            self._taken.append(line)
            left -= len(line)
            if left < 0:
                raise csv.Error(f"more than {MAX_ROW} characters")
            yield line


def _line(text: IO[str]) -> str:
    """The next line; of one that is too long the beginning, one character too long."""
    line = end = text.readline(MAX_ROW + 1)
    while len(line) > MAX_ROW and end and not end.endswith(("\n", "\r")):
        end = text.readline(MAX_ROW)
    return line
