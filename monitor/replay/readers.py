"""Rows of a log file, one after the other, in bounded memory: JSONL and CSV (also gzipped), Parquet.

Rows are numbered from 1: by line in JSONL, by record after the header in CSV, by order in Parquet.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from monitor.errors import SettingsError
from monitor.mapping.row import Row

MAX_LINE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read; the rows after it can."""

    number: int
    reason: str


def read_rows(path: Path) -> Iterator[Row | BadRow]:
    """All rows in order. Blank lines of JSONL are passed over.

    Raises:
        SettingsError: no such file, a kind that is not read, or a file that is damaged as a whole.
    """
    reader = _READERS[_kind(path)]
    with _readable(path):
        yield from reader(path)


def count_rows(path: Path) -> int:
    """The number of the last row.

    Raises:
        SettingsError: as `read_rows`.
    """
    counter = _COUNTERS[_kind(path)]
    with _readable(path):
        return counter(path)


def _jsonl(path: Path) -> Iterator[Row | BadRow]:
    with _open(path) as stream:
        for number, line in enumerate(_Lines(stream), start=1):
            if line is None:
                yield BadRow(number, _too_long())
            elif (row := line if number > 1 else line.removeprefix(BOM_UTF8)).strip():
                yield _parse(number, row)


def _parse(number: int, line: bytes) -> Row | BadRow:
    try:
        values = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return BadRow(number, f"not JSON: {error}")
    if not isinstance(values, dict):
        return BadRow(number, f"a JSON object was expected, not {type(values).__name__}")
    return Row(number, values)


def _csv(path: Path) -> Iterator[Row | BadRow]:
    csv.field_size_limit(MAX_LINE_BYTES)
    with _open(path) as stream:
        reader = csv.reader(_Text(_Lines(stream)), strict=True)
        header = _header(reader, path)
        number = 0
        while True:
            try:
                cells = next(reader, None)
            except (csv.Error, UnicodeDecodeError) as error:
                number += 1
                yield BadRow(number, f"not CSV (near line {reader.line_num}): {error}")
                continue
            if cells is None:
                return
            if cells:  # a blank line is no record
                number += 1
                yield _record(number, header, cells)


def _header(reader: Iterator[list[str]], path: Path) -> list[str]:
    try:
        header = next(reader, [])
    except (csv.Error, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: the header is not CSV: {error}") from None
    if not header or len(set(header)) != len(header):
        raise SettingsError(f"{path}: the first line must name the columns, each once; it is {header!r}"[:500])
    return header


def _record(number: int, header: list[str], cells: list[str]) -> Row | BadRow:
    if len(cells) != len(header):
        return BadRow(number, f"{len(cells)} cells, the header names {len(header)}")
    return Row(number, {name: cell or None for name, cell in zip(header, cells, strict=True)})


def _parquet(path: Path) -> Iterator[Row | BadRow]:
    from monitor.replay import parquet  # noqa: PLC0415 (pyarrow takes 40 MB, also of processes that read no file)

    return itertools.starmap(Row, enumerate(parquet.rows(path), start=1))


class _Lines(Iterator[bytes | None]):
    """Lines of at most `MAX_LINE_BYTES`; None stands for a longer one, which is passed over without being held."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def __next__(self) -> bytes | None:
        line = self._stream.readline(MAX_LINE_BYTES + 1)
        if not line:
            raise StopIteration
        if len(line) <= MAX_LINE_BYTES:
            return line
        while line and not line.endswith(b"\n"):
            line = self._stream.readline(MAX_LINE_BYTES)
        return None


class _Text(Iterator[str]):
    """Lines as UTF-8 text, for the CSV reader; an exception in one does not end the others."""

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        self._encoding = "utf-8-sig"  # a byte order mark can only stand at the very beginning

    def __next__(self) -> str:
        line = next(self._lines)
        if line is None:
            raise csv.Error(_too_long())
        encoding, self._encoding = self._encoding, "utf-8"
        return line.decode(encoding)


def _too_long() -> str:
    return f"longer than {MAX_LINE_BYTES} bytes"


def _open(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SettingsError(f"{path}: damaged or cut off: {error}") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror or error}") from error


def _count_lines(path: Path) -> int:
    with _open(path) as stream:
        return sum(1 for _ in _Lines(stream))


def _count_records(path: Path) -> int:
    return sum(1 for _ in _csv(path))


def _count_parquet(path: Path) -> int:
    from monitor.replay import parquet  # noqa: PLC0415 (as above)

    return parquet.count(path)


def _kind(path: Path) -> str:
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if suffix not in _READERS or (suffix == ".parquet" and path.suffix == ".gz"):
        raise SettingsError(f"{path}: the name must end in {', '.join(_READERS)}; .gz may follow all but .parquet")
    return suffix


_READERS: Final[dict[str, Callable[[Path], Iterator[Row | BadRow]]]] = {
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".csv": _csv,
    ".parquet": _parquet,
}
_COUNTERS: Final[dict[str, Callable[[Path], int]]] = {
    ".jsonl": _count_lines,
    ".ndjson": _count_lines,
    ".csv": _count_records,
    ".parquet": _count_parquet,
}
