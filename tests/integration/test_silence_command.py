"""`snellen silence`: add, list and end, with what is wrong said in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from monitor import bootstrap
from monitor.cli.main import app
from monitor.store.engine import ROOT

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
Snellen = Callable[..., Result]


@pytest.fixture
def snellen(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Snellen:
    monkeypatch.setenv("SNELLEN_DATABASE_URL", database_url)
    monkeypatch.setenv("SNELLEN_ALERTS__SLO_DIR", str(ROOT / "slos"))
    monkeypatch.setattr(bootstrap, "now", lambda: NOW)
    return lambda *words: CliRunner().invoke(app, ["silence", *words])


def test_planned_work_is_added_listed_and_ended(snellen: Snellen, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no silence holds" in snellen("list").output
    options = ("--reason", "new disks", "--by", "ann", "--until", "2026-11-21T14:00:00Z")
    added = snellen("add", "scene-vqa-camera-?-accuracy", *options)
    assert added.exit_code == 0, added.output
    cameras = ", ".join(f"scene-vqa-camera-{number}-accuracy" for number in range(1, 5))
    assert added.output == f"silence 1: {cameras}, until 2026-11-21 14:00 UTC\n"
    later = snellen("add", "none-*", *options, "--since", "2026-11-21T13:30:00Z")
    assert "no SLO has such a name yet" in later.output

    first, second = snellen("list").output.splitlines()
    assert " ".join(first.split()) == (
        "1 holds 2026-11-21 12:00 to 2026-11-21 14:00 scene-vqa-camera-?-accuracy ann: new disks"
    )
    assert second.split()[:3] == ["2", "to", "come"]

    monkeypatch.setattr(bootstrap, "now", lambda: NOW + timedelta(minutes=10))
    assert snellen("end", "1", "--by", "bob").output == "silence 1 is over\n"
    assert snellen("end", "2").exit_code == 0
    again = snellen("end", "1")
    assert again.exit_code == 1
    assert "there is no silence 1, or it is over" in again.output
    assert "no silence holds" in snellen("list").output
    (kept,) = snellen("list", "--days", "1").output.splitlines()
    assert "over     2026-11-21 12:00 to 2026-11-21 12:10" in kept


def test_a_length_stands_for_the_end(snellen: Snellen) -> None:
    """As one types it at night."""
    added = snellen("add", "*", "--reason", "mending", "--by", "ann", "--for", "90m")
    assert added.output.endswith("until 2026-11-21 13:30 UTC\n")
    assert json.loads(snellen("list", "--json").output) == {
        "id": 1, "state": "holds", "since": "2026-11-21T12:00:00Z", "until": "2026-11-21T13:30:00Z", "slos": "*",
        "by": "ann", "reason": "mending",
    }  # fmt: skip


def test_it_holds_also_where_the_documents_cannot_be_read(
    snellen: Snellen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nobody is told that it failed."""
    monkeypatch.setenv("SNELLEN_ALERTS__SLO_DIR", str(tmp_path))
    added = snellen("add", "scene-*", "--reason", "mending", "--by", "ann", "--for", "4h")
    assert added.exit_code == 0, added.output
    assert "silence 1: scene-* (which SLOs these are is not known here" in added.output
    assert "1  holds" in snellen("list").output


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ((), "say when it ends: either --until TIME or --for 4h"),
        (("--for", "4h", "--until", "2026-11-21T14:00:00Z"), "say when it ends"),
        (("--for", "a while"), "--for: 'a while' is not a duration such as 5m, 6h, 30d or 4w"),
        (("--for", "999999Y"), "--for: "),
        (("--for", "5w"), "at most 31 days, not 35 d"),
        (("--until", "2026-11-21T14:00:00"), "no time zone; write e.g. 2026-11-21T14:00:00Z"),
        (("--until", "2026-11-21T11:00:00Z"), "must come later"),
        (("--since", "2026-11-20T10:00:00Z", "--until", "2026-11-21T11:00:00Z"), "over already"),
        (("--until", "2027-11-21T11:00:00Z"), "at most 31 days"),
    ],
)
def test_what_is_no_window_is_refused(snellen: Snellen, options: tuple[str, ...], fault: str) -> None:
    refused = snellen("add", "*", "--reason", "x", *options)
    assert refused.exit_code == 2
    assert fault in " ".join(refused.output.replace("│", " ").split())
