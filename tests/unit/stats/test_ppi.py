"""Prediction-powered accuracy: the published library's figures, laws, and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.errors import NotEnoughData
from monitor.stats.ppi import MIN_LABELS, Guesses, PredictionPowered, prediction_powered, prediction_powered_among
from monitor.stats.weighted import weighted_share

Arrays = tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]


def labelled(n: int, unlabelled: int, seed: int) -> Arrays:
    """Outcomes, guesses of labelled and of unlabelled rows; guesses are calibrated."""
    rng = np.random.default_rng(seed)
    guess = rng.beta(4, 1.2, n + unlabelled)
    right = rng.random(n + unlabelled) < guess
    return right[:n], guess[:n], guess[n:]


def test_it_agrees_with_the_library_of_its_authors() -> None:
    """ppi-python 0.2.3, ppi_mean_pointestimate and ppi_mean_ci(alpha=0.05) on the same arrays, power tuned.

    Theirs is a normal interval from the plain variance; ours is Wilson's and pulled towards the classical one. They
    tune the power with the variance of all guesses, ours is that of the labelled ones.
    """
    found = prediction_powered(*labelled(400, 4000, seed=11))
    assert found.classical.share == 0.7775
    assert found.share == pytest.approx(0.78324597, abs=5e-4)
    assert found.interval.lower == pytest.approx(0.7459773, abs=5e-3)
    assert found.interval.upper == pytest.approx(0.82051463, abs=5e-3)
    assert found.interval.upper - found.interval.lower == pytest.approx(0.82051463 - 0.7459773, rel=0.02)


def test_the_power_is_that_of_a_regression_on_the_guesses() -> None:
    """With equal probabilities it is cov(outcome, guess) / var(guess): Särndal et al. (1992), section 6.6."""
    right, guesses, others = labelled(2000, 200_000, seed=2)
    found = prediction_powered(right, guesses, others)
    slope = np.cov(right, guesses)[0, 1] / guesses.var()
    everything = np.concatenate([guesses, others])
    assert found.power == pytest.approx(slope, rel=0.02)
    assert found.share == pytest.approx(right.mean() + found.power * (everything.mean() - guesses.mean()))


def test_a_saving_is_what_the_explained_variance_promises() -> None:
    right, guesses, others = labelled(3000, 300_000, seed=3)
    found = prediction_powered(right, guesses, others)
    explained = np.corrcoef(right, guesses)[0, 1] ** 2
    assert found.saving == pytest.approx(1 / (1 - explained) - 1, rel=0.1)
    classical, powered = found.classical.interval, found.interval
    ratio = (classical.upper - classical.lower) / (powered.upper - powered.lower)
    assert found.saving == pytest.approx(ratio**2 - 1, rel=0.1)


def test_guesses_that_know_nothing_change_little_and_upside_down_ones_nothing() -> None:
    right, guesses, others = labelled(500, 5000, seed=4)
    idle = prediction_powered(right, np.full(500, 0.7), np.full(5000, 0.7))
    reverse = prediction_powered(right, 1 - guesses, 1 - others)
    for found in (idle, reverse):
        assert found.power == 0.0
        assert found.share == found.classical.share
        assert -0.01 < found.saving <= 0.0


def test_a_histogram_tells_the_same_as_rows() -> None:
    right, guesses, others = labelled(200, 2000, seed=5)
    guesses, others = guesses.round(1), others.round(1)
    values, counts = np.unique(np.concatenate([guesses, others]), return_counts=True)
    by_rows = prediction_powered(right, guesses, others)
    by_counts = prediction_powered_among(right, guesses, Guesses.of(values, counts))
    assert by_counts.share == pytest.approx(by_rows.share)
    assert by_counts.effective_n == pytest.approx(by_rows.effective_n)


@given(st.integers(0, 2**32), st.integers(MIN_LABELS, 120), st.floats(0.0, 1.0))
def test_it_stays_within_bounds_and_does_not_mind_the_guesses_scale(seed: int, n: int, accuracy: float) -> None:
    rng = np.random.default_rng(seed)
    right, guesses, others, pi = rng.random(n) < accuracy, rng.random(n), rng.random(300), rng.uniform(0.05, 1, n)
    found = prediction_powered(right, guesses, others, pi)
    scaled = prediction_powered(right, 3 * guesses - 1, 3 * others - 1, pi)
    assert 0.0 <= found.interval.lower <= found.share <= found.interval.upper <= 1.0
    assert found.classical == weighted_share(right, pi)
    assert scaled.share == pytest.approx(found.share, abs=1e-9)
    assert scaled.effective_n == pytest.approx(found.effective_n, rel=1e-6)


@pytest.mark.parametrize("offset", [1e3, 1e8])
def test_a_constant_added_to_all_guesses_changes_nothing(offset: float) -> None:
    right, guesses, others = labelled(200, 5000, seed=7)
    found = prediction_powered(right, guesses, others)
    moved = prediction_powered(right, guesses + offset, others + offset)
    assert moved.share == pytest.approx(found.share, abs=1e-6)
    assert moved.power == pytest.approx(found.power, rel=1e-5)
    assert moved.effective_n == pytest.approx(found.effective_n, rel=1e-5)
    values, counts = np.unique(np.concatenate([guesses, others]).round(1), return_counts=True)
    assert Guesses.of(values + offset, counts).variance == pytest.approx(Guesses.of(values, counts).variance, rel=1e-5)


def test_without_a_mistake_among_the_labels_nothing_is_claimed_of_the_guesses() -> None:
    right, guesses, others = np.ones(80, bool), *labelled(80, 800, seed=6)[1:]
    found = prediction_powered(right, guesses, others)
    assert (found.share, found.power, found.saving) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize("n", [MIN_LABELS, 200])
def test_intervals_from_boosted_samples_cover_as_promised(n: int) -> None:
    rng, covered = np.random.default_rng(n), []
    for accuracy in (0.7, 0.9):
        for _ in range(300):
            found, truth = boosted(n, accuracy, rng)
            covered.append(truth in found.interval)
    assert 0.93 <= np.mean(covered) <= 0.975


def boosted(n: int, accuracy: float, rng: np.random.Generator) -> tuple[PredictionPowered, float]:
    """Answers drawn more often where the model is unsure, about n of 10 n, with guesses that are calibrated."""
    guess = rng.beta(4 * accuracy, 4 * (1 - accuracy), 10 * n)
    right = rng.random(guess.size) < guess
    pi = 0.03 + 0.12 * np.clip(2 * (1 - guess), 0, 1)
    pi *= n / pi.sum()
    drawn = rng.random(guess.size) < pi
    if drawn.sum() < MIN_LABELS:
        return boosted(n, accuracy, rng)
    return prediction_powered(right[drawn], guess[drawn], guess[~drawn], pi[drawn]), accuracy


@pytest.mark.parametrize(
    "change",
    [
        {"correct": [1.0] * 49, "guesses": [0.5] * 49}, {"guesses": [0.5] * 51}, {"unlabelled": []},
        {"guesses": [float("nan")] * 50}, {"correct": [0.5] * 50}, {"probabilities": [0.0] * 50},
        {"probabilities": [0.5] * 49},
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(change: dict[str, list[float]]) -> None:
    given_rows = {"correct": [1.0] * 50, "guesses": [0.5] * 50, "unlabelled": [0.5], **change}
    with pytest.raises(NotEnoughData):
        prediction_powered(**given_rows)


def test_all_rows_cannot_be_fewer_than_the_labelled_ones() -> None:
    with pytest.raises(NotEnoughData, match="cannot hold"):
        prediction_powered_among([1] * 60, [0.5] * 60, Guesses(59, 0.5, 0.3))
    with pytest.raises(NotEnoughData):
        Guesses.of([0.5, 0.6], [0, 0])


@pytest.mark.parametrize("sums", [(1000, float("nan"), 0.1), (1000, 0.5, float("inf")), (1000, 0.5, -0.1)])
def test_sums_that_no_guesses_have_are_refused(sums: tuple[int, float, float]) -> None:
    with pytest.raises(NotEnoughData, match="no guesses"):
        prediction_powered_among([1, 0] * 25, [0.4, 0.6] * 25, Guesses(*sums))


@pytest.mark.parametrize(
    ("sure", "unsure", "ratio", "rare", "labels"), [(0.9, 0.3, 20, 0.3, 100), (0.9, 0.3, 8, 0.2, 60)]
)
def test_many_mistakes_of_small_weight_do_not_narrow_the_interval(
    sure: float, unsure: float, ratio: int, rare: float, labels: int
) -> None:
    """Unsure answers are drawn `ratio` times as often. Counting their mistakes as they come covers 79 and 85%."""
    rng, covered = np.random.default_rng(12), []
    drawn, truth = (1 - rare) + rare * ratio, (1 - rare) * sure + rare * unsure
    everything = Guesses.of([sure, unsure], [10**6 * (1 - rare), 10**6 * rare])
    for _ in range(600):
        rows = rng.poisson(labels / drawn * np.array([1 - rare, rare * ratio]))
        if rows.sum() < MIN_LABELS:
            continue
        guesses, pi = np.repeat([sure, unsure], rows), np.repeat([1 / ratio, 1.0], rows)
        found = prediction_powered_among(rng.random(guesses.size) < guesses, guesses, everything, pi)
        covered.append(truth in found.interval)
    assert np.mean(covered) > 0.93
