"""Readers give every row once, in order, and name those that cannot be read."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tracemalloc
from codecs import BOM_UTF8
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import SettingsError
from monitor.mapping import Row
from monitor.replay import BadRow, count_rows, read_rows, readers

cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1)
tables = st.lists(st.fixed_dictionaries({"a": cells, "b": cells}), max_size=20)


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def values(path: Path) -> list[Any]:
    rows = list(read_rows(path))
    assert all(isinstance(row, Row) for row in rows), rows
    return [row.values for row in rows if isinstance(row, Row)]


@settings(max_examples=40)  # writes files
@given(tables)
def test_every_format_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, table: list[dict[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    lines = "".join(json.dumps(row) + "\n" for row in table).encode()
    sheet = io.StringIO(newline="")
    writer = csv.DictWriter(sheet, ["a", "b"])
    writer.writeheader()
    writer.writerows(table)
    files = [
        write(folder, "rows.jsonl", lines),
        write(folder, "rows.jsonl.gz", lines),
        write(folder, "rows.csv", sheet.getvalue().encode()),
        write(folder, "rows.csv.gz", sheet.getvalue().encode()),
        folder / "rows.parquet",
    ]
    pq.write_table(pa.Table.from_pylist(table, pa.schema({"a": pa.string(), "b": pa.string()})), files[-1])
    for file in files:
        assert values(file) == table, file.name
        assert count_rows(file) == len(table)
        assert [row.number for row in read_rows(file)] == list(range(1, len(table) + 1))


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path) -> None:
    assert values(write(tmp_path, "rows.jsonl", BOM_UTF8 + b'{"a":1}\n{"a":2}')) == [{"a": 1}, {"a": 2}]
    assert values(write(tmp_path, "rows.csv", BOM_UTF8 + b"a\n1\n")) == [{"a": "1"}]


def test_unreadable_lines_are_named_and_the_others_read(tmp_path: Path) -> None:
    path = write(tmp_path, "rows.jsonl", b'{"a":1}\n\n{"a":\n[1]\n\xff\n{"a":2}')
    rows = list(read_rows(path))
    assert [(row.number, isinstance(row, Row)) for row in rows] == [
        (1, True),
        (3, False),
        (4, False),
        (5, False),
        (6, True),
    ]
    reasons = [row.reason for row in rows if isinstance(row, BadRow)]
    assert reasons[0].startswith("not JSON")
    assert reasons[1] == "a JSON object was expected, not list"
    assert count_rows(path) == 6


def test_csv_records_that_do_not_fit_are_named_and_the_others_read(tmp_path: Path) -> None:
    path = write(tmp_path, "rows.csv", b'\xef\xbb\xbfa,b\n1,2\n1\n"x"y,2\n\xff,2\n\n"two\nlines",\n')
    rows = list(read_rows(path))
    assert [row.number for row in rows] == [1, 2, 3, 4, 5]
    assert rows[0] == Row(1, {"a": "1", "b": "2"})
    assert rows[4] == Row(5, {"a": "two\nlines", "b": None})
    reasons = [row.reason for row in rows if isinstance(row, BadRow)]
    assert reasons[0] == "1 cells, the header names 2"
    assert "expected after" in reasons[1]
    assert "utf-8" in reasons[2]
    assert count_rows(path) == 5


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_a_line_beyond_the_limit_is_passed_over_without_being_held(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 64 * 1024
    monkeypatch.setattr(readers, "MAX_LINE_BYTES", limit)
    head, good = (b"a\n", b"1\n") if name.endswith("csv") else (b"", b'{"a":1}\n')
    path = write(tmp_path, name, head + good + b"9" * (300 * limit) + b"\n" + good)
    tracemalloc.start()
    rows = list(read_rows(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [isinstance(row, Row) for row in rows] == [True, False, True]
    assert isinstance(rows[1], BadRow)
    assert f"longer than {limit} bytes" in rows[1].reason
    assert peak < 20 * limit


def test_parquet_types_become_pythons_own(tmp_path: Path) -> None:
    moment = datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=UTC)
    nanoseconds = pa.array([int(moment.timestamp()) * 10**9 + 123_456_789], pa.timestamp("ns", "UTC"))
    table = pa.table({"ts": nanoseconds, "p": pa.array([0.5], pa.float32()), "tags": [["a", None]], "none": [None]})
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path)
    assert values(path) == [{"ts": moment, "p": 0.5, "tags": ["a", None], "none": None}]


def test_parquet_is_read_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"i": list(range(5001))}), path)
    assert [row["i"] for row in values(path)] == list(range(5001))
    assert [row.number for row in read_rows(path)][-1] == count_rows(path) == 5001


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.txt", b"", "must end in .jsonl, .ndjson, .csv, .parquet"),
        ("rows.parquet.gz", b"", "must end in"),
        ("rows.parquet", b"PAR1 not at all", "not readable as Parquet"),
        ("rows.csv", b"", "the first line must name the columns"),
        ("rows.csv", b"a,a\n1,2\n", "each once"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_says_why(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(SettingsError, match=message):
        list(read_rows(path))
    with pytest.raises(SettingsError):
        count_rows(path)


def test_a_cut_gzip_file_is_refused_before_its_first_row_is_used(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a":1}\n' * 10_000)[:-20])
    with pytest.raises(SettingsError, match="damaged or cut off"):
        count_rows(path)
    (tmp_path / "no.jsonl.gz").write_bytes(b"plain")
    with pytest.raises(SettingsError, match="damaged or cut off"):
        list(read_rows(tmp_path / "no.jsonl.gz"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        count_rows(tmp_path / "absent.jsonl")
