"""`snellen review` on a real PostgreSQL: what it prints, the file that it writes, and what it refuses."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from sqlalchemy import Engine
from typer.testing import CliRunner

from monitor.cli.main import app
from monitor.domain.records import Batch
from monitor.domain.window import DAY
from monitor.labelling import LABEL_FILES
from monitor.privacy import PrivacyOptions, Redactor, Subjects
from monitor.services.draw_labels import LabelDesign
from monitor.services.import_labels import import_labels
from monitor.services.ingest import IngestService
from monitor.services.protect import Privacy
from monitor.store.engine import transaction
from tests.integration.conftest import make_service
from tests.integration.labelled_weeks import (
    AFTER,
    VERDICT,
    WEEK,
    confident,
    fill,
    silent,
    verdict,
)


@pytest.fixture
def snellen(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("SNELLEN_DATABASE_URL", database_url)
    return lambda *words: CliRunner().invoke(app, ["review", *words])


def test_the_command_prints_the_week_and_writes_the_same_file_again(
    engine: Engine, snellen: Callable[..., Result], tmp_path: Path
) -> None:
    with transaction(engine) as connection:
        fill(connection, np.random.default_rng(8))
    as_of = ("--week", "2026-W46", "--as-of", AFTER.isoformat().replace("+00:00", "Z"))
    printed = snellen(*as_of)
    files = [tmp_path / "one.csv", tmp_path / "two.csv"]
    written = [snellen(*as_of, "--csv", str(file)) for file in files]
    assert printed.exit_code == 0, printed.output
    assert [one.exit_code for one in written] == [0, 0]
    assert "Week 2026-W46, 2026-11-09 to 2026-11-16 UTC" in printed.output
    assert ": not over yet" not in printed.output
    assert re.search(r"against the rest -\d+\.\d pt \(-\d+\.\d to [+-]\d+\.\d pt\)", printed.output)
    assert "by device, surely worst first:\n  cam-0" in printed.output
    assert "by device and region, surely worst first:\n  cam-0 & r0" in printed.output
    assert files[0].read_bytes() == files[1].read_bytes() == snellen(*as_of, "--csv", "-").stdout_bytes
    assert files[0].read_text().count("\n") == 1 + 1 + 3 + 2 + 6


@pytest.mark.parametrize(("undecided", "said"), [(0, None), (1, "1 label decides"), (3, "3 labels decide")])
def test_the_command_says_how_many_labels_decide_nothing(
    engine: Engine, snellen: Callable[..., Result], undecided: int, said: str | None
) -> None:
    with transaction(engine) as connection:
        connection.execute(VERDICT, [verdict(index, WEEK.start, correct=index % 4 > 0) for index in range(40)])
        for index in range(undecided):
            connection.execute(VERDICT, [{**verdict(100 + index, WEEK.start, correct=True), "correct": None}])
    found = [one for one in snellen("--week", "2026-W46").output.splitlines() if one.startswith("left out")]
    assert found == ([] if said is None else [f"left out     {said} nothing (unsure, tied, or no scorer for the task)"])


def test_the_command_says_what_share_of_the_answers_its_aid_knows_of(
    engine: Engine, snellen: Callable[..., Result]
) -> None:
    with transaction(engine) as connection:
        confident(connection, np.random.default_rng(6))
        silent(connection)
    assert re.search(r"14000 answers, the 75\.0% that have a confidence$", snellen("--week", "2026-W46").output, re.M)


def test_a_change_to_a_week_with_few_labels_is_neither_printed_nor_written(
    engine: Engine, snellen: Callable[..., Result]
) -> None:
    with transaction(engine) as connection:
        now = [verdict(index, WEEK.start, correct=index % 4 > 0) for index in range(60)]
        connection.execute(VERDICT, now + [verdict(100 + i, WEEK.start - DAY, correct=True) for i in range(5)])
    as_of = ("--week", "2026-W46", "--as-of", AFTER.isoformat().replace("+00:00", "Z"))
    lines = snellen(*as_of).output.splitlines()
    assert next(one for one in lines if one.startswith("all traffic")).endswith("change not enough labels before")
    for row in csv.DictReader(StringIO(snellen(*as_of, "--csv", "-").stdout, newline="")):
        assert (row["change"], row["change_lower_95"], row["change_upper_95"]) == ("", "", "")
        assert row["change_state"] == ("not_enough_labels_before" if int(row["n"]) >= 20 else "not_enough_labels")


def test_the_week_ends_with_the_tasks_own_metrics_unless_it_is_of_a_past_moment(
    engine: Engine, snellen: Callable[..., Result], send: Callable[..., Batch], prediction: Callable[..., Any]
) -> None:
    now = WEEK.start + timedelta(hours=1)
    options = replace(make_service(engine)._options, labels=LabelDesign(rate=1.0))
    answers = [prediction(f"r{number}", ts=WEEK.start.isoformat()) for number in range(3)]
    IngestService(engine, options, lambda *_: None).write(send(*answers), now)
    privacy = Privacy(Redactor(PrivacyOptions()), Subjects(()))
    told = b"".join(
        b'{"request_id": "r%d", "verdict": "correct", "annotator": "ann"}\n' % number for number in range(3)
    )
    import_labels(engine, privacy, LABEL_FILES["jsonl"].read(BytesIO(told), None), timedelta(hours=1), now)
    printed = snellen("--week", "2026-W46").output
    assert "by the tasks' own metrics (docs/tasks.md):\nvqa: 3 answers\n  accuracy                    100.0%" in printed
    past = snellen("--week", "2026-W46", "--as-of", AFTER.isoformat().replace("+00:00", "Z")).output
    assert "vqa: 3 answers" not in past
    assert "leave --as-of out" in past


def test_a_week_without_labels_says_so(engine: Engine, snellen: Callable[..., Result]) -> None:
    found = snellen("--week", "2026-W02")
    assert found.exit_code == 3
    assert "accuracy is unknown, not good" in found.output


@pytest.mark.parametrize(
    ("as_of", "state"),
    [
        ("2026-11-08T23:59:59Z", ": still to come"), ("2026-11-09T00:00:00Z", ": not over yet"),
        ("2026-11-15T23:59:59Z", ": not over yet"), ("2026-11-16T00:00:00Z", ""),
    ],
)  # fmt: skip
def test_a_week_that_is_not_over_is_called_so(snellen: Callable[..., Result], as_of: str, state: str) -> None:
    first = snellen("--week", "2026-W46", "--as-of", as_of).output.splitlines()[0]
    assert first.endswith(f"as of {as_of.replace('Z', '+00:00')}{state}")


@pytest.mark.parametrize(
    ("option", "fault"),
    [
        ("--version", "no prediction of it has arrived; nor is there"),
        ("--replay", "no replay has this id; nor is there"),
    ],
)
def test_a_version_and_a_replay_that_nobody_knows_are_refused(
    snellen: Callable[..., Result], option: str, fault: str
) -> None:
    refused = snellen(option, "nope")
    assert refused.exit_code == 2
    assert f"{option} 'nope': {fault}" in " ".join(refused.output.replace("│", " ").split())


@pytest.mark.parametrize("words", [("--week", "46"), ("--as-of", "2026-11-17T00:00:00")])
def test_a_wrong_week_or_moment_is_refused(snellen: Callable[..., Result], words: tuple[str, str]) -> None:
    assert snellen(*words).exit_code == 2
