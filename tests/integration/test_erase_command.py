"""`snellen erase` with ids from a file: none of them is passed over in silence."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from monitor.cli import app
from monitor.domain.records import Batch
from monitor.services.ingest import IngestService

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
Erase = Callable[..., tuple[int, str]]
Rows = Callable[..., list[Any]]
IDS = [f"request-{number}" for number in range(3)]


@pytest.fixture
def erase(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ingest: IngestService,
    send: Callable[..., Batch],
    prediction: Callable[..., dict[str, Any]],
) -> Erase:
    """Exit status and what is said, where three requests are stored."""
    ingest.write(send(*map(prediction, IDS)), NOW)
    monkeypatch.setenv("SNELLEN_CONFIG", os.devnull)
    monkeypatch.setenv("SNELLEN_HOME", str(tmp_path))
    monkeypatch.setenv("SNELLEN_DATABASE_URL", database_url)

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["erase", *arguments])
        return done.exit_code, done.output

    return run


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_the_first_id_of_a_file_counts(erase: Erase, rows: Rows, tmp_path: Path, mark: bytes, end: bytes) -> None:
    """Editors on Windows begin files with a byte order mark."""
    file = tmp_path / "ids.txt"
    file.write_bytes(mark + end.join(one.encode() for one in IDS[:2]) + end)
    status, said = erase("--ids-from", str(file))
    assert (status, "nothing is known" in said) == (0, False)
    assert rows("SELECT request_id FROM predictions") == IDS[2:]


def test_ids_of_which_nothing_is_known_are_told(erase: Erase, tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("".join(f"{one}\n" for one in (*IDS, "reqeust-4")))
    status, said = erase("--ids-from", str(file), "--dry-run")
    assert status == 0
    assert "would erase 3 requests" in said
    assert "nothing is known of 1 of the 4 ids: 'reqeust-4'" in said
    file.write_text("".join(f"unknown-{number}\n" for number in range(1000)))
    status, said = erase("--ids-from", str(file), "--request-id", IDS[0])
    assert status == 0
    assert "nothing is known of 1,000 of the 1,001 ids: 'unknown-0', " in said
    assert said.rstrip().count("unknown-") == 5
    assert erase("--request-id", "never-seen-1")[0] == 3


def test_an_empty_id_is_refused(erase: Erase, rows: Rows) -> None:
    """Rather than to take whatever says nothing."""
    assert erase("--request-id", "")[0] == 2
    assert len(rows("SELECT request_id FROM predictions")) == 3
