"""Commands and the database: each asks for its schema before it does anything, and gives its connections back."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.core import TyperGroup
from typer.main import get_command

from monitor import settings
from monitor.cli import app, main
from monitor.cli.database import database
from monitor.store.engine import ROOT

WINDOWS = "--reference 2026-11-01T00:00Z/2026-11-02T00:00Z --current 2026-11-02T00:00Z/2026-11-03T00:00Z"
MAPPING = """
prediction:
  request_id: $.id
  ts: $.time
  model: {name: m, version: v}
  task: vqa
  status: ok
  input: {prompt: $.question}
  output: {answer: $.answer}
"""
COMMANDS = (
    "audit",
    "canary",
    "discover --model m --window 2026-11-01T00:00Z/2026-11-02T00:00Z",
    "dlq list",
    "dlq show 1",
    "dlq replay 1",
    "dlq purge --before 2026-11-01T00:00:00Z",
    "erase --request-id r",
    "evaluate --as-of 2026-11-01T00:00:00Z",
    f"explain --model m {WINDOWS}",
    "labels export --out tasks.jsonl",
    "labels import labels.jsonl",
    "labels status",
    "metrics",
    "reference create --model m --since 2026-11-01T00:00:00Z --until 2026-11-08T00:00:00Z",
    "reference list",
    "reference activate 1",
    "replay log.jsonl --mapping map.yaml",
    f"report drift --model m {WINDOWS} --out report.html",
    "retain --dry-run",
    "review",
    "silence add * --reason x --until 2036-11-01T00:00:00Z",
    "silence list",
    "silence end 1",
    "slo acknowledge 1",
    "slo status",
)
WITHOUT = {"up", "down", "status", "migrate", "schedule", "schema", "ingest check"}
"""They need no database, or make its schema; the scheduler is a process with a start of its own."""


def names(group: TyperGroup, prefix: str = "") -> set[str]:
    found = set()
    for name, one in group.commands.items():
        found |= names(one, f"{prefix}{name} ") if isinstance(one, TyperGroup) else {f"{prefix}{name}"}
    return found


def test_every_command_is_looked_at() -> None:
    known = names(get_command(app)) - WITHOUT
    assert {name for name in known if any(f"{one} ".startswith(f"{name} ") for one in COMMANDS)} == known


@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_without_the_schema_is_refused_in_words(
    command: str,
    empty_database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, content in {"labels.jsonl": "", "log.jsonl": "", "map.yaml": MAPPING}.items():
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SNELLEN_DATABASE_URL", empty_database_url)
    monkeypatch.setenv("SNELLEN_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("SNELLEN_ALERTS__SLO_DIR", str(ROOT / "slos"))
    monkeypatch.setattr(sys, "argv", ["snellen", *command.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 1, said.err
    assert said.out == ""
    assert said.err.startswith("snellen: the schema is at nothing, this code needs ")
    assert said.err.endswith(": run `snellen migrate`\n")


def test_its_connections_are_given_back(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNELLEN_DATABASE_URL", database_url)
    with pytest.raises(ZeroDivisionError), database(settings.load(), "test") as engine:  # noqa: PT012
        with engine.connect() as connection:
            assert connection.execute(text("SHOW application_name")).scalar_one() == "snellen-test"
        assert engine.pool.checkedin() == 1  # type: ignore[attr-defined]
        _ = 1 / 0
    assert engine.pool.checkedin() == 0  # type: ignore[attr-defined]
