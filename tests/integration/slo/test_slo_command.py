"""`snellen slo status`: what a terminal tells of the objectives is what the pages tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import Engine
from typer.testing import CliRunner

from monitor.cli.main import app
from monitor.domain.window import MINUTE
from monitor.services.deliver import Delivery, deliver
from monitor.services.evaluate_slos import evaluate_slos
from monitor.slo.objective import Objective, Selector
from monitor.store import clock
from tests.integration.slo.conftest import DOCUMENTS, START, silence, ticks

Snellen = Callable[..., Result]


@pytest.fixture
def snellen(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Snellen:
    """At the minute `at` of the ten hours."""
    (tmp_path / "slo.yaml").write_bytes(DOCUMENTS)
    monkeypatch.setenv("SNELLEN_DATABASE_URL", database_url)
    monkeypatch.setenv("SNELLEN_ALERTS__SLO_DIR", str(tmp_path))
    monkeypatch.setenv("SNELLEN_ALERTS__LINK_BASE", "https://snellen.example.org")

    def run(*words: str, at: int) -> Result:
        monkeypatch.setattr(clock, "database_now", lambda _: START + at * MINUTE)
        command = ["status"] if not words or words[0] != "acknowledge" else []
        return CliRunner().invoke(app, ["slo", *command, *words])

    return run


@pytest.mark.usefixtures("outage")
def test_all_is_well(snellen: Snellen, engine: Engine, objective: Objective) -> None:
    evaluate_slos(engine, [objective], ticks(200, 201), backfilled=False)
    found = snellen(at=200)
    assert found.exit_code == 0, found.output
    assert [line.split() for line in found.output.splitlines()][1] == [
        "ok",
        "availability",
        "100.0%",
        "0x",
        "/",
        "14.4x",
    ]


@pytest.mark.usefixtures("outage")
def test_a_page_is_told_with_its_link_silence_and_the_message_that_nobody_got(
    snellen: Snellen, engine: Engine, objective: Objective
) -> None:
    evaluate_slos(engine, [objective], ticks(200, 270), backfilled=False)
    silence(engine, "avail*", 260, 300)
    deliver(Delivery(engine, {}, None), START + 269 * MINUTE)
    found = snellen(at=269)
    assert found.exit_code == 3
    _, first, alert, held, message = found.output.splitlines()
    assert first.startswith("burning  availability  ")
    assert alert.startswith("availability: page 1 is open since 2026-11-10 04:")
    assert alert.endswith("(https://snellen.example.org/on_call?alert=1)")
    assert held == "availability: silence 1 until 2026-11-10 05:00 UTC, ann: new disks"
    assert "message (opened) to log waits" in message
    assert "channel not configured" in message

    one = json.loads(snellen("--json", "availability", at=269).output)
    assert (one["slo"], one["standing"], one["evaluated_at"]) == ("availability", "burning", "2026-11-10T04:29:00Z")
    assert [alert["severity"] for alert in one["alerts"]] == ["page"]
    assert one["undelivered"][0]["given_up_at"] is None
    tiers = snellen("availability", at=269).output.splitlines()
    assert any(line.startswith("  page_quick (page, firing): 1 h: ") for line in tiers)


@pytest.mark.usefixtures("outage")
def test_what_nobody_evaluates_is_no_good_news(snellen: Snellen, engine: Engine, objective: Objective) -> None:
    never = snellen(at=200)
    assert never.exit_code == 3
    assert "never evaluated  availability" in never.output
    assert "1 of 1 not evaluated for five minutes, none ever, so nobody is told" in never.output
    evaluate_slos(engine, [objective], ticks(200, 201), backfilled=False)
    assert snellen(at=205).exit_code == 0
    late = snellen(at=206)
    assert late.exit_code == 3
    assert "not evaluated lately  availability" in late.output
    assert "1 of 1 not evaluated for five minutes, the last at 2026-11-10 03:20 UTC" in late.output


@pytest.mark.usefixtures("outage")
def test_no_data_is_told_as_such_with_the_name_that_is_to_blame(
    snellen: Snellen, engine: Engine, objective: Objective
) -> None:
    misspelt = replace(objective, measure=replace(objective.measure, selector=Selector(model="mm")))
    evaluate_slos(engine, [misspelt], ticks(200, 201), backfilled=False)
    found = snellen(at=200)
    assert found.exit_code == 0
    assert found.output.splitlines()[1].split() == ["no", "data", "availability", "-", "-"]
    assert "no data: no event of model 'mm' is stored; models seen: 'm'" in found.output


def test_a_name_that_there_is_not_is_a_slip(snellen: Snellen) -> None:
    found = snellen("availabilty", at=0)
    assert found.exit_code == 2
    assert "did you mean 'availability'?" in " ".join(found.output.replace("│", " ").split())


@pytest.mark.usefixtures("outage")
def test_the_first_one_takes_an_alert(snellen: Snellen, engine: Engine, objective: Objective) -> None:
    evaluate_slos(engine, [objective], ticks(200, 270), backfilled=False)
    assert snellen("acknowledge", "1", "--by", " ", at=270).exit_code == 2
    assert snellen("acknowledge", "1", "--by", "ann", at=270).output == "alert 1 is yours, ann\n"
    again = snellen("acknowledge", "1", "--by", "bob", at=271)
    assert (again.exit_code, "alert 1 is ann's" in again.output) == (1, True)
    assert "page 1 is open since 2026-11-10 04:" in snellen(at=269).output
    assert ", acknowledged by ann: " in snellen(at=269).output
    assert "alert 9 does not exist" in snellen("acknowledge", "9", at=270).output
    evaluate_slos(engine, [objective], ticks(270, 600), backfilled=False)
    assert "alert 1 is over" in snellen("acknowledge", "1", at=600).output
