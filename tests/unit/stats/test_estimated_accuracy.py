"""Accuracy without labels: what a beta calibration of the past says of other confidences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from monitor.errors import NotEnoughData
from monitor.stats.estimated_accuracy import MIN_PAST, estimate_accuracy, meaning
from monitor.stats.intervals import wilson_of_share


def test_the_fit_is_the_penalised_logistic_regression_on_both_logarithms() -> None:
    """scikit-learn with the same two features; its ridge pulls to 0, so the pull to a half is taken off by shifting."""
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.05, 0.95, 4000)
    right = rng.random(4000) < expit(0.4 + 1.3 * np.log(confidence) - 0.6 * np.log1p(-confidence))
    features = np.column_stack([np.log(confidence), -np.log1p(-confidence)])
    expected = LogisticRegression(C=1e6, max_iter=1000).fit(features, right)
    found = meaning(confidence, right)
    assert found.of([0.3, 0.8]).tolist() == pytest.approx(
        expected.predict_proba([[np.log(0.3), -np.log(0.7)], [np.log(0.8), -np.log(0.2)]])[:, 1].tolist(), abs=5e-3
    )


def test_weights_undo_a_sampling_that_looked_at_confidence() -> None:
    rng = np.random.default_rng(2)
    confidence = rng.choice([0.3, 0.9], 40_000)
    right = rng.random(40_000) < np.where(confidence == 0.3, 0.5, 0.8)
    pi = np.where(right, 0.1, 0.4)  # drawn by the outcome itself: unweighted fits would be wrong
    drawn = rng.random(40_000) < pi
    known = meaning(confidence[drawn], right[drawn], pi[drawn])
    assert known.of([0.3, 0.9]).tolist() == pytest.approx([0.5, 0.8], abs=0.03)


@pytest.mark.parametrize("shift", [0.0, -0.2])
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_the_interval_covers_what_labels_later_say(shift: float, power: float) -> None:
    """Also where confidences fell out of the range that was labelled, and where they never meant what they said."""
    rng, covered, trials = np.random.default_rng(3), 0, 250
    for _ in range(trials):
        past = rng.beta(4.0, 1.0, 300)
        now = rng.beta(5 * (0.8 + shift), 5 * (0.2 - shift), 2000)
        known = meaning(past, rng.random(300) < past**power)
        labels = rng.random(2000) < now**power
        covered += labels.mean() in estimate_accuracy(now, known).interval
    assert 0.91 <= covered / trials <= 0.99


@pytest.mark.parametrize("accuracy", [0.95, 0.98, 0.99])
def test_the_interval_covers_where_the_past_has_few_mistakes_or_none(accuracy: float) -> None:
    rng, covered, trials = np.random.default_rng(5), 0, 200
    for _ in range(trials):
        past, now = rng.beta(6.0, 1.0, 100), rng.beta(4.0, 1.0, 3000)
        labels = rng.random(3000) < accuracy
        known = meaning(past, rng.random(100) < accuracy)
        covered += labels.mean() in estimate_accuracy(now, known).interval
    assert 0.90 <= covered / trials <= 1.0


@pytest.mark.parametrize("answers", [1, 5, 20, 50, 100, 1000, 5000])
@pytest.mark.parametrize("level", [0.0, 3.3, 5.2, 7.5])
def test_the_interval_holds_the_share_of_few_answers_that_will_be_right(answers: int, level: float) -> None:
    """Accuracies of 50, 95, 99 and 99.9%: of a hundred answers most often all are right, and the interval says so."""
    rng, covered = np.random.default_rng([6, answers, round(10 * level)]), []
    for _ in range(150):
        past, now = (expit(level + rng.standard_normal(n)) for n in (2000, answers))
        known = meaning(past, rng.random(2000) < past)
        covered.append((rng.random(answers) < now).mean() in estimate_accuracy(now, known).interval)
    assert np.mean(covered) >= 0.91


def test_the_estimate_lies_in_its_interval_though_all_of_few_answers_will_be_right() -> None:
    known = meaning([0.2, 0.99] * 500, [0, 1] * 500)
    found = estimate_accuracy([0.99], known)
    assert found.interval.lower <= found.share <= found.interval.upper == 1.0
    assert found.interval.lower > 0.98


def test_of_many_answers_the_interval_is_wilsons_with_as_many_labels_as_would_be_as_sure() -> None:
    """The variances of what is not known of the meaning and of the count add up: p q / 500 + p q / 4000."""
    known = meaning(np.full(500, 0.5), np.arange(500) % 5 != 0)
    found = estimate_accuracy([0.5], known, [4000])
    expected = wilson_of_share(found.share, 1 / (1 / 500 + 1 / 4000))
    assert found.interval.lower == pytest.approx(expected.lower, abs=1e-3)
    assert found.interval.upper == pytest.approx(expected.upper, abs=1e-3)


def test_a_past_without_a_mistake_is_as_sure_as_wilson_is_of_as_many_labels() -> None:
    """Wilson's lower bound of 100 in 100 is 1 / (1 + 1.96^2 / 100); weights make it lower."""
    confidence = np.linspace(0.3, 0.9, 100)
    found = estimate_accuracy([0.9] * 100_000, meaning(confidence, np.ones(100))).interval
    weighted = meaning(confidence, np.ones(100), [0.01] * 10 + [0.5] * 90)
    assert found.lower == pytest.approx(1 / (1 + 1.959964**2 / 100), abs=1e-3)
    assert estimate_accuracy([0.9] * 100_000, weighted).interval.lower < found.lower - 0.1


def test_counts_stand_for_rows() -> None:
    rng = np.random.default_rng(4)
    past = rng.random(500)
    known = meaning(past, rng.random(500) < past)
    by_rows = estimate_accuracy([0.2] * 30 + [0.9] * 10, known)
    by_counts = estimate_accuracy([0.2, 0.9], known, [30, 10])
    assert by_counts.share == pytest.approx(by_rows.share)
    assert by_counts.interval.lower == pytest.approx(by_rows.interval.lower)
    assert (by_counts.n, by_counts.past) == (40, 500)


@pytest.mark.parametrize("right", [True, False])
def test_a_past_without_a_mistake_or_without_a_hit_still_has_a_meaning(right: bool) -> None:
    known = meaning(np.linspace(0, 1, 200), np.full(200, right))
    assert np.isfinite(known.of([0.0, 0.5, 1.0])).all()
    assert estimate_accuracy([0.5], known).share == pytest.approx(float(right), abs=0.05)


@pytest.mark.parametrize(
    ("confidence", "correct", "pi"),
    [
        ([0.5] * (MIN_PAST - 1), [1] * (MIN_PAST - 1), None), ([1.5] * 200, [1] * 200, None),
        ([0.5] * 200, [1] * 199, None), ([float("nan")] * 200, [1] * 200, None), ([0.5] * 200, [1] * 200, [0.0] * 200),
    ],
)  # fmt: skip
def test_an_unusable_past_is_refused(confidence: list[float], correct: list[int], pi: list[float] | None) -> None:
    with pytest.raises(NotEnoughData):
        meaning(confidence, correct, pi)


@pytest.mark.parametrize(("confidence", "counts"), [([], None), ([2.0], None), ([0.5], [0.0]), ([0.5], [1.0, 2.0])])
def test_nothing_to_estimate_is_refused(confidence: list[float], counts: list[float] | None) -> None:
    known = meaning([0.2, 0.8] * 100, [0, 1] * 100)
    with pytest.raises(NotEnoughData):
        estimate_accuracy(confidence, known, counts)


def test_the_least_of_probabilities_overflows_nothing() -> None:
    known = meaning([0.2, 0.8] * 100, [0, 1] * 100, [5e-324] + [1.0] * 199)
    assert known.design_effect == pytest.approx(200.0)


@pytest.mark.parametrize(
    ("sure", "unsure", "ratio", "rare", "labels"), [(0.98, 0.3, 50, 0.05, 150), (0.81, 0.99, 20, 0.5, 200)]
)
def test_a_past_whose_heavy_rows_are_few_is_covered_wherever_its_mistakes_are(
    sure: float, unsure: float, ratio: int, rare: float, labels: int
) -> None:
    """Answers of confidence 0.5 are drawn `ratio` times as often as those of 0.95. Counting mistakes as they come, or
    with Kish's design effect, covers 68 and 77%."""
    rng, covered = np.random.default_rng(5), []
    drawn, truth = (1 - rare) + rare * ratio, (1 - rare) * sure + rare * unsure
    for _ in range(300):
        rows = rng.poisson(labels / drawn * np.array([1 - rare, rare * ratio]))
        if rows.sum() < MIN_PAST:
            continue
        right = rng.random(rows.sum()) < np.repeat([sure, unsure], rows)
        known = meaning(np.repeat([0.95, 0.5], rows), right, np.repeat([1 / ratio, 1.0], rows))
        found = estimate_accuracy([0.95, 0.5], known, [10**6 * (1 - rare), 10**6 * rare])
        covered.append(truth in found.interval)
    assert np.mean(covered) > 0.92
