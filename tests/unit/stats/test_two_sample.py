from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitor.errors import NotEnoughData
from monitor.stats.two_sample import PredictionLaw, cauchy_combination, separation, weighted_law


def law_of(distances: np.ndarray) -> PredictionLaw:
    roots = np.cbrt(distances)
    deviation = float(roots.std(ddof=1))
    return PredictionLaw(float(roots.mean()), deviation, roots.size - 1, deviation / math.sqrt(roots.size))


def test_p_values_are_those_of_a_t_prediction_of_the_cube_root() -> None:
    law = PredictionLaw(0.9, 0.2, 11, 0.2 / math.sqrt(12))
    score = (2.0 ** (1 / 3) - 0.9) / (0.2 * math.sqrt(1 + 1 / 12))
    assert law.p_value(2.0) == pytest.approx(stats.t.sf(score, 11), rel=1e-9)


@pytest.mark.parametrize("freedom", [1, 5, 48])
@pytest.mark.parametrize("windows", [8, 30])
def test_a_further_window_is_called_strange_hardly_more_often_than_said(freedom: int, windows: int) -> None:
    rng = np.random.default_rng(freedom)
    drawn = rng.chisquare(freedom, (8000, windows + 1))
    p = np.array([law_of(row[:-1]).p_value(row[-1]) for row in drawn])
    assert np.mean(p < 0.05) <= 0.065
    # With one degree of freedom the cube root's upper tail is a little heavier than normal: chi-squared gives 1.5%.
    assert np.mean(p < 0.01) <= (0.019 if freedom == 1 else 0.013)


@pytest.mark.parametrize("freedom", [1, 16, 48])
def test_a_rise_of_the_detectable_size_is_found_about_as_often_as_said(freedom: int) -> None:
    rng = np.random.default_rng(freedom)
    law = law_of(rng.chisquare(freedom, 200))
    rise = law.detectable(0.01, 0.8)
    drawn = rng.noncentral_chisquare(freedom, rise, 4000)
    assert np.mean([law.p_value(one) < 0.01 for one in drawn]) == pytest.approx(0.8, abs=0.08)


def test_p_values_are_never_zero_nor_above_one() -> None:
    law = PredictionLaw(1.0, 0.1, 1000, 0.0)
    assert 0.0 < law.p_value(1e12) < 1e-200
    assert law.p_value(0.0) == pytest.approx(1.0)


@given(st.floats(1e-290, 0.98), st.integers(1, 9))
def test_equal_p_values_combine_to_themselves(p: float, times: int) -> None:
    assert cauchy_combination([p] * times) == pytest.approx(p, rel=1e-6)


def test_the_combination_equals_the_textbook_formula() -> None:
    p = np.array([0.01, 0.2, 0.7])
    expected = 0.5 - math.atan(np.mean(np.tan((0.5 - p) * np.pi))) / np.pi
    assert cauchy_combination(p) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.95])
def test_the_combination_keeps_its_level_whatever_the_dependence(correlation: float) -> None:
    rng = np.random.default_rng(2)
    shared = rng.standard_normal((20_000, 1))
    scores = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * rng.standard_normal((20_000, 5))
    combined = np.array([cauchy_combination(p) for p in stats.norm.sf(scores)])
    assert np.mean(combined < 0.01) == pytest.approx(0.01, abs=0.0025)


def test_one_p_of_one_does_not_silence_a_finding() -> None:
    assert cauchy_combination([1e-6, 1.0, 1.0]) < 1e-5


def test_a_weight_of_two_is_the_same_p_value_twice() -> None:
    assert cauchy_combination([0.01, 0.3], [2.0, 1.0]) == pytest.approx(cauchy_combination([0.01, 0.01, 0.3]))


@pytest.mark.parametrize("unit", [1e-30, 1e9, 1e29])
def test_the_unit_of_the_weights_does_not_matter(unit: float) -> None:
    for p in ([0.0, 0.5], [0.2, 0.03]):
        ratio = cauchy_combination(p, [3 * unit, unit]) / cauchy_combination(p, [3.0, 1.0])
        assert ratio == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, float("nan")], [1.0, -1.0]])
def test_weights_that_are_none_are_refused(weights: list[float]) -> None:
    with pytest.raises(NotEnoughData, match="weights"):
        cauchy_combination([0.01, 0.3], weights)


@pytest.mark.parametrize(
    ("weights", "within"),
    [
        ([1.0] * 12, 0.1),
        (np.linspace(1.0, 0.2, 32) ** 2, 0.15),
        ([3.0, 1.0, 1.0], 0.25),
        ([1.0, 0.7, 0.5, *[0.1] * 5], 0.3),
    ],
)
def test_the_law_of_a_weighted_sum_of_squares_fits_its_tail(weights: list[float], within: float) -> None:
    given_weights = np.array(weights)
    drawn = np.random.default_rng(5).standard_normal((200_000, given_weights.size)) ** 2 @ given_weights
    centre, deviation = weighted_law(given_weights)
    law = PredictionLaw(centre, deviation, freedom=1e6, error=0.0)
    for level in (0.05, 0.01):
        threshold = float(np.quantile(drawn / given_weights.size, 1.0 - level))
        assert law.p_value(threshold) == pytest.approx(level, rel=within)


@given(st.floats(0, 10))
def test_separation_is_the_auc_of_two_normals(distance: float) -> None:
    assert separation(distance) == pytest.approx(stats.norm.cdf(distance / math.sqrt(2)))


def test_separation_matches_a_drawn_auc() -> None:
    rng = np.random.default_rng(0)
    low, high = rng.standard_normal(2000), rng.standard_normal(2000) + 1.5
    auc = stats.mannwhitneyu(high, low).statistic / 2000**2
    assert separation(1.5) == pytest.approx(auc, abs=0.015)


@pytest.mark.parametrize("bad", [-1.0, float("nan")])
def test_impossible_distances_are_refused(bad: float) -> None:
    with pytest.raises(NotEnoughData):
        separation(bad)


@pytest.mark.parametrize("p_values", [[], [float("nan")], [2.0]])
def test_what_is_no_p_value_is_refused(p_values: list[float]) -> None:
    with pytest.raises(NotEnoughData):
        cauchy_combination(p_values)
