from __future__ import annotations

import dataclasses
import json
import logging
from datetime import UTC, datetime, timedelta, timezone

import pytest

from monitor.notify import AlertMessage, Log
from monitor.telemetry.logs import JsonFormatter

MESSAGE = AlertMessage(
    alert_id=7,
    dedup_key="a/page/20261121T0412Z/1",
    slo="a",
    severity="page",
    transition="opened",
    reason="first_breach",
    summary="100% of the budget is gone",
    details="one\ntwo",
    started_at=datetime(2026, 11, 21, 5, 12, tzinfo=timezone(timedelta(hours=1))),
)


@pytest.mark.parametrize(
    ("severity", "transition", "level"),
    [
        ("page", "opened", logging.ERROR),
        ("page", "noted", logging.ERROR),
        ("ticket", "opened", logging.WARNING),
        ("page", "closed", logging.INFO),
        ("ticket", "closed", logging.INFO),
    ],
)
def test_the_level_follows_severity_and_transition(
    severity: str, transition: str, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        Log().notify(dataclasses.replace(MESSAGE, severity=severity, transition=transition))
    assert [record.levelno for record in caplog.records] == [level]


def test_the_line_is_one_json_object_with_the_whole_message(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        Log().notify(MESSAGE)
    line = JsonFormatter().format(caplog.records[0])
    assert "\n" not in line
    parsed = json.loads(line)
    assert parsed["message"] == "100% of the budget is gone"
    assert parsed["alert"] == MESSAGE.as_json()


def test_times_are_written_in_utc() -> None:
    assert MESSAGE.as_json()["started_at"] == "2026-11-21T04:12:00Z"
    naming = AlertMessage(**{**dataclasses.asdict(MESSAGE), "started_at": datetime(2026, 1, 1, tzinfo=UTC)})
    assert naming.as_json()["started_at"] == "2026-01-01T00:00:00Z"
