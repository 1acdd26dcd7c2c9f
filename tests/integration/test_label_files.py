"""Tasks out to a file and labels back in, by way of the command line; what is wrong is told, and twice is once."""

from __future__ import annotations

import errno
import io
import itertools
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from monitor.cli.main import app
from monitor.domain.records import Batch
from monitor.labelling import LABEL_FILES
from monitor.privacy import PrivacyOptions, Redactor, Subjects
from monitor.services.draw_labels import LabelDesign
from monitor.services.import_labels import import_labels
from monitor.services.ingest import IngestService
from monitor.services.protect import Privacy
from monitor.services.score_labels import score_labels
from monitor.store.label_tasks import Terms
from monitor.store.queries.label_tasks import queue
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
    assert rows[0]["slices"] == "device = cam-1"
    shown = tmp_path / "shown.jsonl"
    snellen("export", "--out", shown, "--with-answer", "--stratum", "device=cam-1")
    assert [json.loads(line)["model_answer"] for line in shown.read_text().splitlines()] == ["a mug"] * 3


def test_a_stratum_that_nobody_knows_is_refused_and_one_in_which_nothing_waits_is_not(
    snellen: Callable[..., Any], drawn: datetime, tmp_path: Path
) -> None:
    for meant, hint in (("device=cam-2", "did you mean 'device=cam-1'?"), ("nowhere", "there are 'device=cam-1'")):
        refused = snellen("export", "--out", tmp_path / "tasks.csv", "--stratum", meant)
        assert (refused.exit_code, list(tmp_path.glob("tasks*"))) == (2, [])
        assert f"--stratum '{meant}': no task is of it; {hint}" in plainly(refused.output)
    options = ("--stratum", "device=cam-1", "--disputed")
    assert snellen("export", "--out", tmp_path / "tasks.csv", *options).output.startswith("0 tasks")


def test_a_file_that_is_there_is_kept_and_one_that_cannot_be_written_claims_nothing(
    snellen: Callable[..., Any], drawn: datetime, tmp_path: Path, rows: Rows
) -> None:
    file = tmp_path / "tasks.csv"
    file.write_text("filled in\n")
    refused = snellen("export", "--out", file, "--for", "one")
    assert refused.exit_code == 2
    assert "is there already, maybe filled in: name another file" in plainly(refused.output)
    assert file.read_text() == "filled in\n"
    refused = snellen("export", "--out", tmp_path / "nowhere" / "tasks.csv", "--for", "one")
    assert refused.exit_code == 2
    assert "No such file or directory" in plainly(refused.output)
    assert rows("SELECT claimed_by FROM label_tasks WHERE claimed_by IS NOT NULL") == []


def test_a_file_that_broke_off_does_not_stay_nor_do_its_claims(
    snellen: Callable[..., Any], drawn: datetime, tmp_path: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(tasks: Iterable[object], out: IO[bytes]) -> None:
        out.write(b"request_id\n")
        next(iter(tasks))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(LABEL_FILES["csv"], "write", full, raising=True)
    refused = snellen("export", "--out", tmp_path / "tasks.csv", "--for", "one")
    assert refused.exit_code == 2
    assert "No space left on device" in plainly(refused.output)
    assert not (tmp_path / "tasks.csv").exists()
    assert rows("SELECT claimed_by FROM label_tasks WHERE claimed_by IS NOT NULL") == []


def test_what_was_said_of_a_disputed_answer_goes_with_the_answer_and_without_names(
    snellen: Callable[..., Any], drawn: datetime, tmp_path: Path, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE label_tasks SET annotators = 2"))
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "request_id,annotator,verdict,answers\nr0,ann@example.com,correct,\nr0,bo,incorrect,a cup\nr1,bo,correct,\n"
    )
    assert snellen("import", labels).exit_code == 0
    for name, options, said in (
        ("blind", (), None), ("open", ("--with-answer",), "correct | incorrect; a cup"),
    ):  # fmt: skip
        file = tmp_path / f"{name}.jsonl"
        snellen("export", "--out", file, "--disputed", *options)
        (row,) = (json.loads(line) for line in file.read_text().splitlines())
        assert (row["request_id"], row.get("said_before")) == ("r0", said)


@pytest.mark.parametrize("format", LABEL_FILES)
def test_a_file_of_disputes_settles_them_when_it_is_an_adjudicator_s(
    snellen: Callable[..., Any], drawn: datetime, tmp_path: Path, engine: Engine, rows: Rows, format: str
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE label_tasks SET annotators = 2"))
    labels = tmp_path / "labels.csv"
    labels.write_text("request_id,annotator,verdict\nr0,ann,correct\nr0,bo,incorrect\nr0,cy,incorrect\n")
    assert snellen("import", labels).exit_code == 0
    file = tmp_path / "disputes.out"
    assert "1 tasks" in snellen("export", "--out", file, "--disputed", "--format", format).output
    file.write_bytes(filled_in(format, file.read_bytes()))
    opinion = snellen("import", file, "--format", format, "--annotator", "dee")
    assert (opinion.exit_code, "1 new" in opinion.output) == (0, True)
    assert rows("SELECT disputed FROM label_tasks WHERE request_id = 'r0'") == [True]
    word = snellen("import", file, "--format", format, "--annotator", "dee", "--adjudicate")
    assert (word.exit_code, "1 new" in word.output) == (0, True)
    assert rows("SELECT disputed FROM label_tasks WHERE request_id = 'r0'") == [False]
    assert rows("SELECT correct FROM verdicts WHERE request_id = 'r0'") == [True]  # against two of three
    assert "1 known before" in snellen("import", file, "--format", format, "--annotator", "dee", "--adjudicate").output


def filled_in(format: str, exported: bytes) -> bytes:
    """What an annotator hands back who finds the answer right."""
    if format == "csv":
        heads, row = exported.decode().splitlines()
        at = heads.split(",").index("verdict")
        cells = row.split(",")
        return f"{heads}\n{','.join([*cells[:at], 'correct', *cells[at + 1 :]])}\n".encode()
    if format == "jsonl":
        return json.dumps(json.loads(exported) | {"verdict": "correct"}).encode()
    (task,) = json.loads(exported)
    choice = {"from_name": "verdict", "to_name": "prompt", "type": "choices", "value": {"choices": ["correct"]}}
    return json.dumps([task | {"annotations": [{"result": [choice]}]}]).encode()


def test_labels_come_in_once_however_often_the_file_does(
    snellen: Callable[..., Any], drawn: datetime, rows: Rows, tmp_path: Path
) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("request_id,annotator,verdict,comment\nr0,ann,correct,\nr1,ann,,\nnowhere,ann,incorrect,\n")
    first, again = snellen("import", file, "--format", "csv"), snellen("import", file, "--format", "csv")
    assert first.exit_code == again.exit_code == 0
    assert "2 new, 0 known before, 1 not filled in" in first.output
    assert "1 of predictions that are not known: kept" in first.output
    assert "0 new, 2 known before" in again.output
    assert rows("SELECT request_id, verdict FROM labels ORDER BY 1") == [("nowhere", "incorrect"), ("r0", "correct")]
    assert rows("SELECT request_id, correct, in_base FROM verdicts") == [("r0", True, True)]
    assert rows("SELECT request_id FROM label_tasks WHERE answered_at IS NOT NULL") == ["r0"]


@pytest.mark.parametrize("chunk", [1, 2, 1000])
def test_an_undated_row_is_of_its_import_and_the_last_of_a_file_is_the_last_word(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build, rows: Rows, monkeypatch: pytest.MonkeyPatch,
    chunk: int,
) -> None:  # fmt: skip
    monkeypatch.setattr("monitor.services.import_labels.CHUNK", chunk)
    moments = (datetime(2026, 11, 20, 12, tzinfo=UTC) + timedelta(hours=hour) for hour in itertools.count())
    ingest.write(send(prediction("r")), next(moments))

    def come(*verdicts: str) -> tuple[int, int]:
        lines = ["request_id,annotator,verdict", *(f"r,ann,{one}" for one in verdicts)]
        read = LABEL_FILES["csv"].read(io.BytesIO("\n".join(lines).encode()), None)
        done = import_labels(engine, PRIVACY, read, SOON, next(moments))
        return done.new, done.known

    files = ["correct"], ["incorrect"], ["correct"], ["correct", "incorrect"], ["incorrect", "correct"]
    for file in (*files, ["correct", "incorrect", "correct", "incorrect"]):
        assert come(*file)[0] <= 2
        assert rows("SELECT correct FROM verdicts") == [file[-1] == "correct"]
        assert come(*file) == (0, len(file)), "the same file again changes nothing"
        assert rows("SELECT correct FROM verdicts") == [file[-1] == "correct"]


def test_undated_rows_that_were_erased_do_not_come_back_when_others_changed_their_mind(
    engine: Engine, drawn: datetime, snellen: Callable[..., Any], rows: Rows, tmp_path: Path
) -> None:
    first, second = (tmp_path / f"{verdict}.csv" for verdict in ("correct", "incorrect"))
    for file in (first, second):
        file.write_text("request_id,annotator,verdict\n" + "".join(f"r{n},ann,{file.stem}\n" for n in range(2)))
        assert "2 new" in snellen("import", file).output
    gone = rows("SELECT content_hash FROM labels WHERE request_id = 'r1'")
    with engine.begin() as connection:
        bury(connection, set(map(bytes, gone)), drawn)
        connection.execute(text("DELETE FROM labels WHERE request_id = 'r1'"))
    assert "1 new, 1 known before" in snellen("import", first).output
    assert rows("SELECT DISTINCT request_id FROM labels") == ["r0"]


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
    assert "line 2: Invalid enum value 'so so' - at `$.verdict`; write correct, incorrect or unsure" in done.output
    assert "line 4: labelled at 2999" in done.output
    assert "1 new" in done.output
    kept = [json.loads(line) for line in faults.read_text().splitlines()]
    assert [one["place"] for one in kept] == ["line 2", "line 3", "line 4"]
    assert [one["row"] for one in kept][:2] == ['{"request_id": "r1", "verdict": "so so"}', "no json"]
    assert "2999-01-01" in kept[2]["row"]
    assert rows("SELECT annotator_id FROM labels") == ["ann"]


def test_rejected_rows_are_kept_beside_the_file_until_it_is_mended(
    snellen: Callable[..., Any], drawn: datetime, tmp_path: Path
) -> None:
    file, rejects = tmp_path / "labels.csv", tmp_path / "labels.csv.rejected.jsonl"
    file.write_text("request_id,annotator,verdict\nr0,ann,correct\nr1,ann,so so\n")
    done = snellen("import", file)
    assert done.exit_code == 1
    assert str(rejects) in done.output
    kept = json.loads(rejects.read_text())
    assert kept["place"] == "line 3"
    assert json.loads(kept["row"]) == {"request_id": "r1", "annotator": "ann", "verdict": "so so"}
    file.write_text("request_id,annotator,verdict\nr0,ann,correct\nr1,ann,incorrect\n")
    assert snellen("import", file).exit_code == 0
    assert not rejects.exists()


def plainly(output: str) -> str:
    """What is said, without its frame."""
    return " ".join(output.replace("│", " ").split())


def exported(file: Path) -> list[str]:
    return [json.loads(line)["request_id"] for line in file.read_text().splitlines()]


def test_two_vendors_get_no_task_twice(
    snellen: Callable[..., Any], drawn: datetime, tmp_path: Path, rows: Rows
) -> None:
    one, other, anybody = (tmp_path / f"{name}.jsonl" for name in ("one", "other", "anybody"))
    done = snellen("export", "--out", one, "--for", "one", "--limit", 2)
    assert done.output.endswith("held for one for 7 days\n")
    snellen("export", "--out", other, "--for", "other")
    snellen("export", "--out", anybody)
    assert (exported(one), exported(other), exported(anybody)) == (["r2", "r1"], ["r0"], [])
    assert "3 claimed" in snellen("status").output
    one.unlink()
    snellen("export", "--out", one, "--for", "one")
    assert exported(one) == ["r2", "r1"], "a lost file can be made anew"
    assert rows("SELECT claimed_by FROM label_tasks ORDER BY request_id") == ["file: other", "file: one", "file: one"]


def test_tasks_of_a_vendor_who_never_answers_are_offered_again(
    snellen: Callable[..., Any], engine: Engine, drawn: datetime, tmp_path: Path
) -> None:
    snellen("export", "--out", tmp_path / "one.jsonl", "--for", "one", "--days", 2)
    with engine.begin() as connection:
        for days, waiting in ((1.9, 0), (2.1, 3)):
            found = queue(
                connection, Terms(timedelta(minutes=15), timedelta(days=14)), drawn + timedelta(days=days), holder=""
            )
            assert len(list(found)) == waiting


def test_a_label_that_comes_back_ends_the_claim_of_its_file(
    snellen: Callable[..., Any], drawn: datetime, tmp_path: Path, rows: Rows
) -> None:
    """Where several people must answer, the others can now."""
    snellen("export", "--out", tmp_path / "one.jsonl", "--for", "one")
    file = tmp_path / "labels.csv"
    file.write_text("request_id,annotator,verdict\nr0,ann,correct\n")
    snellen("import", file)
    assert rows("SELECT request_id FROM label_tasks WHERE claimed_by IS NULL") == ["r0"]


def test_nobody_is_handed_a_task_again_that_they_have_answered(
    snellen: Callable[..., Any], drawn: datetime, tmp_path: Path, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE label_tasks SET annotators = 2"))
    file = tmp_path / "labels.csv"
    file.write_text("request_id,verdict\nr0,correct\n")
    snellen("export", "--out", tmp_path / "one.jsonl", "--for", "va")
    snellen("import", file, "--annotator", "va")
    assert "2 tasks" in snellen("export", "--out", tmp_path / "again.jsonl", "--for", "va").output
    assert "1 tasks" in snellen("export", "--out", tmp_path / "other.jsonl", "--for", "vb").output
    file.write_text("request_id,verdict\nr0,incorrect\n")
    snellen("import", file, "--annotator", "vb")
    for name, disputes in (("va", "0 tasks"), ("vc", "1 tasks")):
        done = snellen("export", "--out", tmp_path / f"{name}.jsonl", "--for", name, "--disputed")
        assert disputes in done.output


def test_what_annotators_write_is_redacted(engine: Engine, rows: Rows) -> None:
    line = b'{"request_id": "r", "verdict": "correct", "annotator": "ann", "comment": "ask jo@example.com"}'
    with_mail = LABEL_FILES["jsonl"].read(io.BytesIO(line), None)
    import_labels(engine, PRIVACY, with_mail, SOON, datetime.now(UTC))
    assert "@" not in rows("SELECT comment FROM labels")[0]


def test_labels_that_were_given_up_are_taken_up_when_their_file_comes_again(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    """Labels of a year ago, before the log of that year is replayed."""
    now = datetime.now(UTC)
    then = now - timedelta(days=365)
    line = {"request_id": "r", "verdict": "correct", "annotator": "ann", "labelled_at": then.isoformat()}

    def come() -> tuple[int, int]:
        done = import_labels(
            engine, PRIVACY, LABEL_FILES["jsonl"].read(io.BytesIO(json.dumps(line).encode()), None), SOON, now
        )
        score_labels(engine, lost_before=now - timedelta(days=45))
        return done.new, done.known

    assert come() == (1, 0)
    assert rows("SELECT scored FROM labels") == [True]
    ingest.write(send(prediction("r", ts=then.isoformat()), replay="again"), now)
    assert come() == (0, 1)
    assert rows("SELECT correct FROM verdicts") == [True]
    assert come() == (0, 1)
    assert rows("SELECT scored FROM labels") == [True]


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
