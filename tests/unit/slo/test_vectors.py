"""Published and hand-derived numbers: vectors.json names the source of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from fractions import Fraction
from itertools import groupby
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.slo.burn_rate import budget_remaining, burn_rate, evaluate
from monitor.slo.counts import Counts, CountSeries
from monitor.slo.evaluation import State, TierReading
from monitor.slo.exhaustion import Exhaustion
from monitor.slo.objective import Objective
from monitor.slo.policy import Severity, Terms, Tier, TierRule, bind

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "vectors.json").read_text())
Make = Callable[..., Objective]
Moment = Callable[[int], datetime]


def exact(value: float) -> Fraction:
    return Fraction(str(value))


def by_id(items: Sequence[dict[str, Any]]) -> Any:
    return [pytest.param(item, id=item["id"]) for item in items]


def google_rules() -> list[TierRule]:
    return [
        TierRule(
            one["name"],
            Severity(one["severity"]),
            one["long_minutes"],
            one["short_minutes"],
            None,
            exact(one["factor"]),
        )
        for one in VECTORS["tier_sets"]["google30d"]
    ]


def series_of(segments: Sequence[Sequence[int]]) -> CountSeries:
    minutes = [(total, bad) for length, total, bad in segments for _ in range(length)]
    total, bad = np.array(minutes).T
    return CountSeries.of_minutes(0, len(minutes), np.arange(len(minutes)), bad, total)


@pytest.mark.parametrize("vector", by_id(VECTORS["series"]))
def test_burn_rates_are_exact_at_every_named_minute(
    vector: dict[str, Any], make_objective: Make, moment: Moment
) -> None:
    objective = make_objective(str(vector["target"]), google_rules())
    counts = series_of(vector["segments"])
    for minute, expected in vector["expect_at"].items():
        readings = {tier.name: tier for tier in evaluate(objective, counts, moment(int(minute))).tiers}
        for name, told in expected.items():
            reading = readings[name]
            assert reading.burn_long == (
                None if told["burn_long"] is None else pytest.approx(told["burn_long"], abs=5e-7)
            )
            assert reading.burn_short == (
                None if told["burn_short"] is None else pytest.approx(told["burn_short"], abs=5e-7)
            )
            assert reading.burning is told["firing"], (minute, name)


@pytest.mark.parametrize("vector", by_id([one for one in VECTORS["series"] if "expect_firing_minutes" in one]))
def test_the_plain_rule_holds_in_exactly_the_named_minutes(
    vector: dict[str, Any], make_objective: Make, moment: Moment
) -> None:
    objective = make_objective(str(vector["target"]), google_rules())
    counts = series_of(vector["segments"])
    burning: dict[str, list[int]] = {tier.name: [] for tier in objective.tiers}
    for minute in range(1, counts.end + 1):
        for tier in evaluate(objective, counts, moment(minute)).tiers:
            if tier.burning:
                burning[tier.name].append(minute)
    assert {name: runs(minutes) for name, minutes in burning.items()} == vector["expect_firing_minutes"]


def runs(minutes: Sequence[int]) -> list[list[int]]:
    found = [[one for _, one in group] for _, group in groupby(enumerate(minutes), lambda pair: pair[1] - pair[0])]
    return [[run[0], run[-1]] for run in found]


def test_one_failure_in_ten_requests_is_not_evidence(make_objective: Make, moment: Moment) -> None:
    (vector,) = [one for one in VECTORS["series"] if "guarded_expect" in one]
    told = vector["guarded_expect"]
    evaluation = evaluate(
        make_objective(str(vector["target"]), google_rules()), series_of(vector["segments"]), moment(60)
    )
    readings = {tier.name: tier for tier in evaluation.tiers}
    assert readings["page_quick"].lower_bound == pytest.approx(told["lower_bound"], abs=5e-9)
    for name in ("page_quick", "page_slow"):
        assert (readings[name].state is State.FIRING) is told[f"{name}_firing"]
        assert readings[name].state is State.INSUFFICIENT


@pytest.mark.parametrize("told", VECTORS["factors"], ids=lambda one: f"{one['period_days']}d {one['tier']}")
def test_factors_derive_from_budget_period_and_window(told: dict[str, Any]) -> None:
    long_minutes = told["long_window_hours"] * 60
    rule = TierRule("x", Severity.PAGE, long_minutes, 5, exact(told["budget_percent"]))
    tier = bind(rule, Terms(Fraction("0.999"), told["period_days"] * 1440))
    assert isinstance(tier, Tier)
    assert tier.factor == exact(told["burn_factor"])
    assert tier.budget_percent == exact(told["budget_percent"])


@pytest.mark.parametrize("told", by_id(VECTORS["point"]))
def test_point_burn_rates(told: dict[str, Any]) -> None:
    rate = burn_rate(Counts(told["bad"], told["good"] + told["bad"]), exact(told["target"]))
    assert rate == exact(told["burn_rate"])
    full = told.get("time_to_exhaustion_minutes_full_budget")
    if full is not None:
        assert exhaustion(told["target"], 1.0, told["bad"], told["good"] + told["bad"]).minutes == pytest.approx(full)


def exhaustion(target: float, remaining: float, bad: int, total: int, period: int = 43200) -> Exhaustion:
    budget, pace = float(1 - exact(target)), total / 360
    return Exhaustion(360, bad, total, budget, remaining * budget * pace * period, pace, period, 0)


@pytest.mark.parametrize("told", by_id(VECTORS["budget"]))
def test_budget_and_time_to_exhaustion(told: dict[str, Any]) -> None:
    remaining = budget_remaining(Counts(told["period_bad"], told["period_total"]), exact(told["target"]))
    assert remaining == exact(told["budget_remaining"])
    total = 10_000_000
    bad = exact(told["current_burn"]) * (1 - exact(told["target"])) * total
    assert bad.denominator == 1
    found = exhaustion(told["target"], float(remaining or 0), int(bad), total, told["period_minutes"])
    assert found.minutes == pytest.approx(told["time_to_exhaustion_minutes"])


@pytest.mark.parametrize("told", by_id(VECTORS["invalid"]))
def test_too_few_events_are_never_a_verdict(told: dict[str, Any], make_objective: Make, moment: Moment) -> None:
    good, bad = max(told["good"], 0), max(told["bad"], 0)
    counts = CountSeries.of_minutes(0, 4320, [4319], [bad], [good + bad])
    states = {tier.state for tier in evaluate(make_objective("0.99", google_rules()), counts, moment(4320)).tiers}
    assert states == ({State.INSUFFICIENT} if good + bad else {State.NO_DATA})


@pytest.mark.parametrize("told", by_id(VECTORS["detection_time"]["items"]))
def test_detection_comes_in_the_first_whole_minute_after_the_formula(
    told: dict[str, Any], make_objective: Make, moment: Moment
) -> None:
    rule = TierRule("x", Severity.PAGE, told["window_minutes"], 1, None, exact(told["burn"]))
    objective = make_objective(str(told["target"]), [rule])
    per_minute = 10_000
    quiet = told["window_minutes"]
    counts = series_of([[quiet, per_minute, 0], [60, per_minute, round(per_minute * told["error_ratio"])]])
    first = next(
        minute for minute in range(1, 60) if evaluate(objective, counts, moment(quiet + minute)).tiers[0].burning
    )
    assert first == floor(told["detect_minutes"]) + 1


@pytest.mark.parametrize("told", by_id(VECTORS["lower_bounds"]))
def test_a_tier_fires_when_its_lower_bound_is_above_the_limit(
    told: dict[str, Any], make_objective: Make, moment: Moment
) -> None:
    rule = TierRule("x", Severity.PAGE, 60, 5, None, exact(told["tier_burn"]))
    objective = make_objective(str(told["target"]), [rule])
    counts = CountSeries.of_minutes(0, 60, [58], [told["bad"]], [told["n"]])
    (reading,) = evaluate(objective, counts, moment(60)).tiers
    assert reading.limit == pytest.approx(told["p0"])
    assert (reading.state is State.FIRING) is told["page"]
    assert reading.burn_long == pytest.approx(told["point_burn"])
    if reading.burning:
        assert isinstance(reading, TierReading)
        assert reading.lower_bound == pytest.approx(told["cp_lower_99"], abs=5e-9)
