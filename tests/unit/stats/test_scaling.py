"""Repairs of confidences: temperatures that are known, halves that never see themselves, no cure for the healthy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from monitor.errors import NotEnoughData
from monitor.stats.calibration.rows import as_rows
from monitor.stats.scaling import MIN_ISOTONIC, _interval, fit_temperature, recommended, repairs

Answers = tuple[np.ndarray, np.ndarray]


def heated(rng: np.random.Generator, n: int, temperature: float) -> Answers:
    """Confidences that scaling by `temperature` would make right."""
    true = rng.beta(5, 2, n)
    return expit(logit(true) * temperature), rng.random(n) < true


@pytest.mark.parametrize("temperature", [0.6, 1.0, 1.8, 3.0])
def test_the_temperature_that_was_planted_is_found(temperature: float) -> None:
    confidence, correct = heated(np.random.default_rng(3), 20_000, temperature)
    assert fit_temperature(as_rows(confidence, correct)) == pytest.approx(temperature, rel=0.06)


def test_the_temperature_equals_a_logistic_regression_without_intercept() -> None:
    confidence, correct = heated(np.random.default_rng(5), 5000, 1.7)
    probability = np.where(confidence < 0.7, 0.8, 0.2)
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10)
    model.fit(logit(confidence)[:, None], correct, sample_weight=1 / probability)
    assert fit_temperature(as_rows(confidence, correct, probability)) == pytest.approx(1 / model.coef_[0, 0], rel=2e-3)


@pytest.mark.parametrize("sure", [0.9, 0.999999])
def test_bounds_hold_the_temperature_where_no_answer_contradicts(sure: float) -> None:
    """Every right answer above 1/2, every wrong one below: the colder, the better, and that is no knowledge of T."""
    confidence, correct = [sure] * 90 + [1 - sure] * 30, [True] * 90 + [False] * 30
    assert 0.0499 < fit_temperature(as_rows(confidence, correct)) < 0.5
    found = repairs(confidence, correct)[0].temperature_interval
    assert found is not None
    assert (found.lower, found.upper) == pytest.approx((0.05, 20.0))


@pytest.mark.parametrize("temperature", [1.0, 1.8])
@pytest.mark.parametrize(("weighted", "n"), [(False, 100), (False, 400), (True, 100), (True, 400)])
def test_a_sharp_models_temperature_is_found_and_covered(temperature: float, n: int, *, weighted: bool) -> None:
    """Right 97 times in 100, most answers nearly sure; weighted: those are drawn a sixth as often as unsure ones."""
    rng = np.random.default_rng([11, n, weighted])
    fitted, held = [], []
    for _ in range(300):
        true = rng.normal(5, 2.5, 8 * n)
        probability = np.where(np.abs(true) < 2, 0.8, 0.13) if weighted else np.ones(8 * n)
        drawn = np.flatnonzero(rng.random(8 * n) < probability)[:n]
        correct = rng.random(n) < expit(true[drawn])
        if correct.all():
            continue
        rows = as_rows(expit(true[drawn] * temperature), correct, probability[drawn])
        fitted.append(fit_temperature(rows))
        held.append(temperature in _interval(rows, fitted[-1], 0.95))
    assert np.median(fitted) == pytest.approx(temperature, rel=0.07)
    assert np.mean(held) > 0.92


@pytest.mark.parametrize(
    ("confidence", "right", "beyond"),
    [
        (np.linspace(0.01, 0.99, 400), np.linspace(0.99, 0.01, 400), "up to 20"),  # upside down
        (np.full(400, 0.9), np.full(400, 0.45), "up to 20"),
        (np.repeat([0.9, 0.1], 200), np.repeat([1.0, 0.0], 200), "down to 0.05"),
    ],
)
def test_a_bound_of_the_search_is_no_temperature_to_recommend(
    confidence: np.ndarray, right: np.ndarray, beyond: str
) -> None:
    correct = np.random.default_rng(2).random(400) < right
    found = repairs(confidence, correct)
    assert recommended(found) is None
    assert f"No temperature {beyond} is the best" in found[0].sentence()
    assert found[0].won.value > 0.0


def test_isotonic_regression_repairs_what_is_upside_down() -> None:
    rng = np.random.default_rng(2)
    confidence = rng.random(3000)
    best = recommended(repairs(confidence, rng.random(3000) < 1.0 - confidence))
    assert best is not None
    assert best.kind == "isotonic"


def test_a_repair_is_recommended_where_one_is_needed() -> None:
    confidence, correct = heated(np.random.default_rng(1), 1500, 1.8)
    best = recommended(repairs(confidence, correct))
    assert best is not None
    assert best.temperature == pytest.approx(1.8, abs=0.2)
    assert best.before.ece.corrected > 0.05
    assert best.after.ece.corrected < 0.03
    assert abs(best.after.gap.value) < 0.03
    assert best.sentence().startswith("T = 1.")
    assert f"from {best.before.ece.corrected:.3f} to {best.after.ece.corrected:.3f}" in best.sentence()


def test_the_sound_are_left_alone() -> None:
    rng = np.random.default_rng(4)
    advised = [recommended(repairs(*heated(rng, 300, 1.0))) is not None for _ in range(25)]
    assert sum(advised) <= 3


def test_isotonic_regression_is_tried_where_halves_are_large_and_mends_what_no_temperature_can() -> None:
    rng = np.random.default_rng(2)
    confidence = rng.uniform(0.5, 1, 4000)
    correct = rng.random(4000) < np.where(confidence < 0.8, 0.75, 0.6)  # surest answers are the worst
    found = {one.kind: one for one in repairs(confidence, correct)}
    assert set(found) == {"temperature", "isotonic"}
    assert found["isotonic"].won.value > found["temperature"].won.value
    assert recommended(tuple(found.values())) is found["isotonic"]
    small = repairs(confidence[: 2 * MIN_ISOTONIC - 1], correct[: 2 * MIN_ISOTONIC - 1])
    assert [one.kind for one in small] == ["temperature"]


def test_no_answer_is_judged_by_a_fit_that_saw_it() -> None:
    """Outcomes that no confidence foretells: whatever a fit learns of its own half is lost on the other."""
    rng = np.random.default_rng(6)
    confidence = rng.uniform(0.6, 0.9, 3000)
    correct = rng.random(3000) < confidence
    isotonic = repairs(confidence, correct)[1]
    assert isotonic.won.value < 0.0
    assert not isotonic.holds


def test_figures_after_a_repair_rest_on_all_answers_and_their_weights() -> None:
    confidence, correct = heated(np.random.default_rng(7), 800, 1.8)
    probability = np.where(confidence < 0.7, 0.8, 0.2)
    found = repairs(confidence, correct, probability=probability)[0]
    assert found.n == found.before.n == found.after.n == 800
    assert found.before.gap.value == pytest.approx(np.average(confidence - correct, weights=1 / probability))
    assert found.won.value in found.won.interval


@pytest.mark.parametrize(
    ("confidence", "correct"),
    [
        ([0.9] * 99, [True] * 98 + [False]),
        ([0.9] * 200, [True] * 200),
        ([0.9] * 200, [False] * 200),
        ([0.5] * 200, [True, False] * 100),
    ],
)
def test_too_little_to_halve_is_refused(confidence: list[float], correct: list[bool]) -> None:
    with pytest.raises(NotEnoughData):
        repairs(confidence, correct)


def test_the_interval_of_the_temperature_covers_as_often_as_said() -> None:
    temperature = 1.8
    rng = np.random.default_rng(9)
    held = 0
    for _ in range(60):
        confidence, correct = heated(rng, 400, temperature)
        found = repairs(confidence, correct)[0].temperature_interval
        assert found is not None
        held += temperature in found
    assert held >= 53  # 0.95 of 60, less two and a half standard errors


def test_certain_confidences_are_no_infinite_loss() -> None:
    rng = np.random.default_rng(8)
    found = repairs(np.ones(200), rng.random(200) < 0.9)[0]
    assert np.isfinite(found.won.value)
    assert found.temperature is not None
    assert found.temperature > 5
