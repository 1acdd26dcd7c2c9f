from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitor.errors import NotEnoughData
from monitor.stats.two_sample import FReference, cauchy_combination, separation


@pytest.mark.parametrize("signal", [1.0, 2.5, 48.0])
@pytest.mark.parametrize("noise", [6.0, 250.0, 1e5])
def test_the_reference_law_is_scipys_f(signal: float, noise: float) -> None:
    for statistic in (0.3, 1.0, 7.0):
        expected = stats.f.sf(statistic / 2.0, signal, noise)
        assert FReference(2.0, signal, noise).p_value(statistic) == pytest.approx(expected, rel=1e-9)


def test_with_one_signal_degree_it_is_students_t_squared() -> None:
    assert FReference(1.0, 1.0, 9.0).p_value(2.5**2) == pytest.approx(2 * stats.t.sf(2.5, 9))


@pytest.mark.parametrize("signal", [1.0, 12.0])
def test_a_shift_of_the_detectable_size_is_found_with_the_stated_power(signal: float) -> None:
    null = FReference(1.0, signal, 40.0)
    shift = null.detectable(0.01, 0.8)
    assert stats.ncf.sf(stats.f.isf(0.01, signal, 40), signal, 40, shift * signal) == pytest.approx(0.8, abs=1e-4)


def test_p_values_are_never_zero_nor_above_one() -> None:
    null = FReference(1.0, 40.0, 1e6)
    assert 0.0 < null.p_value(1e9) < 1e-200
    assert null.p_value(-1.0) == 1.0


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
