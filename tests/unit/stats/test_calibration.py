"""Measures of calibration: hand-worked tables, scikit-learn and relplot as outside truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss, log_loss

from monitor.errors import NotEnoughData
from monitor.stats.calibration import (
    MEASURES,
    brier_score,
    calibration,
    corp_decomposition,
    reliability_table,
)
from monitor.stats.intervals import wilson
from tests.unit.stats.answers import draw, drawn_unequally

rows = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=10, max_size=80)


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


@pytest.mark.parametrize("weighted", [False, True])
def test_the_isotonic_parts_have_intervals_that_hold_the_truth(weighted: bool) -> None:
    """Confidences c of a uniform law on (0.5, 1), of which 0.8 c are right: (0.2 c)^2 and the variance of 0.8 c, as
    integrals. 90% intervals, 10 samples: fewer than 6 of a part would be a surprise of 1 in 600."""
    rng, held = np.random.default_rng(9), np.zeros(3)
    true = 0.04 * 7 / 12, 0.64 / 48, 0.6 * 0.4
    for _ in range(10):
        confidence = rng.uniform(0.5, 1.0, 900 if weighted else 300)
        correct, chances = rng.random(confidence.size) < 0.8 * confidence, np.where(confidence < 0.75, 0.5, 0.17)
        drawn = rng.random(confidence.size) < (chances if weighted else 1.0)
        probability = chances[drawn] if weighted else None
        found = corp_decomposition(confidence[drawn], correct[drawn], probability=probability, level=0.9)
        parts = found.miscalibration_interval, found.discrimination_interval, found.uncertainty_interval
        held += [one in part for one, part in zip(true, parts, strict=True)]
        assert found.miscalibration in found.miscalibration_interval
        assert found.discrimination in found.discrimination_interval
    assert held.min() >= 6, held


def test_isotonic_parts_hold_the_truth_where_confidences_say_nothing() -> None:
    """Right 97 times in 100 whatever is claimed: how far that is off, mostly the sample's confidences tell."""
    rng, held = np.random.default_rng(17), 0
    truth = 1 / 12 + (0.5 - 0.97) ** 2
    for _ in range(40):
        interval = corp_decomposition(rng.random(100), rng.random(100) < 0.97).miscalibration_interval
        held += truth in interval
    assert held >= 35  # 28 with the sample's confidences taken for those of the traffic


def test_a_calibrated_model_may_have_no_miscalibration_at_all() -> None:
    """In every sample it is above 0; the interval begins there all the same, and ends where it could not hide."""
    rng, at_zero = np.random.default_rng(10), 0
    for _ in range(6):
        confidence = rng.uniform(0.5, 1.0, 300)
        found = corp_decomposition(confidence, rng.random(300) < confidence)
        assert found.miscalibration > 0.0
        at_zero += found.miscalibration_interval.lower < 1e-6
        assert found.miscalibration_interval.upper < 0.03
    assert at_zero >= 5


@pytest.mark.parametrize("right", [True, False])
def test_isotonic_parts_of_answers_that_are_all_alike_stay_uncertain(right: bool) -> None:
    found = corp_decomposition([0.9] * 50, [right] * 50)
    assert found.discrimination == pytest.approx(0.0, abs=1e-12)
    assert found.miscalibration == pytest.approx(0.01 if right else 0.81)
    bounds = found.miscalibration_interval
    assert bounds.lower <= found.miscalibration < bounds.upper
    assert 0.0 < found.uncertainty_interval.upper < 0.1


@pytest.mark.parametrize("level", [0.993, 0.9999999, 1.0, 0.0])
def test_levels_that_no_draws_can_tell_are_refused(level: float) -> None:
    confidence, correct = draw(np.random.default_rng(0), 50, 0.1)
    for measure in (calibration, corp_decomposition):
        with pytest.raises(NotEnoughData, match="level"):
            measure(confidence, correct, level=level)  # type: ignore[operator]


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
