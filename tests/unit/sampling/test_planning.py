"""Sampling plans: within the budget, every slice its minimum, no answer without a chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.histograms import CONFIDENCE_BINS, confidence_bins
from monitor.domain.slices import ALL_TRAFFIC, Slice
from monitor.errors import NotEnoughData
from monitor.sampling import LabelPlan
from monitor.sampling.planning import Rates, Volume, plan_rates, still_fits

SURE = tuple(1.0 if index == CONFIDENCE_BINS - 1 else 0.0 for index in range(CONFIDENCE_BINS))
SPREAD = (1 / CONFIDENCE_BINS,) * CONFIDENCE_BINS


def device(name: str, per_day: float, confidence: tuple[float, ...] = SPREAD) -> Volume:
    return Volume(Slice("device", name), per_day, confidence)


def total(*slices: Volume) -> Volume:
    per_day = sum(one.per_day for one in slices)
    mean = np.average([one.confidence for one in slices], axis=0, weights=[one.per_day for one in slices])
    return Volume(ALL_TRAFFIC, per_day, tuple(mean))


def plan_of(rates: Rates, boost: float) -> LabelPlan:
    return LabelPlan(rates.base_rate, boost, rates.factors)


def test_without_boost_and_slices_the_rate_is_budget_over_traffic() -> None:
    assert plan_rates(Volume(ALL_TRAFFIC, 10_000.0), [], 500, 0, 1.0).base_rate == pytest.approx(0.05, rel=1e-4)


def test_where_there_is_less_traffic_than_budget_all_is_drawn() -> None:
    rates = plan_rates(Volume(ALL_TRAFFIC, 300.0), [device("a", 300.0)], 500, 20, 3.0)
    assert (rates.base_rate, rates.factors) == (1.0, {})


def test_rare_slices_get_their_minimum_and_the_rest_shares_what_is_left() -> None:
    slices = [device("common", 99_900.0, SURE), device("rare", 90.0, SURE), device("tiny", 10.0, SURE)]
    rates = plan_rates(total(*slices), slices, budget=1000, minimum=50, boost=1.0)
    drawn = {name: rates.base_rate * rates.factors.get(("device", name), 1.0) for name in ("common", "rare", "tiny")}
    assert drawn["rare"] * 90 == pytest.approx(50, rel=1e-4)
    assert drawn["tiny"] == pytest.approx(1.0, rel=1e-4)
    assert drawn["common"] * 99_900 == pytest.approx(1000 - 60, rel=1e-3)
    assert rates.draws == pytest.approx(1000, rel=1e-3)


def test_minimums_that_ask_for_too_much_are_lowered_and_half_the_budget_stays_with_the_base() -> None:
    slices = [device(f"d{n}", 1000.0) for n in range(50)] + [device("big", 950_000.0)]
    rates = plan_rates(total(*slices), slices, budget=1000, minimum=100, boost=1.0)
    assert rates.base_rate * 1_000_000 == pytest.approx(500, rel=1e-3)
    assert rates.minimum == pytest.approx((500 + 50 * 0.5) / 50, rel=1e-2)
    assert rates.draws == pytest.approx(1000, rel=1e-3)
    assert len(rates.factors) == 50


volumes = st.lists(st.floats(1, 1e6), min_size=1, max_size=12)


@given(volumes, st.floats(1, 1e5), st.floats(0, 500), st.floats(1, 20), st.integers(0, 99))
def test_whatever_the_traffic_the_budget_is_met_and_nobody_is_left_out(
    per_day: list[float], budget: float, minimum: float, boost: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    slices = [
        device(f"d{index}", one, tuple(rng.dirichlet(np.ones(CONFIDENCE_BINS)) * rng.random()))
        for index, one in enumerate(per_day)
    ]
    rates = plan_rates(total(*slices), slices, budget, minimum, boost)
    plan = plan_of(rates, boost)  # which refuses factors below 1
    expected = sum(expected_draws(plan, one) for one in slices)
    assert expected <= budget * 1.001
    assert plan.base_rate > 0
    if sum(per_day) > budget:
        assert expected >= 0.95 * budget
        assert all(expected_draws(plan, one) >= min(rates.minimum, one.per_day) * 0.999 for one in slices)


def expected_draws(plan: LabelPlan, volume: Volume) -> float:
    """As the sampler itself would draw, answer by answer."""
    given_slices = {volume.slice.dimension: volume.slice.value}
    middles = [(index + 0.5) / CONFIDENCE_BINS for index in range(CONFIDENCE_BINS)]
    known = sum(
        share * plan.probability(given_slices, middle) for share, middle in zip(volume.confidence, middles, strict=True)
    )
    return volume.per_day * (known + (1 - sum(volume.confidence)) * plan.probability(given_slices, None))


def test_the_shipped_sampler_draws_what_the_plan_promised() -> None:
    rng = np.random.default_rng(20261121)
    confidence = rng.beta(4, 2, 40_000)
    names = np.where(rng.random(40_000) < 0.004, "rare", "common")

    def volume(chosen: np.ndarray, where: Slice) -> Volume:
        bins = np.bincount(confidence_bins(confidence[chosen]), minlength=CONFIDENCE_BINS)
        return Volume(where, float(chosen.sum()), tuple(bins / chosen.sum()))

    slices = [volume(names == name, Slice("device", name)) for name in ("common", "rare")]
    rates = plan_rates(volume(names != "", ALL_TRAFFIC), slices, budget=1500, minimum=60, boost=3.0)
    plan = plan_of(rates, 3.0)
    drawn = np.array(
        [
            plan.draw(f"r{index}", {"device": str(name)}, float(one)).drawn
            for index, (name, one) in enumerate(zip(names, confidence, strict=True))
        ]
    )
    assert drawn.sum() == pytest.approx(1500, abs=4 * np.sqrt(1500))
    assert drawn[names == "rare"].sum() == pytest.approx(60, abs=4 * np.sqrt(60))


def test_overlapping_dimensions_stay_within_the_budget() -> None:
    slices = [
        *(device(f"d{n}", 1000.0) for n in range(10)),
        *(Volume(Slice("site", f"s{n}"), 2000.0, SPREAD) for n in range(5)),
    ]
    rates = plan_rates(Volume(ALL_TRAFFIC, 10_000.0, SPREAD), slices, budget=1000, minimum=80, boost=2.0)
    assert rates.draws <= 1000 * 1.001
    assert rates.base_rate > 0.04


def test_small_changes_leave_the_plan_in_force() -> None:
    plan = LabelPlan(0.1, 2.0, {("device", "rare"): 3.0})
    assert still_fits(plan, Rates(0.11, {("device", "rare"): 2.8}, 20, 100), 2.0)
    assert not still_fits(plan, Rates(0.13, {("device", "rare"): 2.4}, 20, 100), 2.0)
    assert not still_fits(plan, Rates(0.1, {}, 20, 100), 2.0)
    assert not still_fits(plan, Rates(0.1, {("device", "rare"): 3.0}, 20, 100), 3.0)


REFUSED = {
    "no traffic": (0.0, 10.0, 1.0, 1.0),
    "no budget": (10.0, 0.0, 1.0, 1.0),
    "a negative minimum": (10.0, 1.0, -1.0, 1.0),
    "a boost below 1": (10.0, 1.0, 1.0, 0.5),
    "a budget that is no number": (10.0, float("nan"), 1.0, 1.0),
    "a minimum without end": (10.0, 1.0, float("inf"), 1.0),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_plan_can_be_made_of_is_refused(case: str) -> None:
    per_day, budget, minimum, boost = REFUSED[case]
    with pytest.raises(NotEnoughData):
        plan_rates(Volume(ALL_TRAFFIC, per_day), [], budget, minimum, boost)


def test_volumes_and_shares_that_are_none_are_refused() -> None:
    for per_day in (-1.0, float("nan"), float("inf")):
        with pytest.raises(NotEnoughData):
            Volume(ALL_TRAFFIC, per_day)
    with pytest.raises(NotEnoughData):
        Volume(ALL_TRAFFIC, 1.0, (0.9,) * CONFIDENCE_BINS)
    for first, last in ((-0.5, 1.3), (float("nan"), 0.0), (1.5, -0.5)):
        with pytest.raises(NotEnoughData):
            Volume(ALL_TRAFFIC, 1.0, (first, *(0.0,) * (CONFIDENCE_BINS - 2), last))
