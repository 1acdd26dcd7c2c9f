"""Measures of calibration: hand-worked tables, scikit-learn and relplot as outside truth, coverage by simulation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss, log_loss

from monitor.errors import NotEnoughData
from monitor.stats.calibration import (
    MEASURES,
    Calibration,
    brier_score,
    calibration,
    corp_decomposition,
    difference,
    reliability_table,
)
from monitor.stats.calibration.binned import BinnedErrors
from monitor.stats.intervals import Interval, wilson

rows = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=10, max_size=80)
Answers = tuple[np.ndarray, np.ndarray]


def draw(rng: np.random.Generator, n: int, overconfidence: float) -> Answers:
    confidence = rng.beta(5, 2, n)
    return confidence, rng.random(n) < np.clip(confidence - overconfidence, 0, 1)


def drawn_unequally(
    rng: np.random.Generator, n: int, overconfidence: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unsure answers four times as often."""
    confidence, correct = draw(rng, 8 * n, overconfidence)
    probability = np.where(confidence < 0.6, 0.8, 0.2)
    kept = np.flatnonzero(rng.random(8 * n) < probability)[:n]
    return confidence[kept], correct[kept], probability[kept]


# ---- definitions --------------------------------------------------------------------------------------------------


def test_a_table_worked_by_hand() -> None:
    # Bin [0.5, 1]: 8 answers at 0.9, 6 right: gap 0.15. Bin [0, 0.5): 2 answers at 0.3, 1 right: gap -0.2.
    confidence = [0.9] * 8 + [0.3] * 2
    correct = [1] * 6 + [0] * 2 + [1, 0]
    found = calibration(confidence, correct, bins=2)
    low, high = found.bins
    assert (low.n, low.confidence, low.accuracy, low.interval) == (2, pytest.approx(0.3), 0.5, wilson(1, 2))
    assert (high.n, high.confidence, high.accuracy, high.interval) == (8, pytest.approx(0.9), 0.75, wilson(6, 8))
    assert found.ece.value == pytest.approx(0.8 * 0.15 + 0.2 * 0.2)
    assert found.root_mean_square.value == pytest.approx(np.sqrt(0.8 * 0.15**2 + 0.2 * 0.2**2))
    assert found.maximum.value == pytest.approx(0.2)
    assert found.overconfidence.value == pytest.approx(0.8 * 0.9 * 0.15)
    assert found.gap.value == pytest.approx(0.78 - 0.7)
    assert found.brier.value == pytest.approx((6 * 0.01 + 2 * 0.81 + 0.49 + 0.09) / 10)
    assert found.reliability.value == pytest.approx(0.8 * 0.15**2 + 0.2 * 0.2**2)
    assert found.resolution.value == pytest.approx(0.8 * 0.05**2 + 0.2 * 0.2**2)
    assert found.uncertainty.value == pytest.approx(0.21)
    # Unbiased square: less accuracy (1 - accuracy) / (n - 1) of each bin.
    square = 0.8 * (0.15**2 - 0.75 * 0.25 / 7) + 0.2 * (0.2**2 - 0.25 / 1)
    assert found.reliability.corrected == pytest.approx(max(0.0, square))


def test_scores_and_table_equal_sklearns() -> None:
    confidence, correct = draw(np.random.default_rng(3), 700, 0.1)
    accuracy, mean_confidence = calibration_curve(correct, confidence, n_bins=10)
    filled = [row for row in reliability_table(confidence, correct, bins=10) if row.n]
    np.testing.assert_allclose([row.accuracy for row in filled], accuracy)
    np.testing.assert_allclose([row.confidence for row in filled], mean_confidence)
    assert brier_score(confidence, correct) == pytest.approx(brier_score_loss(correct, confidence))
    assert calibration(confidence, correct).log_loss.value == pytest.approx(log_loss(correct, confidence))


def test_weighted_scores_equal_sklearns() -> None:
    confidence, correct, probability = drawn_unequally(np.random.default_rng(4), 300, 0.1)
    found = calibration(confidence, correct, probability=probability)
    weights = 1 / probability
    assert found.brier.value == pytest.approx(brier_score_loss(correct, confidence, sample_weight=weights))
    assert found.log_loss.value == pytest.approx(log_loss(correct, confidence, sample_weight=weights))
    assert found.gap.value == pytest.approx(np.average(confidence - correct, weights=weights))
    assert found.effective_n == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert found.n == 300


def test_bins_of_equal_mass_equal_sklearns_quantile_bins() -> None:
    confidence, correct = draw(np.random.default_rng(3), 600, 0.1)
    accuracy, mean_confidence = calibration_curve(correct, confidence, n_bins=12, strategy="quantile")
    table = reliability_table(confidence, correct, bins=12, equal_mass=True)
    assert [row.n for row in table] == [50] * 12
    np.testing.assert_allclose([row.accuracy for row in table], accuracy, atol=0.021)  # an answer at an edge
    np.testing.assert_allclose([row.confidence for row in table], mean_confidence, atol=0.004)


def test_equal_confidences_stay_in_one_bin_of_equal_mass() -> None:
    table = reliability_table([0.3] * 20 + [0.9] * 80, [True] * 100, bins=10, equal_mass=True)
    assert [(row.n, row.confidence) for row in table] == [(20, pytest.approx(0.3)), (80, pytest.approx(0.9))]
    assert [row.n for row in reliability_table([0.7] * 30, [True] * 30, equal_mass=True)] == [30]


def test_edges_belong_to_the_bin_that_they_open_and_one_to_the_last() -> None:
    edges = np.linspace(0, 1, 11)
    assert [row.n for row in reliability_table(edges, np.ones(11), bins=10)] == [1] * 9 + [2]


SMOOTH = [
    # n, a, b, over-confidence, smECE of the package relplot 1.0.3 (Błasiok and Nakkiran's own), which stops its search
    # for the kernel's width at steps of 1/1024.
    (50, 5, 2, 0.0, 0.06764963223427953),
    (400, 5, 2, 0.1, 0.1348752258580553),
    (3000, 8, 1, 0.05, 0.0489622722904868),
    (1000, 2, 2, -0.1, 0.11334451144837),
    (200, 1, 1, 0.3, 0.21069249080216376),
]


def test_the_smooth_error_equals_its_authors_package() -> None:
    rng = np.random.default_rng(20261121)
    for n, a, b, overconfidence, expected in SMOOTH:
        confidence = rng.beta(a, b, n).round(4)
        correct = rng.random(n) < np.clip(confidence - overconfidence, 0, 1)
        assert calibration(confidence, correct).ece_smooth.value == pytest.approx(expected, abs=1e-3)
    confidence = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
    found = calibration(confidence, [0, 0, 1, 0, 1, 0, 1, 1, 1, 0]).ece_smooth
    assert found.value == pytest.approx(0.10806786419515615, abs=1e-3)


def test_the_debiased_errors_equal_their_authors_package() -> None:
    # normal_debiased_ce(power=1, resamples=100000) and unbiased_square_ce of uncertainty-calibration 0.1.4.
    rng = np.random.default_rng(9)
    confidence = rng.beta(5, 2, 400).round(4)
    correct = rng.random(400) < np.clip(confidence - 0.08, 0, 1)
    found = calibration(confidence, correct, bins=5)
    assert found.ece.value == pytest.approx(0.06085349999999996)
    assert found.ece_debiased.value == pytest.approx(0.05126819982741444, abs=1e-3)
    assert found.root_mean_square.value == pytest.approx(0.07844731827225358)
    assert found.reliability.corrected == pytest.approx(0.004110575747901967)


def test_the_debiased_error_is_that_of_kumar_liang_and_ma() -> None:
    """2 ECE - E[ECE(gaps + normal chance)], with the expectation in closed form: a folded normal per bin."""
    confidence, correct = draw(np.random.default_rng(9), 400, 0.04)
    found = calibration(confidence, correct)
    expected = 0.0
    for row in found.bins:
        if row.n:
            gap, deviation = row.confidence - row.accuracy, np.sqrt(row.accuracy * (1 - row.accuracy) / row.n)
            expected += row.n / 400 * _folded_mean(gap, deviation)
    assert found.ece_debiased.value == pytest.approx(2 * found.ece.value - expected, abs=1.5e-3)


def _folded_mean(mean: float, deviation: float) -> float:
    from scipy.stats import foldnorm

    return abs(mean) if deviation == 0 else float(foldnorm(abs(mean) / deviation, scale=deviation).mean())


def test_the_isotonic_decomposition_rests_on_sklearns_fit() -> None:
    confidence, correct, probability = drawn_unequally(np.random.default_rng(2), 400, 0.1)
    confidence = confidence.round(2)  # many equal ones
    found = corp_decomposition(confidence, correct, probability=probability)
    fit = IsotonicRegression().fit(confidence, correct, sample_weight=1 / probability).predict(confidence)
    weights = 1 / probability
    accuracy = np.average(correct, weights=weights)
    of_fit = np.average((fit - correct) ** 2, weights=weights)
    assert found.uncertainty == pytest.approx(accuracy * (1 - accuracy))
    assert found.discrimination == pytest.approx(found.uncertainty - of_fit)
    brier = brier_score(confidence, correct, probability=probability)
    assert found.miscalibration - found.discrimination + found.uncertainty == pytest.approx(brier)
    assert min(found.miscalibration, found.discrimination) >= 0


def test_murphys_parts_add_up_where_confidences_are_equal_within_bins() -> None:
    rng = np.random.default_rng(6)
    confidence = rng.choice([0.15, 0.45, 0.75, 0.95], 200)
    found = calibration(confidence, rng.random(200) < confidence - 0.05, bins=10)
    parts = found.reliability.value - found.resolution.value + found.uncertainty.value
    assert parts == pytest.approx(found.brier.value)


# ---- laws ---------------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(rows)
def test_errors_lie_where_they_must_and_inside_their_intervals(pairs: list[tuple[float, bool]]) -> None:
    confidence, correct = zip(*pairs, strict=True)
    found = calibration(confidence, correct)
    gap = abs(found.gap.value)
    for one in (found.ece, found.ece_equal_mass, found.root_mean_square, found.maximum, found.maximum_equal_mass):
        assert gap - 1e-9 <= one.value <= 1 + 1e-9
    assert gap - 1e-6 <= found.ece_smooth.value <= 1
    assert found.ece.value <= found.root_mean_square.value + 1e-9 <= found.maximum.value + 2e-9
    for name, one in found.measures().items():
        assert one.value in one.interval, name
        assert one.corrected in one.interval, name
    assert sum(row.n for row in found.bins) == len(pairs) == sum(row.n for row in found.bins_equal_mass)


@settings(max_examples=12)
@given(rows, st.randoms())
def test_the_order_of_rows_does_not_matter(pairs: list[tuple[float, bool]], random) -> None:  # type: ignore[no-untyped-def]
    first = calibration(*zip(*pairs, strict=True))
    random.shuffle(pairs)
    assert calibration(*zip(*pairs, strict=True)) == first


def test_the_unit_of_probabilities_does_not_matter() -> None:
    confidence, correct, probability = drawn_unequally(np.random.default_rng(1), 80, 0.1)
    first = calibration(confidence, correct, probability=probability)
    second = calibration(confidence, correct, probability=probability / 4)
    for name in MEASURES:
        assert getattr(first, name).value == pytest.approx(getattr(second, name).value)
        assert getattr(first, name).interval.upper == pytest.approx(getattr(second, name).interval.upper)


def test_weights_take_back_how_answers_were_drawn() -> None:
    rng = np.random.default_rng(8)
    everything = calibration(*draw(rng, 400_000, 0.08))
    confidence, correct, probability = drawn_unequally(rng, 40_000, 0.08)
    weighted, plain = calibration(confidence, correct, probability=probability), calibration(confidence, correct)
    for name in ("brier", "log_loss", "uncertainty", "resolution"):
        truth, of_weighted, of_plain = (getattr(one, name).value for one in (everything, weighted, plain))
        assert abs(of_weighted - truth) < 0.25 * abs(of_plain - truth), name


# ---- intervals ----------------------------------------------------------------------------------------------------


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


# ---- input --------------------------------------------------------------------------------------------------------


def test_inputs_are_left_alone_and_answers_repeat() -> None:
    confidence, correct = draw(np.random.default_rng(0), 50, 0.1)
    kept = confidence.copy(), correct.copy()
    assert calibration(confidence, correct) == calibration(confidence, correct)
    np.testing.assert_array_equal(confidence, kept[0])
    np.testing.assert_array_equal(correct, kept[1])


@pytest.mark.parametrize(
    ("confidence", "correct", "probability"),
    [
        ([], [], None),
        ([0.5], [True], None),
        ([0.5] * 12, [True] * 11, None),
        ([0.5] * 11 + [float("nan")], [True] * 12, None),
        ([0.5] * 11 + [float("inf")], [True] * 12, None),
        ([1.5] * 12, [True] * 12, None),
        ([0.5] * 12, [2] * 12, None),
        ([[0.5]] * 12, [True] * 12, None),
        (["high"] * 12, [True] * 12, None),
        ([0.5] * 12, [True] * 12, [0.5] * 11),
        ([0.5] * 12, [True] * 12, [0.0] + [0.5] * 11),
        ([0.5] * 12, [True] * 12, [float("nan")] + [0.5] * 11),
        ([0.5] * 12, [True] * 12, [1.5] + [0.5] * 11),
    ],
)
def test_unusable_rows_are_refused(
    confidence: list[float], correct: list[bool], probability: list[float] | None
) -> None:
    with pytest.raises(NotEnoughData):
        calibration(confidence, correct, probability=probability)
    with pytest.raises(NotEnoughData):
        corp_decomposition(confidence, correct, probability=probability)


def test_impossible_bins_and_levels_are_refused() -> None:
    confidence, correct = draw(np.random.default_rng(0), 50, 0.1)
    with pytest.raises(NotEnoughData, match="bin"):
        calibration(confidence, correct, bins=0)
    with pytest.raises(NotEnoughData, match="level"):
        calibration(confidence, correct, level=1.0)


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
