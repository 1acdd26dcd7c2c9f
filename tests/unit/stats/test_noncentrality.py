"""Intervals of a noncentrality, beside scipy's exact noncentral chi-squared law."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import ncx2, norm, t

from monitor.errors import NotEnoughData
from monitor.stats.noncentrality import NoncentralLaw
from monitor.stats.two_sample import PredictionLaw, weighted_law


def chi_squared(freedom: float) -> NoncentralLaw:
    """Of a chi-squared variable over its degrees of freedom."""
    return NoncentralLaw(1.0, 2.0 / freedom, 1.0 / freedom)


def exact(x: float, freedom: float, level: float) -> float:
    """The noncentrality under which x is exceeded with chance `level`."""
    return float(brentq(lambda nc: ncx2.sf(x, freedom, nc) - level, 1e-9, 1e5))


@pytest.mark.parametrize(
    ("freedom", "x"), [(1, 9.0), (1, 200.0), (2, 50.0), (4, 25.0), (10, 30.0), (48, 100.0), (48, 1000.0)]
)
def test_limits_are_those_of_the_noncentral_chi_squared_law(freedom: float, x: float) -> None:
    found = chi_squared(freedom).interval(x / freedom).divided(1.0 / freedom)
    assert np.sqrt(found.lower) == pytest.approx(np.sqrt(exact(x, freedom, 0.025)), rel=0.02)
    assert np.sqrt(found.upper) == pytest.approx(np.sqrt(exact(x, freedom, 0.975)), rel=0.02)


@pytest.mark.parametrize(("freedom", "x"), [(1, 1.0), (2, 6.0), (48, 60.0)])
def test_what_chance_may_explain_begins_at_zero(freedom: float, x: float) -> None:
    found = chi_squared(freedom).interval(x / freedom).divided(1.0 / freedom)
    assert found.lower == 0.0
    assert np.sqrt(found.upper) == pytest.approx(np.sqrt(exact(x, freedom, 0.975)), rel=0.02)


def test_a_distance_below_the_usual_one_says_no_more_than_that_one() -> None:
    law = chi_squared(20.0)
    assert ncx2.cdf(20.0 * 0.3, 20.0, 0.0) < 0.025  # by itself it would leave no surplus at all
    assert law.interval(0.3) == law.interval(0.0) == law.interval(law.usual)
    assert law.interval(0.3).upper > 0.3


@pytest.mark.parametrize("freedom", [2.0, 5.0, 48.0])
@pytest.mark.parametrize("share", [0.005, 0.05, 0.5, 0.95, 0.995])
@pytest.mark.parametrize("noncentrality", [3.0, 10.0, 300.0])
def test_scores_are_those_of_the_exact_law(freedom: float, share: float, noncentrality: float) -> None:
    x = float(ncx2.ppf(share, freedom, noncentrality))
    score = chi_squared(freedom).score(x / freedom, noncentrality / freedom)
    assert norm.cdf(score) == pytest.approx(share, abs=0.012)


@pytest.mark.parametrize("distance", [0.2, 1.0, 3.0, 12.0])
def test_without_a_surplus_it_is_the_law_of_unchanged_windows(distance: float) -> None:
    law = PredictionLaw(*weighted_law(np.geomspace(1.0, 0.1, 12)), freedom=9.0, error=0.02)
    score = NoncentralLaw.beyond(law, 0.01).score(distance, 0.0)
    assert t.sf(score, 9.0) == pytest.approx(law.p_value(distance), rel=1e-9)


def test_the_mean_and_the_variance_are_those_that_the_cube_root_has() -> None:
    weights = np.geomspace(1.0, 0.1, 12)
    law = NoncentralLaw.beyond(PredictionLaw(*weighted_law(weights), freedom=inf, error=0.0), 1e-6)
    assert law.usual == pytest.approx(weights.mean())
    assert law.variance == pytest.approx(2.0 * np.square(weights).sum() / weights.size**2)
    assert law.slope == pytest.approx(np.square(weights).sum() / weights.sum() / weights.size)
    assert law == NoncentralLaw.beyond(PredictionLaw(*weighted_law(weights), freedom=inf, error=0.0), 0.0)


def test_limits_rise_with_the_distance_and_part_with_confidence() -> None:
    law = chi_squared(6.0)
    found = [law.interval(distance) for distance in (0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 64.0)]
    assert [one.lower for one in found] == sorted(one.lower for one in found)
    assert [one.upper for one in found] == sorted(one.upper for one in found)
    near, far = law.interval(4.0, 0.1, 0.1), law.interval(4.0, 0.001, 0.001)
    assert far.lower < near.lower < 3.0 < near.upper < far.upper


@pytest.mark.parametrize("distance", [0.0, 0.7, 1.5, 6.0, 100.0])
def test_few_windows_and_a_centre_that_is_not_known_make_it_wider(distance: float) -> None:
    known, guessed = chi_squared(8.0), NoncentralLaw(1.0, 0.25, 0.125, freedom=4.0, error=0.3)
    assert guessed.interval(distance).lower <= known.interval(distance).lower
    assert guessed.interval(distance).upper > known.interval(distance).upper or distance == 0.0


def test_rows_that_scatter_more_make_it_wider() -> None:
    law = chi_squared(8.0)
    quiet, loud = law.interval(20.0), law.scattered(0.5).interval(20.0)
    assert loud.lower < quiet.lower < 19.0 < quiet.upper < loud.upper
    assert law.scattered(0.0) == law


@pytest.mark.parametrize("scatter", [0.0, 0.1, 3.0])
@pytest.mark.parametrize("surplus", [0.0, 0.3, 2.0, 20.0])
def test_it_covers_its_share_of_windows(scatter: float, surplus: float) -> None:
    """Mean squares of 12 normal variables, one of which is moved and scatters more than the others."""
    rng, count = np.random.default_rng(3), 12
    shifts = rng.standard_normal((1500, count))
    shifts[:, 0] += np.sqrt(count * scatter) * rng.standard_normal(1500) + np.sqrt(count * surplus)
    law = chi_squared(count).scattered(scatter)
    found = [law.interval(float(one)) for one in (shifts**2).mean(axis=1)]
    below = np.mean([surplus < one.lower for one in found])
    above = np.mean([surplus > one.upper for one in found])
    assert 0.01 < below < 0.04
    # The upper end never misses what it leaves possible at the usual distance.
    assert (0.01 if surplus > law.interval(law.usual).upper else 0.0) <= above < 0.04


@pytest.mark.parametrize("distance", [-1.0, nan, inf])
def test_a_distance_that_cannot_be_is_refused(distance: float) -> None:
    with pytest.raises(NotEnoughData, match="squared distance"):
        chi_squared(3.0).interval(distance)


@pytest.mark.parametrize(("lower", "upper"), [(0.0, 0.1), (0.1, 1.0), (nan, 0.1), (-0.1, 0.1)])
def test_a_chance_that_cannot_be_is_refused(lower: float, upper: float) -> None:
    with pytest.raises(NotEnoughData, match="level"):
        chi_squared(3.0).interval(2.0, lower, upper)


@pytest.mark.parametrize(
    ("centre", "deviation", "slope"), [(0.0, 0.1, 0.1), (1.0, 0.0, 0.1), (1.0, 0.1, nan), (1.0, 0.1, -0.1)]
)
def test_a_law_that_cannot_be_is_refused(centre: float, deviation: float, slope: float) -> None:
    with pytest.raises(NotEnoughData, match="no distance has"):
        NoncentralLaw.beyond(PredictionLaw(centre, deviation, inf, 0.0), slope)
