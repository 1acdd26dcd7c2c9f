"""The schedule of the demo's week: what is in force when, what is announced, and who may know of it."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import demo
from demo.__main__ import make_parser
from demo.cameras import FACTORY
from demo.conditions import Conditions
from demo.home import Week
from demo.incidents import CHANGED_CAMERA, INCIDENTS, Schedule
from monitor.domain.window import HOUR, Window

STARTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 (made aware)
WEEK = timedelta(days=7)
REFERENCE = timedelta(hours=48)
"""drift.reference_span in demo/snellen.toml: what it covers must be quiet traffic."""


@given(STARTS)
def test_whenever_the_week_starts_it_holds_every_incident_with_quiet_between_them(start: datetime) -> None:
    entries = Week(start, start + WEEK, ()).schedule.entries
    assert [incident.name for incident, _ in entries] == list(INCIDENTS)
    windows = [window for _, window in entries]
    assert all(later.start - earlier.end >= timedelta(hours=6) for earlier, later in pairwise(windows))
    assert windows[-1].end <= start + WEEK - 12 * HOUR


@given(STARTS)
def test_pictures_questions_and_pairs_are_left_alone_while_the_drift_reference_is_made(start: datetime) -> None:
    schedule = Schedule.of_week(start, without=["latency"])
    assert min(window.start for _, window in schedule.entries) >= start + REFERENCE


def test_conditions_hold_from_an_incidents_start_until_its_end() -> None:
    schedule = Schedule.of_week(datetime(2026, 11, 14, 12, tzinfo=UTC))
    for incident, window in schedule.entries:
        before, first = schedule.at(window.start - timedelta(seconds=1)), schedule.at(window.start)
        last, after = schedule.at(window.end - timedelta(seconds=1)), schedule.at(window.end)
        assert before == after == Conditions()
        assert first == last == incident.alter(Conditions())
        assert first != Conditions()


def test_each_incident_alters_one_thing() -> None:
    altered = {name: incident.alter(Conditions()) for name, incident in INCIDENTS.items()}
    assert altered["camera"].firmware[CHANGED_CAMERA] != FACTORY
    assert sum(firmware != FACTORY for firmware in altered["camera"].firmware.values()) == 1
    assert altered["campaign"].campaign_share > 0
    assert altered["canary"].serving.canary_share > 0
    assert altered["pairing"].serving.prefetch
    assert altered["latency"].serving.audit


def test_incidents_that_overlap_add_up() -> None:
    now = datetime(2026, 11, 14, tzinfo=UTC)
    schedule = Schedule()
    for incident in INCIDENTS.values():
        schedule = schedule.including(incident, Window(now, now + HOUR))
    everything = schedule.at(now)
    assert (everything.serving.audit, everything.serving.prefetch) == (True, True)
    assert everything.campaign_share > 0
    assert everything.firmware[CHANGED_CAMERA] != FACTORY


@pytest.mark.parametrize("name", INCIDENTS)
def test_an_incident_that_is_left_out_neither_happens_nor_is_announced(name: str) -> None:
    start = datetime(2026, 11, 14, 12, tzinfo=UTC)
    whole, rest = Schedule.of_week(start), Schedule.of_week(start, without=[name])
    window = {incident.name: window for incident, window in whole.entries}[name]
    assert rest.at(window.start) == Conditions()
    notes = {one.note for one in whole.deployments()} - {one.note for one in rest.deployments()}
    expected = INCIDENTS[name].deployments or ()
    assert notes == {one.note for one in expected}


def test_operators_announce_what_they_change_and_nobody_announces_the_rest() -> None:
    schedule = Schedule.of_week(datetime(2026, 11, 14, 12, tzinfo=UTC))
    windows = {incident.name: window for incident, window in schedule.entries}
    announced = [(one.action, one.version, one.variant, one.ts) for one in schedule.deployments()]
    assert announced == [
        ("config", "v1", "stable", windows["latency"].start),
        ("config", "v1", "stable", windows["latency"].end),
        ("rollout", "v2", "canary", windows["canary"].start),
        ("rollback", "v2", "canary", windows["canary"].end),
        ("config", "v1", "stable", windows["pairing"].start),
        ("config", "v1", "stable", windows["pairing"].end),
    ]


def test_a_shorter_week_holds_only_what_is_over_at_its_end() -> None:
    start = datetime(2026, 11, 14, tzinfo=UTC)
    two_days = Week(start, start + timedelta(days=2), ()).schedule
    assert [incident.name for incident, _ in two_days.entries] == ["latency"]


def test_neither_the_service_nor_snellen_knows_the_schedule() -> None:
    root = Path(demo.__file__).parents[1]
    ignorant = [
        root / "demo" / name for name in ("service.py", "cameras.py", "conditions.py", "traffic.py", "labeller.py")
    ]
    for package in ("monitor", "collectors", "dashboards"):
        ignorant += (root / package).rglob("*.py")
    for file in ignorant:
        assert "demo.incidents" not in _imports(file), file
        if file.is_relative_to(root / "monitor"):
            assert not any(name.split(".")[0] == "demo" for name in _imports(file)), file


def test_the_page_about_the_demo_names_every_option_and_tells_when_what_happens() -> None:
    page = (Path(demo.__file__).parents[1] / "docs" / "demo.md").read_text()
    for action in make_parser()._actions:
        if action.dest != "help":
            assert f"`{action.option_strings[0]}" in page
    for incident in INCIDENTS.values():
        hours = f"{incident.lasts / HOUR:g} h"
        assert f"| day {incident.day}, {incident.at:%H:%M}, {hours} | `{incident.name}` |" in page


def _imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found
