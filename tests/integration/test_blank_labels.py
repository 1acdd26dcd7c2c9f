"""`snellen labels import` of files that hold rows and no label."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.cli.main import app

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("misspelt.csv", "request_id,annotator,verdct\nr0,ann,correct\n"),
        ("log.jsonl", '{"schema": "prediction/v1", "request_id": "r0", "output": {"answer": "a mug"}}\n'),
    ],
)
def test_a_file_of_which_nothing_is_taken_is_no_success(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str
) -> None:
    monkeypatch.setenv("SNELLEN_DATABASE_URL", database_url)
    (tmp_path / name).write_text(content)
    done = CliRunner().invoke(app, ["labels", "import", str(tmp_path / name)])
    assert done.exit_code == 1
    assert "0 new, 0 known before, 1 not filled in, 0 wrong" in done.stdout
    assert "no row is filled in" in done.stderr
    assert "verdict, answers or rating" in done.stderr
