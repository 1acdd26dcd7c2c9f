"""Drawing answers for labelling: the same for everybody, never with probability 0, and unbiased all the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.slices import OTHER
from monitor.errors import SettingsError
from monitor.sampling import LabelPlan, LabelPlans, annotators_needed
from monitor.sampling.label_plan import boosted

HOUR = datetime(2026, 11, 20, 12, tzinfo=UTC)
PLAN = LabelPlan(0.1, boost=3.0, factors={("device", "rare"): 4.0, ("device", OTHER): 2.0, ("site", "x"): 6.0})
confidences = st.none() | st.floats(0, 1)
devices = st.sampled_from(["common", "rare", "new"])


@given(confidences, devices, st.floats(0.001, 1), st.floats(1, 50))
def test_no_probability_lies_below_the_base_rate_or_above_one(
    confidence: float | None, device: str, base: float, boost: float
) -> None:
    plan = LabelPlan(base, boost, {("device", "rare"): 7.0})
    assert base <= plan.probability({"device": device}, confidence) <= min(1, plan.highest)


@given(st.text(min_size=1), confidences, devices)
def test_the_cheap_first_look_passes_over_nothing_that_is_drawn(
    request_id: str, confidence: float | None, device: str
) -> None:
    draw = PLAN.draw(request_id, {"device": device}, confidence)
    assert LabelPlans(PLAN).may_draw([request_id])[0] or not draw.drawn


@given(st.text(min_size=1), confidences, devices)
def test_a_draw_repeats_and_what_is_drawn_at_the_base_rate_is_drawn(
    request_id: str, confidence: float | None, device: str
) -> None:
    draw = PLAN.draw(request_id, {"device": device}, confidence)
    assert draw == PLAN.draw(request_id, {"device": device}, confidence)
    assert draw.drawn or not draw.in_base
    assert draw.in_base == LabelPlan(0.1).draw(request_id, {}, None).drawn


def test_of_several_dimensions_the_largest_factor_counts_and_an_unknown_value_is_one_of_the_others() -> None:
    assert PLAN.probability({"device": "rare", "site": "x"}, None) == pytest.approx(0.6)
    assert PLAN.probability({"device": "rare", "site": "y"}, None) == pytest.approx(0.4)
    assert PLAN.probability({"device": "never seen"}, None) == pytest.approx(0.2)
    assert PLAN.probability({"weather": "rain"}, None) == pytest.approx(0.1)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_less_sure_the_more_often(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert boosted(low, 3.0) >= boosted(high, 3.0)
    assert 1.0 <= boosted(high, 3.0) <= 3.0


def test_who_is_sure_and_who_says_nothing_are_drawn_at_the_base_rate() -> None:
    assert [boosted(one, 3.0) for one in (None, 1.0, 0.5, 0.0)] == [1.0, 1.0, 3.0, 3.0]


def test_a_plan_holds_from_its_hour_of_event_time_on() -> None:
    plans = LabelPlans(
        LabelPlan(0.5),
        [
            LabelPlan(0.2, version=2, effective_from=HOUR + timedelta(hours=3)),
            LabelPlan(0.1, version=1, effective_from=HOUR),
        ],
    )
    at = [HOUR - timedelta(seconds=1), HOUR, HOUR + timedelta(hours=2.9), HOUR + timedelta(days=9)]
    assert [plans.at(ts).version for ts in at] == [0, 1, 1, 2]


@pytest.mark.parametrize(("rate", "boost", "factor"), [(1.1, 1, 1), (-0.1, 1, 1), (0.1, 0.5, 1), (0.1, 1, 0.9)])
def test_rates_that_cannot_be_are_refused(rate: float, boost: float, factor: float) -> None:
    with pytest.raises(SettingsError):
        LabelPlan(rate, boost, {("device", "a"): factor})


def test_a_random_share_of_the_tasks_is_answered_twice() -> None:
    needed = [annotators_needed(f"r{n}", 1, 0.1) for n in range(20_000)]
    assert set(needed) == {1, 2}
    assert needed.count(2) == pytest.approx(2000, abs=4 * np.sqrt(1800))
    assert {annotators_needed(f"r{n}", 3, 0.5) for n in range(100)} == {3}


def test_boosted_draws_estimate_accuracy_without_bias_and_so_does_the_base_sample_alone() -> None:
    """An overconfident model that errs more in a rare slice: unweighted, the drawn answers would show it far worse."""
    rng = np.random.default_rng(20261121)
    rounds, traffic, truth = 60, 3000, 0.0
    found: dict[str, list[float]] = {"base": [], "hajek": [], "unweighted": []}
    for number in range(rounds):
        confidence = rng.beta(5, 2, traffic)
        rare = rng.random(traffic) < 0.05
        correct = rng.random(traffic) < np.where(rare, 0.5, 0.25 + 0.7 * confidence)
        truth += correct.mean() / rounds
        draws = [
            PLAN.draw(f"{number}-{index}", {"device": "rare" if is_rare else "common"}, float(c))
            for index, (is_rare, c) in enumerate(zip(rare, confidence, strict=True))
        ]
        drawn = np.array([one.drawn for one in draws])
        base = np.array([one.in_base for one in draws])
        weight = 1 / np.array([one.probability for one in draws])[drawn]
        found["base"].append(correct[base].mean())
        found["hajek"].append(float(correct[drawn] @ weight / weight.sum()))
        found["unweighted"].append(correct[drawn].mean())
    bias = {name: np.mean(values) - truth for name, values in found.items()}
    error = {name: np.std(values, ddof=1) / np.sqrt(rounds) for name, values in found.items()}
    assert abs(bias["base"]) < 3.5 * error["base"]
    assert abs(bias["hajek"]) < 3.5 * error["hajek"]
    assert bias["unweighted"] < -5 * error["unweighted"]
    assert error["hajek"] < 0.8 * error["base"]
