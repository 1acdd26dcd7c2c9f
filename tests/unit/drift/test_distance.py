"""Intervals of the distance and of the effect: what they hold, by simulation with a truth known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.drift.compare import LOCATING, compare, detect
from monitor.drift.distance import Distance
from monitor.drift.reference import Reference, build
from monitor.drift.sketch import sketch
from monitor.drift.two_sample import compare_arrays
from monitor.stats.noncentrality import NoncentralLaw
from monitor.stats.two_sample import separation

AXES, WINDOWS, ROWS = 8, 24, 150
SCALES = np.geomspace(2.0, 0.02, AXES)
"""The axes that the frame leaves out hold next to nothing, and the distance is that along the others."""


def normal(rng: np.random.Generator, n: int, away: float = 0.0, share: float = 1.0) -> np.ndarray:
    """Rows [n, 8] of normal axes, a share of them at random moved so far along the first that the mean moves by `away`
    deviations of the unmoved."""
    rows = SCALES * rng.standard_normal((n, AXES))
    rows[rng.random(n) < share, 0] += away / share * SCALES[0]
    return rows


def reference(seed: int) -> Reference:
    rows = normal(np.random.default_rng(1000 + seed), WINDOWS * ROWS)
    return build(rows, np.repeat(np.arange(WINDOWS), ROWS), "known")


@pytest.fixture(scope="module")
def references() -> list[Reference]:
    return [reference(seed) for seed in range(12)]


def intervals(references: list[Reference], away: float, share: float = 1.0) -> np.ndarray:
    """Of the distance of 20 windows under each reference, [240, 2]."""
    rng = np.random.default_rng(6)
    return np.array(
        [
            compare(one.fit, one.baseline, sketch(normal(rng, ROWS, away, share), one.fit), one.dispersion)
            .distance_interval
            for one in references
            for _ in range(20)
        ]
    )  # fmt: skip


@pytest.mark.parametrize("away", [0.25, 0.6, 1.2])
def test_the_true_distance_is_held_about_as_often_as_said(references: list[Reference], away: float) -> None:
    lower, upper = intervals(references, away).T
    assert np.mean((lower <= away) & (away <= upper)) >= 0.92
    assert np.mean(away < lower) < 0.06
    assert np.mean(away > upper) < 0.06
    # An interval that held everything would do too: it is about 4 standard errors wide.
    assert np.mean(upper - lower) < 5.5 / np.sqrt(ROWS)


def test_without_a_change_it_begins_at_zero(references: list[Reference]) -> None:
    lower, upper = intervals(references, 0.0).T
    assert np.mean(lower > 0.0) < 0.05
    assert (upper > 0.0).all()


def test_few_rows_that_moved_far_are_less_sure_than_many_that_moved_little(references: list[Reference]) -> None:
    many, few = intervals(references, 0.5), intervals(references, 0.5, share=0.1)
    assert np.mean((few[:, 0] <= 0.5) & (few[:, 1] >= 0.5)) > 0.9
    assert np.mean(few[:, 1] - few[:, 0]) > 1.3 * np.mean(many[:, 1] - many[:, 0])


def test_the_choice_of_the_loudest_is_allowed_for(references: list[Reference]) -> None:
    rng, one = np.random.default_rng(7), references[0]
    for _ in range(20):
        found = compare(one.fit, one.baseline, sketch(normal(rng, ROWS, 0.4), one.fit), one.dispersion)
        own = next(each for each in found.detectors if each.name == found.detector)
        assert found.effect_interval is not None
        assert found.effect_interval[0] <= own.effect_interval[0] <= found.effect == own.effect
        assert found.effect_interval[1] == own.effect_interval[1]


def test_effects_are_those_of_the_distances(references: list[Reference]) -> None:
    one = references[0]
    window = sketch(normal(np.random.default_rng(8), ROWS, 0.8), one.fit)
    result, distance = detect(LOCATING, one.fit, one.baseline, window, one.dispersion)
    lower, upper = distance.interval()
    assert result.effect == separation(distance.estimate)
    assert result.effect_interval == (separation(lower), separation(upper))
    assert lower < distance.estimate < upper


def test_the_estimate_is_never_outside() -> None:
    law = NoncentralLaw(1.0, 0.1, 0.05)
    for estimate in (0.0, 1.0, 50.0):
        lower, upper = Distance(estimate, 9.0, law, of=np.sqrt).interval()
        assert lower <= estimate <= upper


def test_a_window_that_is_the_reference_itself_is_no_surer_than_others(references: list[Reference]) -> None:
    one = references[0]
    result, distance = detect(LOCATING, one.fit, one.baseline, one.baseline, one.dispersion)
    lower, upper = distance.interval()
    assert (result.statistic, distance.estimate, lower) == (0.0, 0.0, 0.0)
    assert 0.02 < upper < 0.5


@pytest.mark.parametrize("away", [0.0, 0.4, 1.0])
def test_two_arrays_hold_it_too(away: float) -> None:
    rng = np.random.default_rng(11)
    found = []
    for _ in range(150):
        result = compare_arrays(normal(rng, 400), normal(rng, 120, away), permutations=0)
        assert result.distance_interval is not None
        assert result.effect_interval is not None
        assert result.distance_interval[0] <= result.distance <= result.distance_interval[1]
        assert result.effect_interval[0] <= result.effect <= result.effect_interval[1]
        found.append(result.distance_interval)
    lower, upper = np.array(found).T
    assert 0.91 <= np.mean((lower <= away) & (away <= upper)) <= 0.995
    assert np.mean(upper - lower) < 6.0 / np.sqrt(120)


def test_where_there_is_no_verdict_there_is_no_interval() -> None:
    few = compare_arrays(normal(np.random.default_rng(1), 20), normal(np.random.default_rng(2), 20))
    assert (few.effect_interval, few.distance_interval) == (None, None)
