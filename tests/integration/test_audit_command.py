"""`snellen audit`: what was done, newest first, by action and time, with nothing that a terminal obeys."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import Result
from sqlalchemy import Engine
from typer.testing import CliRunner

from monitor.cli.main import app
from monitor.store.audit import Entry, record

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DONE = (
    Entry(NOW, "ann", "bless reference", {"model": "m\x1b[2J", "references": {"image": 3}}),
    Entry(NOW + timedelta(minutes=1), "bob\u202e", "silence", {"silence": 7, "slos": "*"}),
    Entry(NOW + timedelta(minutes=2), "ann", "erase", {"subject": "ab12", "rows": {"labels": 2}}),
)
Snellen = Callable[..., Result]


@pytest.fixture
def snellen(database_url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Snellen:
    monkeypatch.setenv("SNELLEN_DATABASE_URL", database_url)
    with engine.begin() as connection:
        for one in DONE:
            record(connection, one)
    return lambda *words: CliRunner().invoke(app, ["audit", *words])


def test_who_did_what_is_told_the_newest_first_and_no_terminal_obeys_it(snellen: Snellen) -> None:
    told = snellen()
    assert told.exit_code == 0, told.output
    assert told.output.splitlines() == [
        "2026-11-21T12:02:00Z  ann  erase",
        '    rows {"labels": 2}, subject ab12',
        "2026-11-21T12:01:00Z  bob\\u202e  silence",
        "    slos *, silence 7",
        "2026-11-21T12:00:00Z  ann  bless reference",
        '    model m\\x1b[2J, references {"image": 3}',
    ]


def test_a_program_gets_all_of_it(snellen: Snellen) -> None:
    told = [json.loads(line) for line in snellen("--json").stdout.splitlines()]
    assert [(one["actor"], one["action"], one["detail"]) for one in told] == [
        (one.actor, one.action, one.detail) for one in reversed(DONE)
    ]
    assert [one["at"] for one in told] == ["2026-11-21T12:02:00Z", "2026-11-21T12:01:00Z", "2026-11-21T12:00:00Z"]


@pytest.mark.parametrize(
    ("options", "actions"),
    [
        ("--action silence", ["silence"]),
        ("--since 2026-11-21T12:01:00Z", ["erase", "silence"]),
        ("--until 2026-11-21T13:01:00+01:00", ["bless reference"]),
        ("--since 2026-11-21T12:01:00Z --until 2026-11-21T12:02:00Z", ["silence"]),
        ("--limit 1", ["erase"]),
    ],
)
def test_what_is_asked_for_is_told(snellen: Snellen, options: str, actions: list[str]) -> None:
    told = snellen("--json", *options.split())
    assert [json.loads(line)["action"] for line in told.stdout.splitlines()] == actions
    assert ("there may be more: --limit" in told.stderr) == ("--limit" in options)


def test_nothing_and_no_time_are_said_in_words(snellen: Snellen) -> None:
    none = snellen("--action", "eraze")
    assert (none.exit_code, none.stdout, none.stderr) == (0, "", "nothing of this choice was done\n")
    refused = snellen("--since", "2026-11-21T12:00:00")
    assert refused.exit_code == 2
    assert "no time zone" in refused.output
