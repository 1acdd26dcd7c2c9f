from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from monitor.domain.results import DriftVerdict
from monitor.drift.two_sample import compare_arrays
from monitor.errors import NotEnoughData


def skewed(rng: np.random.Generator, n: int) -> np.ndarray:
    """Rows whose squares have heavy tails, so that an analytic law has something to get wrong."""
    return rng.lognormal(0.0, 0.8, (n, 5))


def test_the_permutation_test_keeps_its_level_and_the_analytic_law_comes_near() -> None:
    rng = np.random.default_rng(1)
    p, analytic = [], []
    for i in range(150):
        first, second = skewed(rng, 120), skewed(rng, 60)
        p.append(compare_arrays(first, second, level=0.1, permutations=39, seed=i).p_value)
        analytic.append(compare_arrays(first, second, permutations=0).p_value)
    low, high = stats.binom.ppf([0.0005, 0.9995], 150, 0.1)
    assert low <= (np.array(p) <= 0.1).sum() <= high
    assert (np.array(analytic) <= 0.1).mean() < 0.2
    assert stats.spearmanr(p, analytic).statistic > 0.9


@pytest.mark.parametrize(("level", "permutations"), [(0.01, 99), (1 / 49, 48), (0.002, 499), (1e-4, 0)])
def test_the_least_level_that_permutations_reach_is_heard(level: float, permutations: int) -> None:
    rng = np.random.default_rng(10)
    found = compare_arrays(skewed(rng, 120), skewed(rng, 60) + 20.0, level=level, permutations=permutations)
    assert found.verdict is DriftVerdict.DRIFT
    assert found.p_value == 1 / (permutations + 1) if permutations else found.p_value < level


def test_an_exact_p_value_is_at_most_the_level_no_more_often_than_that() -> None:
    """Of 10 equally likely ranks the first is drift at level 0.1, not the first of none."""
    rng, fired = np.random.default_rng(11), 0
    for i in range(200):
        found = compare_arrays(skewed(rng, 120), skewed(rng, 60), level=0.1, permutations=9, seed=i)
        fired += found.verdict is DriftVerdict.DRIFT
    low, high = stats.binom.ppf([0.0005, 0.9995], 200, 0.1)
    assert low <= fired <= high


def test_in_one_dimension_a_shift_of_the_mean_is_students_t() -> None:
    rng = np.random.default_rng(2)
    for shift in (0.0, 0.2, 0.4):
        first, second = rng.standard_normal((300, 1)), rng.standard_normal((150, 1)) + shift
        found = compare_arrays(first, second, permutations=0)
        located = {one.name: one for one in found.detectors}["mean_shift"]
        outside = stats.ttest_ind(first, second).pvalue.item()
        # Wilson and Hilferty's cube root is good to about a fifth of a standard deviation.
        assert stats.norm.isf(located.p_value) == pytest.approx(stats.norm.isf(outside), abs=0.2)


@pytest.mark.parametrize("dimension", [1, 8, 300])
def test_a_change_is_found_and_an_unchanged_sample_is_not(traffic, agreement, dimension: int) -> None:  # type: ignore[no-untyped-def]
    world = agreement(1) if dimension == 1 else traffic(dimension, seed=3)
    moved = {"mean": 0.35} if dimension == 1 else {"mean": 0.5}
    same = compare_arrays(world.rows(800), world.rows(200))
    assert same.verdict is DriftVerdict.NO_DRIFT
    changed = compare_arrays(world.rows(800), world.rows(200, **moved))
    assert (changed.verdict, changed.n_reference, changed.n_current) == (DriftVerdict.DRIFT, 800, 200)
    assert changed.p_value == 1 / 500
    assert changed.effect > 0.6


@pytest.mark.parametrize("dimension", [1, 2, 6])
def test_rows_without_any_shift_are_unchanged(dimension: int) -> None:
    rows = np.random.default_rng(1).normal(size=(200, dimension))
    for first, second in ((rows, rows), (rows > 0.0, np.tile(rows > 0.0, (3, 1)))):
        found = compare_arrays(first, second)
        assert (found.verdict, found.distance) == (DriftVerdict.NO_DRIFT, 0.0)
        assert found.p_value > 0.9
        assert found.distance_interval[0] == 0.0 < found.distance_interval[1] < 0.7


def test_shares_that_are_equal_by_chance_are_unchanged() -> None:
    rng, fired = np.random.default_rng(9), 0
    for _ in range(40):
        kinds = [np.eye(3)[rng.permutation(np.repeat([0, 1, 2], (n // 2, n // 4, n // 4)))] for n in (200, 80)]
        fired += compare_arrays(*kinds, permutations=0).verdict is DriftVerdict.DRIFT
    assert fired == 0


def test_a_constant_that_becomes_another_has_drifted() -> None:
    found = compare_arrays(np.zeros((200, 2)), np.tile([0.0, 1.0], (100, 1)))
    assert (found.verdict, found.p_value) == (DriftVerdict.DRIFT, 1 / 500)
    assert found.effect_interval[0] > 0.9


def test_the_distance_is_in_standard_deviations_of_single_rows() -> None:
    rng = np.random.default_rng(4)
    for shift in (0.5, 1.0, 2.0):
        found = compare_arrays(rng.standard_normal((3000, 1)), rng.standard_normal((3000, 1)) + shift, permutations=0)
        assert found.distance == pytest.approx(shift, rel=0.06)


def test_a_shift_of_the_smallest_distance_is_found_about_as_often_as_said() -> None:
    rng = np.random.default_rng(5)
    found = []
    for _ in range(60):
        first, second = rng.standard_normal((400, 1)), rng.standard_normal((200, 1))
        size = compare_arrays(first, second, permutations=0).smallest_distance
        found.append(compare_arrays(first, second + size, permutations=0).p_value < 0.01)
    assert 0.62 <= np.mean(found) <= 0.97


def test_windows_are_honoured(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(16, seed=6)
    rows, windows = np.concatenate([world.bursts(100, 10) for _ in range(24)]), np.repeat(np.arange(24), 100)
    looks = [world.bursts(100, 10) for _ in range(20)]
    blind = [compare_arrays(rows, one, permutations=0).verdict is DriftVerdict.DRIFT for one in looks]
    aware = [compare_arrays(rows, one, windows=windows).verdict is DriftVerdict.DRIFT for one in looks]
    assert sum(blind) > 10
    assert sum(aware) <= 2


def test_too_few_rows_are_a_verdict() -> None:
    rng = np.random.default_rng(7)
    few = compare_arrays(rng.standard_normal((200, 3)), rng.standard_normal((49, 3)))
    assert few.verdict is DriftVerdict.NOT_ENOUGH_DATA
    assert "49 rows; 50" in few.reason
    thin = compare_arrays(rng.standard_normal((99, 3)), rng.standard_normal((200, 3)))
    assert thin.verdict is DriftVerdict.NOT_ENOUGH_REFERENCE


def test_the_same_seed_gives_the_same_answer_and_inputs_are_left_alone() -> None:
    rng = np.random.default_rng(8)
    first, second = rng.standard_normal((300, 4)), rng.standard_normal((100, 4))
    kept = first.copy(), second.copy()
    assert compare_arrays(first, second, seed=1) == compare_arrays(first, second, seed=1)
    np.testing.assert_array_equal(first, kept[0])
    np.testing.assert_array_equal(second, kept[1])


@pytest.mark.parametrize(
    ("first", "second", "options", "words"),
    [
        (np.ones((200, 3)), np.ones((100, 3)), {}, "the same"),
        (np.eye(200), np.eye(100), {}, "dimensions"),
        (np.full((200, 2), np.inf), np.ones((100, 2)), {}, "infinity"),
        (np.eye(200), np.eye(200)[0], {}, "dimension"),
        (np.eye(200), np.eye(200), {"level": 1.0}, "level"),
        (np.eye(200), np.eye(200), {"permutations": -1}, "permutations"),
        (np.eye(200), np.eye(200), {"permutations": 2.5}, "permutations"),
        (np.eye(200), np.eye(200), {"level": 0.0019}, "499 permutations cannot reach level 0.0019: 526 are needed"),
        (np.eye(200), np.eye(200), {"permutations": 98}, "98 permutations .* 99 are needed"),
        (np.eye(200), np.eye(200), {"seed": -1}, "seed"),
        (np.eye(200), np.eye(200), {"windows": np.zeros(3, dtype=int)}, "window numbers"),
    ],
    ids=["constant", "dimensions", "infinite", "one row", "level", "permutations", "half of one", "too low a level",
         "too few permutations", "seed", "windows"],
)  # fmt: skip
def test_unusable_arrays_are_refused(first, second, options, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NotEnoughData, match=words):
        compare_arrays(first, second, **options)
