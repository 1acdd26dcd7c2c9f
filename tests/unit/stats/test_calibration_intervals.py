"""Intervals of the calibration measures: exact bounds by hand, coverage by simulation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binomtest

from monitor.stats.calibration import MEASURES, Calibration, calibration, difference, reliability_table
from monitor.stats.calibration.binned import BinnedErrors
from monitor.stats.intervals import Interval
from tests.unit.stats.answers import draw, drawn_unequally


def covering(
    sample: Callable[[np.random.Generator], Calibration], truth: dict[str, float], trials: int
) -> dict[str, float]:
    rng = np.random.default_rng(11)
    found = [sample(rng).measures() for _ in range(trials)]
    near = 1e-9
    return {
        name: float(
            np.mean([one[name].interval.lower - near <= true <= one[name].interval.upper + near for one in found])
        )
        for name, true in truth.items()
    }


@pytest.mark.parametrize("n", [60, 800])
@pytest.mark.parametrize("overconfidence", [0.0, 0.05])
def test_intervals_cover_the_truth(overconfidence: float, n: int) -> None:
    # With accuracy = confidence - c the gap is c in every bin (below c itself hardly any confidence falls); for
    # p ~ Beta(5, 2) the mean of (confidence - outcome)^2 is that of p (1 - p) at p = confidence - c, plus c^2.
    mean, square = 5 / 7, 5 * 6 / (7 * 8)
    p, p_squared = mean - overconfidence, square - 2 * overconfidence * mean + overconfidence**2
    errors = (
        "ece",
        "ece_debiased",
        "ece_equal_mass",
        "ece_smooth",
        "root_mean_square",
        "maximum",
        "maximum_equal_mass",
    )
    truth = dict.fromkeys(errors, overconfidence)
    truth |= {"gap": overconfidence, "brier": p - p_squared + overconfidence**2}
    found = covering(lambda rng: calibration(*draw(rng, n, overconfidence)), truth, 150)
    assert min(found.values()) >= 0.88, found
    assert found["gap"] >= 0.91, found


CLAIMED, RIGHT, SHARES = np.array([0.5, 0.95]), np.array([0.98, 0.93]), np.array([0.3, 0.7])


def two_kinds(rng: np.random.Generator, n: int = 500) -> Calibration:
    """Of a model that is 48 points under-confident in three answers of ten, and nearly sound in the others."""
    kind = rng.choice(2, n, p=SHARES)
    return calibration(CLAIMED[kind], rng.random(n) < RIGHT[kind])


def test_how_many_answers_of_each_kind_came_is_chance_too() -> None:
    """With the shares of bins taken for known, the root mean square was covered 78%, the ECE 83%."""
    gaps = CLAIMED - RIGHT
    truth = {
        "ece": SHARES @ np.abs(gaps),
        "root_mean_square": np.sqrt(SHARES @ gaps**2),
        "reliability": SHARES @ gaps**2,
    }
    truth["resolution"] = SHARES @ (RIGHT - SHARES @ RIGHT) ** 2
    found = covering(two_kinds, truth, 150)
    assert min(found.values()) >= 0.9, found


def test_two_windows_of_the_same_two_kinds_differ_as_rarely_as_said() -> None:
    rng = np.random.default_rng(13)
    pairs = [two_kinds(rng).against(two_kinds(rng)) for _ in range(60)]
    clear = {name: sum(one[name].clear for one in pairs) for name in ("ece_smooth", "root_mean_square", "reliability")}
    assert max(clear.values()) <= 6, clear  # 13 of 60 with shares taken for known


def test_the_largest_gap_is_covered_where_it_is_that_of_a_few_answers() -> None:
    """One answer in ten is off by 30 points, the others by none: no table of 40 answers looks like that."""

    def sample(rng: np.random.Generator) -> Calibration:
        few = np.arange(40) < max(1, rng.binomial(40, 0.1))
        return calibration(np.where(few, 0.3, 0.9), rng.random(40) < np.where(few, 0.6, 0.9))

    found = covering(sample, {"maximum": 0.3}, 100)
    assert found["maximum"] >= 0.95, found  # when all gaps were taken for multiples of those seen, it was covered 80%


def test_the_bounds_of_the_largest_gap_are_exact() -> None:
    """6 of 8 right at 0.9 and 1 of 2 at 0.3: Clopper and Pearson's bounds, as scipy has them."""
    found = calibration([0.9] * 8 + [0.3] * 2, [1] * 6 + [0] * 2 + [1, 0], bins=2).maximum
    either = binomtest(1, 2).proportion_ci(0.95), binomtest(6, 8).proportion_ci(0.95)
    assert found.interval.upper == pytest.approx(max(either[0].high - 0.3, 0.9 - either[1].low))
    assert found.interval.lower == 0.0
    # 20 of 100 right at 0.9: nothing but this bin, which is all answers too, so half of alpha for each.
    sure = calibration([0.9] * 100, [1] * 20 + [0] * 80)
    assert sure.maximum.interval.lower == pytest.approx(0.9 - binomtest(20, 100).proportion_ci(0.975).high)
    assert sure.maximum.interval.upper == pytest.approx(0.9 - binomtest(20, 100).proportion_ci(0.95).low)
    assert sure.maximum_equal_mass == sure.maximum


def test_weighted_intervals_cover_the_truth() -> None:
    truth = dict.fromkeys(("gap", "ece", "ece_equal_mass", "ece_smooth", "maximum", "maximum_equal_mass"), 0.05)

    def sample(rng: np.random.Generator) -> Calibration:
        confidence, correct, probability = drawn_unequally(rng, 150, 0.05)
        return calibration(confidence, correct, probability=probability)

    found = covering(sample, truth, 60)
    assert min(found.values()) >= 0.88, found


def test_answers_without_a_mistake_leave_everything_open() -> None:
    found = calibration([0.99] * 20, [True] * 20)
    for one in (found.ece, found.ece_equal_mass, found.ece_smooth, found.maximum):
        assert one.interval.upper > 0.05  # 20 of 20 are no surprise at an accuracy of 0.93
    assert found.gap.interval.upper > 0.05
    assert found.brier.interval.upper > 0.05


def test_the_lower_end_of_the_ece_is_zero_when_chance_explains_the_table() -> None:
    rng = np.random.default_rng(5)
    calibrated = [calibration(*draw(rng, 200, 0.0)) for _ in range(80)]
    assert np.mean([found.ece.value for found in calibrated]) > 0.05
    assert np.median([found.ece.corrected for found in calibrated]) < 0.03
    assert np.mean([found.ece.interval.lower == 0.0 for found in calibrated]) >= 0.93


def test_an_unchanged_window_differs_from_its_reference_as_rarely_as_said() -> None:
    rng = np.random.default_rng(7)
    clear = dict.fromkeys(MEASURES, 0)
    for _ in range(60):
        changes = calibration(*draw(rng, 150, 0.05)).against(calibration(*draw(rng, 400, 0.05)))
        for name, change in changes.items():
            clear[name] += change.clear
    assert max(clear.values()) <= 9, clear


def test_a_window_that_became_overconfident_differs_from_its_reference() -> None:
    rng = np.random.default_rng(7)
    changes = calibration(*draw(rng, 800, 0.15)).against(calibration(*draw(rng, 800, 0.0)))
    for name in (
        "gap",
        "ece",
        "ece_debiased",
        "ece_equal_mass",
        "ece_smooth",
        "brier",
        "overconfidence",
        "reliability",
    ):
        assert changes[name].interval.lower > 0, name
    assert changes["gap"].value == pytest.approx(0.15, abs=0.05)


def test_a_difference_turns_its_sign_with_its_sides() -> None:
    rng = np.random.default_rng(2)
    one, two = calibration(*draw(rng, 90, 0.1)).ece, calibration(*draw(rng, 70, 0.0)).ece
    there, back = difference(one, two), difference(two, one)
    assert there.value == -back.value
    assert (there.interval.lower, there.interval.upper) == pytest.approx((-back.interval.upper, -back.interval.lower))


def test_the_resolution_of_answers_that_are_nearly_always_right_is_covered() -> None:
    """Five mistakes in two hundred say little of where mistakes are; by the inverted test alone 84% were covered."""
    rng, hits = np.random.default_rng(21), 0
    everything = rng.beta(40, 1.5, 500_000)
    places = np.minimum((everything * 15).astype(int), 14)
    share = np.bincount(places, minlength=15) / everything.size
    mean = np.divide(np.bincount(places, everything, 15), everything.size * share, where=share > 0, out=np.zeros(15))
    truth = float(share @ (mean - everything.mean()) ** 2)
    for _ in range(150):
        confidence = rng.beta(40, 1.5, 200)
        right = rng.random(200) < confidence
        table = reliability_table(confidence, right)
        found = BinnedErrors(table, Interval(-1.0, 1.0), 0.95).resolution(float(right.mean())).interval
        hits += found.lower**2 - 1e-4 <= truth <= found.upper**2 + 1e-4
    assert hits / 150 > 0.93
