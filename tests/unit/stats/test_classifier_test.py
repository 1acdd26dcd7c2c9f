from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import binom
from sklearn.metrics import roc_auc_score

from monitor.errors import NotEnoughData
from monitor.stats.classifier_test import domain_scores
from monitor.stats.intervals import wilson


def draws(n: int, *, shift: float = 0.0, scale: float = 1.0, seed: int = 0, d: int = 6) -> np.ndarray:
    rows = scale * np.random.default_rng(seed).standard_normal((n, d))
    rows[:, 0] += shift
    return rows


def test_the_permutation_test_keeps_its_level() -> None:
    p = np.array(
        [
            domain_scores(draws(60, seed=2 * i), draws(30, seed=2 * i + 1), seed=i, permutations=39).p_value
            for i in range(200)
        ]
    )
    # An exact test at 10%: 200 looks lie within the central 99.9% of the binomial law.
    low, high = binom.ppf([0.0005, 0.9995], 200, 0.1)
    assert low <= (p <= 0.1).sum() <= high
    assert (p <= 0.05).mean() < 0.12


def test_the_auc_comes_near_what_the_best_classifier_reaches() -> None:
    found = domain_scores(draws(4000, seed=1), draws(4000, shift=1.0, seed=2))
    assert found.auc == pytest.approx(float(ndtr(1 / np.sqrt(2))), abs=0.015)
    assert found.auc in found.interval
    assert found.p_value == 1 / 200


def test_the_scores_rank_rows_as_an_outside_auc_says() -> None:
    found = domain_scores(draws(600, seed=3), draws(500, shift=0.7, seed=4))
    sides = np.r_[np.zeros(600), np.ones(500)]
    outside = roc_auc_score(sides, np.r_[found.scores_reference, found.scores_current])
    assert outside == pytest.approx(found.auc, abs=0.01)


def test_a_widening_without_a_shift_is_told_apart() -> None:
    found = domain_scores(draws(400, seed=5), draws(400, scale=1.5, seed=6))
    assert found.p_value == 1 / 200
    assert found.auc > 0.6


def test_the_interval_covers_what_the_classifiers_score_on_new_rows() -> None:
    best = float(ndtr(0.8 / np.sqrt(2)))
    covered = [
        best in domain_scores(draws(400, seed=9 * i, d=1), draws(300, shift=0.8, seed=9 * i + 1, d=1), seed=i).interval
        for i in range(100)
    ]
    # One dimension: each fold's classifier is as good as the best one, so the target is known.
    assert binom.ppf(0.0005, 100, 0.95) <= sum(covered)


@pytest.mark.parametrize(("n", "m", "d"), [(90, 50, 32), (60, 40, 120), (300, 40, 2)])
def test_the_interval_covers_one_half_where_nothing_differs(n: int, m: int, d: int) -> None:
    """Folds that took each other for independent covered it in 83% of looks."""
    rng = np.random.default_rng(7)
    looks = [
        domain_scores(rng.laplace(size=(n, d)), rng.laplace(size=(m, d)), seed=i, permutations=1) for i in range(200)
    ]
    covered = sum(0.5 in found.interval for found in looks)
    assert binom.ppf(0.001, 200, 0.95) <= covered < 200


def test_a_clear_difference_leaves_the_interval_that_of_delong() -> None:
    """One dimension: classifiers owe hardly anything to chance, and the AUC is that of the values themselves."""
    first, second = draws(4000, seed=1, d=1), draws(3000, shift=1.0, seed=2, d=1)
    found = domain_scores(first, second, permutations=1)
    beats = np.searchsorted(np.sort(first[:, 0]), second[:, 0]) / 4000
    beaten = 1 - np.searchsorted(np.sort(second[:, 0]), first[:, 0]) / 3000
    error = np.sqrt(beats.var() / 3000 + beaten.var() / 4000)
    assert found.interval.upper - found.interval.lower == pytest.approx(2 * 1.96 * error, rel=0.03)


def test_samples_without_overlap_are_as_sure_as_a_share_of_their_rows() -> None:
    found = domain_scores(draws(50, d=2), draws(40, shift=100.0, seed=1, d=2), permutations=1)
    assert found.auc == 1.0
    assert found.interval == wilson(40, 40)


def test_no_row_was_seen_by_the_classifier_that_scores_it() -> None:
    rng = np.random.default_rng(0)
    # More dimensions than rows: a classifier that had seen its rows would tell them all apart.
    found = domain_scores(rng.standard_normal((60, 200)), rng.standard_normal((60, 200)))
    assert 0.3 < found.auc < 0.7
    assert found.p_value > 0.01


def test_the_same_seed_gives_the_same_answer_and_inputs_are_left_alone() -> None:
    first, second = draws(50, seed=1), draws(40, seed=2)
    kept = first.copy(), second.copy()
    one, two = domain_scores(first, second, seed=3), domain_scores(first, second, seed=3)
    np.testing.assert_array_equal(one.scores_current, two.scores_current)
    assert (one.auc, one.p_value, one.interval) == (two.auc, two.p_value, two.interval)
    np.testing.assert_array_equal(first, kept[0])
    np.testing.assert_array_equal(second, kept[1])


def test_a_unit_of_measure_does_not_matter() -> None:
    first, second = draws(100, seed=1), draws(80, shift=0.5, seed=2)
    assert domain_scores(1e-6 * first, 1e-6 * second).auc == pytest.approx(domain_scores(first, second).auc, abs=1e-6)


def bursts(groups: int, *, shift: float = 0.0, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows [n, 16] in bursts of near-duplicates, four of them on average, and the number of each one's burst."""
    rng = np.random.default_rng(seed)
    numbers = np.repeat(np.arange(groups), rng.geometric(1 / 4, groups))
    rows = rng.standard_normal((groups, 16))[numbers] + 0.1 * rng.standard_normal((numbers.size, 16)) + shift
    return rows, numbers


def test_near_duplicates_do_not_give_their_side_away() -> None:
    held, aucs, p = [], [], []
    for seed in range(100):
        (first, one), (second, other) = bursts(200, seed=2 * seed), bursts(150, seed=2 * seed + 1)
        found = domain_scores(first, second, reference_groups=one, current_groups=other, seed=seed, permutations=19)
        held.append(0.5 in found.interval)
        aucs.append(found.auc)
        p.append(found.p_value)
    assert sum(held) >= binom.ppf(0.001, 100, 0.95)
    assert abs(np.mean(aucs) - 0.5) < 3.5 * np.std(aucs) / 10
    assert sum(np.array(p) <= 0.1) <= binom.ppf(0.999, 100, 0.1)
    assert domain_scores(first, second, permutations=1).interval.lower > 0.6  # what not knowing of bursts says


def test_a_shift_of_bursts_is_seen_as_far_as_new_bursts_would_show_it() -> None:
    (first, one), (second, other) = bursts(200, seed=1), bursts(200, shift=0.3, seed=2)
    found = domain_scores(first, second, reference_groups=one, current_groups=1000 - other, seed=3)
    # The best classifier of new bursts has AUC ndtr(0.3 * sqrt(16) / sqrt(2)) = 0.80; one that learnt from 320 less.
    alone = domain_scores(first, second, seed=3, permutations=1)
    assert 0.6 < found.interval.lower < found.auc <= ndtr(0.3 * 4 / np.sqrt(2))
    assert alone.auc > found.auc + 0.05
    assert found.p_value == 0.005
    assert found.interval.upper - found.interval.lower > 1.5 * (alone.interval.upper - alone.interval.lower)


def busy(rng: np.random.Generator, sizes: list[int], alike: float, d: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Rows [n, d], each standard normal whatever its minute's size, and their minutes; in one `alike` is shared."""
    numbers = np.repeat(np.arange(len(sizes)), sizes)
    shared, own = rng.standard_normal((len(sizes), d))[numbers], rng.standard_normal((numbers.size, d))
    return np.sqrt(alike) * shared + np.sqrt(1.0 - alike) * own, numbers


@pytest.mark.parametrize("alike", [0.9, 0.3, 0.0])
@pytest.mark.parametrize(("before", "now"), [([20] * 60, [5] * 60), ([1] * 300, [20] * 20)])
def test_minutes_of_other_sizes_are_no_difference(before: list[int], now: list[int], alike: float) -> None:
    """With a metric of all rows 0.5 lay in the interval in 0 to 40% where they were nearly alike; with one that counts
    each minute once in 55 to 62% where they were not at all."""
    rng, found = np.random.default_rng(3), []
    for seed in range(40):
        (first, one), (second, other) = busy(rng, before, alike), busy(rng, now, alike)
        found.append(
            domain_scores(first, second, reference_groups=one, current_groups=other, seed=seed, permutations=9)
        )
    assert sum(0.5 in one.interval for one in found) >= binom.ppf(0.001, 40, 0.95)
    assert sum(one.p_value <= 0.1 for one in found) <= binom.ppf(0.999, 40, 0.1)
    aucs = [one.auc for one in found]
    assert abs(np.mean(aucs) - 0.5) < 3.5 * np.std(aucs) / np.sqrt(40)


def test_a_shift_is_seen_though_minutes_have_other_sizes() -> None:
    """Of unrelated rows, without which permuting groups of 1 and of 20 alike found half of such shifts."""
    rng, seen = np.random.default_rng(4), []
    for seed in range(20):
        (first, one), (second, other) = busy(rng, [1] * 300, 0.0, d=8), busy(rng, [20] * 20, 0.0, d=8)
        second[:, 0] += 0.6
        seen.append(
            domain_scores(first, second, reference_groups=one, current_groups=other, seed=seed, permutations=19)
        )
    assert all(one.interval.lower > 0.5 for one in seen)
    assert sum(one.p_value == 0.05 for one in seen) >= 18


def test_groups_of_one_row_are_no_groups() -> None:
    first, second = draws(60, seed=1), draws(50, shift=0.5, seed=2)
    alone = domain_scores(first, second, reference_groups=np.arange(60), current_groups=np.arange(50) + 7, seed=5)
    assert alone.interval == domain_scores(first, second, seed=5).interval
    assert alone.p_value == domain_scores(first, second, seed=5).p_value


@pytest.mark.parametrize(
    ("first", "second", "options", "words"),
    [
        (draws(9), draws(20), {}, "at least 10"),
        (draws(20), draws(20, d=5), {}, "dimensions"),
        (np.full((20, 2), np.nan), draws(20, d=2), {}, "NaN"),
        (np.ones((20, 2)), np.ones((20, 2)), {}, "the same"),
        (np.zeros((20, 2)), np.zeros((20, 2)), {}, "the same"),
        (draws(20), draws(20), {"folds": 1}, "2 folds"),
        (draws(20), draws(20), {"permutations": 0}, "permutation"),
        (draws(20), draws(20), {"confidence": 1.0}, "confidence"),
        (draws(20), draws(20), {"reference_groups": np.arange(20) % 9}, "9 groups, 10 are needed"),
        (draws(20), draws(20), {"current_groups": np.arange(19)}, "20 current values need as many"),
        (draws(20), draws(20), {"current_groups": np.arange(20) / 2}, "whole group numbers"),
    ],
    ids=[
        "few",
        "dimensions",
        "NaN",
        "constant",
        "zeros",
        "one fold",
        "no permutation",
        "confidence",
        "few groups",
        "other groups",
        "half groups",
    ],
)
def test_unusable_samples_are_refused(first, second, options, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NotEnoughData, match=words):
        domain_scores(first, second, **options)
