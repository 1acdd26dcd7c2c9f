"""ECE, gap, Brier and reliability table: hand-worked tables, sklearn as outside truth, coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from monitor.errors import NotEnoughData
from monitor.stats.calibration import Calibration, brier_score, calibration, reliability_table
from monitor.stats.intervals import wilson

rows = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=10, max_size=80)


def draw(rng: np.random.Generator, n: int, overconfidence: float) -> tuple[np.ndarray, np.ndarray]:
    confidence = rng.beta(5, 2, n)
    return confidence, rng.random(n) < np.clip(confidence - overconfidence, 0, 1)


def test_a_table_worked_by_hand() -> None:
    # Bin [0.5, 1]: 8 answers at 0.9, 6 right: gap 0.15. Bin [0, 0.5): 2 answers at 0.3, 1 right: gap -0.2.
    confidence = [0.9] * 8 + [0.3] * 2
    correct = [1] * 6 + [0] * 2 + [1, 0]
    found = calibration(confidence, correct, bins=2)
    low, high = found.bins
    assert (low.n, low.confidence, low.accuracy, low.interval) == (2, pytest.approx(0.3), 0.5, wilson(1, 2))
    assert (high.n, high.confidence, high.accuracy, high.interval) == (8, pytest.approx(0.9), 0.75, wilson(6, 8))
    assert found.ece == pytest.approx(0.8 * 0.15 + 0.2 * 0.2)
    assert found.gap == pytest.approx(0.78 - 0.7)
    assert found.brier == pytest.approx((6 * 0.01 + 2 * 0.81 + 0.49 + 0.09) / 10)


def test_brier_and_table_equal_sklearns() -> None:
    confidence, correct = draw(np.random.default_rng(3), 700, 0.1)
    accuracy, mean_confidence = calibration_curve(correct, confidence, n_bins=10)
    filled = [row for row in reliability_table(confidence, correct, bins=10) if row.n]
    np.testing.assert_allclose([row.accuracy for row in filled], accuracy)
    np.testing.assert_allclose([row.confidence for row in filled], mean_confidence)
    assert brier_score(confidence, correct) == pytest.approx(brier_score_loss(correct, confidence))


def test_edges_belong_to_the_bin_that_they_open_and_one_to_the_last() -> None:
    edges = np.linspace(0, 1, 11)
    assert [row.n for row in reliability_table(edges, np.ones(11), bins=10)] == [1] * 9 + [2]


@given(rows)
def test_ece_lies_between_the_gap_and_one_and_inside_its_interval(pairs: list[tuple[float, bool]]) -> None:
    confidence, correct = zip(*pairs, strict=True)
    found = calibration(confidence, correct)
    assert abs(found.gap) - 1e-12 <= found.ece <= 1
    assert found.ece in found.ece_interval
    assert found.gap in found.gap_interval
    assert sum(row.n for row in found.bins) == len(pairs)


@given(rows, st.randoms())
def test_the_order_of_rows_does_not_matter(pairs: list[tuple[float, bool]], random) -> None:  # type: ignore[no-untyped-def]
    first = calibration(*zip(*pairs, strict=True))
    random.shuffle(pairs)
    second = calibration(*zip(*pairs, strict=True))
    assert second.ece == pytest.approx(first.ece, abs=1e-12)
    assert second.gap_interval.lower == pytest.approx(first.gap_interval.lower, abs=1e-12)


def covering(overconfidence: float, n: int, trials: int, *, true_ece: float) -> tuple[float, float]:
    rng = np.random.default_rng(11)
    found: list[Calibration] = [calibration(*draw(rng, n, overconfidence)) for _ in range(trials)]
    ece = np.mean([true_ece - 1e-9 <= c.ece_interval.upper and true_ece + 1e-9 >= c.ece_interval.lower for c in found])
    gap = np.mean([overconfidence in c.gap_interval for c in found])
    return float(ece), float(gap)


@pytest.mark.parametrize("n", [60, 800])
@pytest.mark.parametrize("overconfidence", [0.0, 0.05])
def test_intervals_cover_the_truth(overconfidence: float, n: int) -> None:
    # With accuracy = confidence - c the binned gap is c in every bin (below c itself hardly any confidence falls).
    ece, gap = covering(overconfidence, n, 150, true_ece=overconfidence)
    assert ece >= 0.88
    assert gap >= 0.91


def test_the_lower_end_of_the_ece_is_zero_when_chance_explains_the_table() -> None:
    rng = np.random.default_rng(5)
    calibrated = [calibration(*draw(rng, 200, 0.0)) for _ in range(100)]
    assert np.mean([found.ece for found in calibrated]) > 0.05
    assert np.mean([found.ece_interval.lower == 0.0 for found in calibrated]) >= 0.93


def test_inputs_are_left_alone_and_answers_repeat() -> None:
    confidence, correct = draw(np.random.default_rng(0), 50, 0.1)
    kept = confidence.copy(), correct.copy()
    assert calibration(confidence, correct) == calibration(confidence, correct)
    np.testing.assert_array_equal(confidence, kept[0])
    np.testing.assert_array_equal(correct, kept[1])


@pytest.mark.parametrize(
    ("confidence", "correct"),
    [
        ([], []),
        ([0.5], [True]),
        ([0.5] * 12, [True] * 11),
        ([0.5] * 11 + [float("nan")], [True] * 12),
        ([0.5] * 11 + [float("inf")], [True] * 12),
        ([1.5] * 12, [True] * 12),
        ([0.5] * 12, [2] * 12),
        ([[0.5]] * 12, [True] * 12),
        (["high"] * 12, [True] * 12),
    ],
)
def test_unusable_rows_are_refused(confidence: list[float], correct: list[bool]) -> None:
    with pytest.raises(NotEnoughData):
        calibration(confidence, correct)


def test_impossible_bins_and_levels_are_refused() -> None:
    confidence, correct = draw(np.random.default_rng(0), 50, 0.1)
    with pytest.raises(NotEnoughData, match="bin"):
        calibration(confidence, correct, bins=0)
    with pytest.raises(NotEnoughData, match="level"):
        calibration(confidence, correct, level=1.0)
