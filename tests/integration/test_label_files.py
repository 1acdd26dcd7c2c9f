"""Tasks out to a file and labels back in, by way of the command line; what is wrong is told, and twice is once."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from monitor.cli.main import app
from monitor.domain.records import Batch
from monitor.labelling import LABEL_FILES
from monitor.privacy import PrivacyOptions, Redactor, Subjects
from monitor.services.draw_labels import LabelDesign
from monitor.services.import_labels import import_labels
from monitor.services.ingest import IngestService
from monitor.services.protect import Privacy
from monitor.store.tombstones import bury, tombstone
from tests.integration.conftest import make_service

pytestmark = pytest.mark.integration
Build = Callable[..., dict[str, Any]]
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]

PRIVACY = Privacy(Redactor(PrivacyOptions()), Subjects(()))
SOON = timedelta(minutes=5)


@pytest.fixture
def snellen(monkeypatch: pytest.MonkeyPatch, database_url: str, tmp_path: Path) -> Callable[..., Any]:
    monkeypatch.setenv("SNELLEN_DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, ["labels", *map(str, words)])


@pytest.fixture
def drawn(engine: Engine, send: Send, prediction: Build) -> datetime:
    """Three predictions of an hour ago, all drawn for labelling."""
    now = datetime.now(UTC)
    options = replace(make_service(engine)._options, labels=LabelDesign(rate=1.0))
    at = [(now - timedelta(hours=1, minutes=number)).isoformat() for number in range(3)]
    IngestService(engine, options, lambda *_: None).write(
        send(*(prediction(f"r{number}", ts=ts) for number, ts in enumerate(at))), now
    )
    return now


def test_tasks_are_exported_oldest_first_and_blind_unless_asked_for(
    snellen: Callable[..., Any], drawn: datetime, tmp_path: Path
) -> None:
    file = tmp_path / "tasks.jsonl"
    done = snellen("export", "--out", file, "--limit", 2)
    assert (done.exit_code, done.output) == (0, f"2 tasks written to {file}\n")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["request_id"] for row in rows] == ["r2", "r1"]
    assert "model_answer" not in rows[0]
    snellen("export", "--out", file, "--with-answer", "--stratum", "device=cam-1")
    assert [json.loads(line)["model_answer"] for line in file.read_text().splitlines()] == ["a mug"] * 3
    assert snellen("export", "--out", file, "--stratum", "nowhere").output.startswith("0 tasks")


def test_labels_come_in_once_however_often_the_file_does(
    snellen: Callable[..., Any], drawn: datetime, rows: Rows, tmp_path: Path
) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("request_id,annotator,verdict,comment\nr0,ann,correct,\nr1,ann,,\nnowhere,ann,incorrect,\n")
    first, again = snellen("import", file, "--format", "csv"), snellen("import", file, "--format", "csv")
    assert first.exit_code == again.exit_code == 0
    assert "2 new, 0 known before, 1 not filled in" in first.output
    assert "1 speak of predictions that are not known (yet)" in first.output
    assert "0 new, 2 known before" in again.output
    assert rows("SELECT request_id, verdict FROM labels ORDER BY 1") == [("nowhere", "incorrect"), ("r0", "correct")]
    assert rows("SELECT request_id, correct, in_base FROM verdicts") == [("r0", True, True)]
    assert rows("SELECT request_id FROM label_tasks WHERE answered_at IS NOT NULL") == ["r0"]


def test_rows_that_are_wrong_are_told_and_the_others_are_taken(
    snellen: Callable[..., Any], drawn: datetime, rows: Rows, tmp_path: Path
) -> None:
    file, faults = tmp_path / "labels.jsonl", tmp_path / "faults.jsonl"
    file.write_text(
        '{"request_id": "r0", "verdict": "correct"}\n{"request_id": "r1", "verdict": "so so"}\nno json\n'
        '{"request_id": "r2", "verdict": "correct", "labelled_at": "2999-01-01T00:00:00Z"}\n'
    )
    done = snellen("import", file, "--annotator", "ann", "--faults", faults)
    assert done.exit_code == 1
    assert "line 2: " in done.output
    assert "line 4: labelled at 2999" in done.output
    assert "1 new" in done.output
    assert [json.loads(line)["place"] for line in faults.read_text().splitlines()] == ["line 2", "line 3", "line 4"]
    assert rows("SELECT annotator_id FROM labels") == ["ann"]


def test_what_annotators_write_is_redacted(engine: Engine, rows: Rows) -> None:
    text = b'{"request_id": "r", "verdict": "correct", "annotator": "ann", "comment": "ask jo@example.com"}'
    with_mail = LABEL_FILES["jsonl"].read(io.BytesIO(text), None)
    import_labels(engine, PRIVACY, with_mail, SOON, datetime.now(UTC))
    assert "@" not in rows("SELECT comment FROM labels")[0]


def test_labels_of_an_erased_request_do_not_come_back(
    engine: Engine, snellen: Callable[..., Any], drawn: datetime, rows: Rows, tmp_path: Path
) -> None:
    with engine.begin() as connection:
        bury(connection, {tombstone("r0")}, drawn)
    file = tmp_path / "labels.jsonl"
    file.write_text('{"request_id": "r0", "verdict": "correct", "annotator": "ann"}\n')
    assert "0 new, 1 known before" in snellen("import", file).output
    assert rows("SELECT count(*) FROM labels") == [0]


def test_an_unknown_format_and_a_file_that_is_not_there_are_refused(
    snellen: Callable[..., Any], tmp_path: Path
) -> None:
    assert snellen("export", "--out", tmp_path / "x", "--format", "xml").exit_code == 2
    assert snellen("import", tmp_path / "nowhere.csv").exit_code == 2


def test_status_says_what_waits_which_plan_holds_and_how_far_annotators_agree(
    snellen: Callable[..., Any], drawn: datetime
) -> None:
    done = snellen("status")
    assert done.exit_code == 0
    assert "device=cam-1" in done.output
    assert "3 wait" in done.output
    assert "rates of the settings: base 10.000%" in done.output
