"""The shipped coverage SLO on a real PostgreSQL, of a log that has just begun: losses count from its first minute."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from monitor.domain.window import MINUTE
from monitor.notify import CHANNELS
from monitor.services.evaluate_slos import evaluate_slos
from monitor.sli import SLIS
from monitor.slo.objective import Objective
from monitor.slo.openslo import parse_objectives
from tests.integration.slo.conftest import START

ROOT = Path(__file__).parents[3]
FILES = {one.name: one.read_bytes() for one in (ROOT / "examples/slos/coverage.yaml", ROOT / "slos/alerting.yaml")}
NOW = START + timedelta(hours=4)
Rows = Callable[..., list[Any]]


@pytest.fixture
def coverage() -> Objective:
    [found] = parse_objectives(FILES, SLIS, CHANNELS)
    return found


def count(engine: Engine, minutes: range, *, joined: int, lost: int) -> None:
    """Calls of these minutes whose sides met, each of which became a prediction, and calls that lost a side."""
    rows = [{"minute": START + minute * MINUTE, "joined": joined, "lost": lost} for minute in minutes]
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO pair_counts (minute, model, version, variant, task, joined, lost) "
                "VALUES (:minute, 'my-vqa', '', 'stable', 'vqa', :joined, :lost)"
            ),
            rows,
        )


def test_a_log_that_never_has_a_response_opens_a_page(engine: Engine, coverage: Objective, rows: Rows) -> None:
    """No call becomes a prediction, so there is nothing but what was lost."""
    count(engine, range(240), joined=0, lost=10)
    evaluate_slos(engine, [coverage], [NOW], backfilled=False)
    assert rows("SELECT state, bad, total FROM slo_evaluations") == [("firing", 2400, 2400)]
    assert rows("SELECT severity FROM alerts ORDER BY 1") == ["page", "ticket"]


@pytest.mark.usefixtures("outage")
def test_a_call_that_was_lost_before_the_first_was_whole_counts(
    engine: Engine, coverage: Objective, rows: Rows
) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM rollups_minute WHERE minute < :first"), {"first": START + 20 * MINUTE})
    count(engine, range(20), joined=0, lost=1)
    count(engine, range(20, 240), joined=10, lost=0)
    evaluate_slos(engine, [coverage], [NOW], backfilled=False)
    assert rows("SELECT bad, total FROM slo_evaluations") == [(20, 2220)]


def test_without_any_call_there_is_nothing_to_judge_by(engine: Engine, coverage: Objective, rows: Rows) -> None:
    evaluate_slos(engine, [coverage], [NOW], backfilled=False)
    assert rows("SELECT state, total FROM slo_evaluations") == [("no_data", 0)]
