"""Simulated weeks through the shipped SLOs: quiet ones must stay quiet, incidents must be found in time.

The tests run a few weeks. `python tests/unit/slo/test_quiet_weeks.py [WEEKS]` runs as many as it is told (200 for the
figures in docs/slo.md) and prints them as JSON.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from monitor.sli import SLIS
from monitor.slo.alerting import next_states
from monitor.slo.burn_rate import evaluate
from monitor.slo.counts import CountSeries, LabelSeries
from monitor.slo.incident import AlertState, Kind, Reason, Transition
from monitor.slo.objective import Objective
from monitor.slo.openslo import parse_objectives
from monitor.slo.policy import Severity

SLOS = Path(__file__).parents[3] / "slos"
WEEK = 7 * 1440
START = datetime(2026, 11, 2, tzinfo=UTC)
FIRST = int(START.timestamp()) // 60
# As in the demo.
REQUESTS_PER_MINUTE = 3.0
DAILY_SWING, BUSIEST_HOUR = 0.35, 14
LABELLED = 0.3
ANNOTATOR_NOISE = 0.03
LABEL_DELAY_MINUTES = 60.0  # mean of an exponential: 1 label in 3 comes after the hour that the SLOs reckon with
QUIET_ERRORS = 0.003
QUIET_SLOW = 0.01


@dataclass(frozen=True)
class Trouble:
    """`share` of the events is bad for `minutes`, from `hour` of the fourth day on."""

    slo: str
    hour: int
    minutes: int
    share: float
    traffic: float = 1.0
    """Part of all traffic that the SLO sees."""
    only_then: bool = False
    """There is no such traffic at other times (a canary)."""

    @property
    def begin(self) -> int:
        return 3 * 1440 + self.hour * 60


TROUBLES = {
    "availability: 20 min of nothing but errors": Trouble("scene-vqa-availability", 12, 20, 1.0),
    "availability: 30% errors for 2 h": Trouble("scene-vqa-availability", 12, 120, 0.3),
    "latency: 95% above 300 ms for 2 h": Trouble("scene-vqa-latency", 9, 120, 0.95),
    "label accuracy: 30% correct for 2.5 h": Trouble("scene-vqa-label-accuracy", 8, 150, 0.7),
    "canary: 35% correct for 6 h at 30% of the traffic": Trouble("scene-vqa-canary-accuracy", 12, 360, 0.65, 0.3, True),
    "canary: as good as the rest": Trouble("scene-vqa-canary-accuracy", 12, 360, 0.075, 0.3, True),
    "one camera of four: 60% correct for 22 h": Trouble("scene-vqa-camera-3-accuracy", 4, 1320, 0.4, 0.24),
    "the same, seen by all labels": Trouble("scene-vqa-label-accuracy", 4, 1320, 0.24 * 0.4 + 0.76 * 0.075),
}
QUIET = {
    "scene-vqa-availability": 1.0,
    "scene-vqa-latency": 1.0,
    "scene-vqa-label-accuracy": 1.0,
    "scene-vqa-camera-3-accuracy": 0.24,
}


def objectives() -> dict[str, Objective]:
    files = {path.name: path.read_bytes() for path in SLOS.glob("*.yaml")}
    return {one.name: one for one in parse_objectives(files, SLIS, ("log", "webhook"))}


def simulate(
    objective: Objective, rng: np.random.Generator, traffic: float, trouble: Trouble | None
) -> CountSeries | LabelSeries:
    """A week of traffic with a daily rhythm, and the trouble from its middle on."""
    minute = np.arange(WEEK)
    swing = DAILY_SWING * np.cos((minute / 60 - BUSIEST_HOUR) / 24 * 2 * np.pi)
    rate = traffic * REQUESTS_PER_MINUTE * (1 + swing)
    troubled = np.zeros(WEEK, dtype=bool)
    if trouble is not None:
        troubled[trouble.begin : trouble.begin + trouble.minutes] = True
        rate = np.where(troubled, rate, 0.0) if trouble.only_then else rate
    share = _quiet_share(objective, rng)
    if trouble is not None:
        share = np.where(troubled, trouble.share, share)
    if objective.sampled:
        share = share * (1 - ANNOTATOR_NOISE) + (1 - share) * ANNOTATOR_NOISE
        labels = np.repeat(minute, rng.poisson(rate * LABELLED))
        at = (FIRST + labels + rng.random(labels.size)) * 60
        known = at + rng.exponential(LABEL_DELAY_MINUTES * 60, labels.size)
        return LabelSeries.of_labels(at, known, rng.random(labels.size) < share[labels])
    total = rng.poisson(rate)
    return CountSeries.of_minutes(FIRST, FIRST + WEEK, FIRST + minute, rng.binomial(total, share), total)


def _quiet_share(objective: Objective, rng: np.random.Generator) -> np.ndarray:
    """Per minute. Models err in 6 to 9% of quiet requests, some hours being harder than others."""
    if objective.sampled:
        hourly = np.clip(rng.uniform(0.06, 0.09) + 0.02 * rng.standard_normal(WEEK // 60), 0.0, 1.0)
        return np.repeat(hourly, 60)
    return np.full(WEEK, QUIET_SLOW if objective.measure.sli == "latency" else QUIET_ERRORS)


def run(objective: Objective, counts: CountSeries | LabelSeries, first: int = 1, last: int = WEEK) -> list[Transition]:
    """Every tick of the week, as the service does it."""
    open_incidents: dict[Severity, AlertState] = {}
    transitions = []
    for minute in range(first, last + 1):
        evaluation = evaluate(objective, counts, START + timedelta(minutes=minute))
        steps = next_states(open_incidents, evaluation, objective)
        open_incidents = {severity: step.state for severity, step in steps.items() if step.state is not None}
        transitions += [step.transition for step in steps.values() if step.transition is not None]
    return transitions


def opened(transitions: list[Transition], severity: Severity) -> list[Transition]:
    return [one for one in transitions if one.kind is Kind.OPENED and one.severity is severity]


@pytest.mark.parametrize("slo", QUIET)
def test_a_quiet_week_opens_no_incident(slo: str) -> None:
    objective = objectives()[slo]
    counts = simulate(objective, np.random.default_rng(7), QUIET[slo], None)
    assert run(objective, counts) == []


@pytest.mark.parametrize(
    ("name", "severity", "within_minutes"),
    [
        ("availability: 30% errors for 2 h", Severity.PAGE, 75),
        ("latency: 95% above 300 ms for 2 h", Severity.PAGE, 75),
        ("label accuracy: 30% correct for 2.5 h", Severity.PAGE, 210),
        ("canary: 35% correct for 6 h at 30% of the traffic", Severity.PAGE, 240),
        ("one camera of four: 60% correct for 22 h", Severity.TICKET, 1200),
    ],
)
def test_a_trouble_opens_one_incident_in_time_and_closes_it(name: str, severity: Severity, within_minutes: int) -> None:
    trouble = TROUBLES[name]
    objective = objectives()[trouble.slo]
    counts = simulate(objective, np.random.default_rng(11), trouble.traffic, trouble)
    begin = trouble.begin
    transitions = run(objective, counts, first=begin - 60)
    found = opened(transitions, severity)
    assert len(found) == 1
    assert found[0].tick <= START + timedelta(minutes=begin + within_minutes)
    closed = [one for one in transitions if one.kind is Kind.CLOSED and one.severity is severity]
    assert [one.incident for one in closed] == [found[0].incident]
    assert closed[0].reason is (Reason.EXPIRED if trouble.only_then else Reason.RESOLVED)


def measure(weeks: int, troubled_weeks: int) -> dict[str, object]:
    slos = objectives()
    quiet = {
        slo: Counter(
            str(one.severity)
            for seed in range(weeks)
            for one in run(slos[slo], simulate(slos[slo], np.random.default_rng([1, seed]), traffic, None))
            if one.kind is Kind.OPENED
        )
        for slo, traffic in QUIET.items()
    }
    return {
        "quiet weeks": weeks,
        "incidents in them": quiet,
        "troubles": {name: _measure_trouble(slos[one.slo], one, troubled_weeks) for name, one in TROUBLES.items()},
    }


def _measure_trouble(objective: Objective, trouble: Trouble, weeks: int) -> dict[str, object]:
    begin = START + timedelta(minutes=trouble.begin)
    delays: dict[str, list[float]] = {severity: [] for severity in Severity}
    ends: dict[str, list[float]] = {severity: [] for severity in Severity}
    counts: Counter[str] = Counter()
    for seed in range(weeks):
        series = simulate(objective, np.random.default_rng([2, seed]), trouble.traffic, trouble)
        transitions = run(objective, series, first=trouble.begin - 60)
        for severity in Severity:
            found = opened(transitions, severity)
            counts[severity] += len(found)
            delays[severity] += [(one.tick - begin).total_seconds() / 3600 for one in found[:1]]
            closed = [one for one in transitions if one.kind is Kind.CLOSED and one.severity is severity]
            ends[severity] += [(one.tick - begin).total_seconds() / 3600 - trouble.minutes / 60 for one in closed[-1:]]
    return {
        severity: {
            "found in": f"{len(delays[severity])} of {weeks}",
            "incidents": counts[severity],
            "hours to open (median, 90th percentile)": _spread(delays[severity]),
            "hours from its end to close (median, 90th percentile)": _spread(ends[severity]),
        }
        for severity in Severity
    }


def _spread(values: list[float]) -> list[float] | None:
    return [round(median(values), 2), round(float(np.quantile(values, 0.9)), 2)] if values else None


if __name__ == "__main__":
    asked = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    sys.stdout.write(json.dumps(measure(asked, min(asked, 50)), indent=1) + "\n")
