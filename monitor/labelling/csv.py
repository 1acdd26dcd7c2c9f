"""CSV for spreadsheets: a task per row, with empty columns for what annotators say."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import IO, Any, Final

from monitor.domain.label_tasks import TaskItem
from monitor.labelling.cells import guarded, plain
from monitor.labelling.rows import FIELDS, MAX_ROW, SAID, Row, fields_of, kept, row_of

BETWEEN: Final = "|"
"""Between several acceptable answers of one cell."""


class Csv:
    """UTF-8 with or without a byte order mark, commas, the first line names the columns."""

    def write(self, tasks: Iterable[TaskItem], out: IO[bytes]) -> None:
        text = io.TextIOWrapper(out, "utf-8", newline="", write_through=True)
        rows = csv.DictWriter(text, (*FIELDS, *SAID), restval="")
        rows.writeheader()
        for task in tasks:
            rows.writerow({name: guarded(value or "") for name, value in fields_of(task).items()})
        text.detach()

    def read(self, source: IO[bytes], annotator: str | None) -> Iterator[Row]:
        text = io.TextIOWrapper(source, "utf-8-sig", errors="surrogateescape", newline="")
        rows = csv.DictReader(_bounded(text), restkey="")
        try:
            if "request_id" not in (rows.fieldnames or ["request_id"]):
                yield Row("line 1", fault="must name the columns, and request_id is not among them")
                return
            for row in rows:
                filled = {name or "beyond the columns": str(cell) for name, cell in row.items() if cell}
                yield kept(_row(f"line {rows.line_num}", row, annotator), filled)
        except csv.Error as error:
            yield Row(f"line {rows.line_num}", fault=f"no CSV, nothing after it was read: {error}")
        finally:
            text.detach()


def _row(place: str, row: dict[str, Any], annotator: str | None) -> Row:
    if row.get("") is not None:
        return Row(place, fault="has more cells than the first line names")
    if not row.get("request_id"):
        return Row(place, fault="names no request_id")
    said: dict[str, Any] = {name: plain((row.get(name) or "").strip()) for name in ("request_id", *SAID)}
    said["answers"] = [one.strip() for one in said["answers"].split(BETWEEN) if one.strip()]
    if said["rating"]:
        try:
            said["rating"] = float(said["rating"])
        except ValueError:
            return Row(place, fault=f"rating must be a number from 0 to 100, not {said['rating'][:40]!r}")
    said["verdict"] = said["verdict"].lower()
    return row_of(place, said, annotator)


def _bounded(text: IO[str]) -> Iterator[str]:
    for line in iter(lambda: text.readline(MAX_ROW + 1), ""):
        if len(line) > MAX_ROW:
            raise csv.Error(f"a line of more than {MAX_ROW} characters")
        yield line
