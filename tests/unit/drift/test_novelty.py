"""A few rows of a kind that the reference never held: found by how far away they lie, not by how many they are."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.domain.results import DriftVerdict
from monitor.drift.compare import MIN_CURRENT, compare
from monitor.drift.fit import learn
from monitor.drift.novelty import BEYOND, FARTHEST
from monitor.drift.reference import Reference, build
from monitor.drift.sketch import sketch
from monitor.stats.exact_sums import to_values

NAME = "novelty"
DIMENSION = 200
WINDOWS, PER_WINDOW = 12, 100


def rows(rng: np.random.Generator, n: int, strangers: int = 0) -> np.ndarray:
    """Rows with a decaying spectrum; strangers lie where there is little of it."""
    usual = rng.standard_normal((n, DIMENSION)) * np.geomspace(1.0, 0.05, DIMENSION)
    usual[:strangers, 100:] += 0.5
    return usual


def reference(rng: np.random.Generator) -> Reference:
    return build(rows(rng, WINDOWS * PER_WINDOW), np.arange(WINDOWS * PER_WINDOW) // PER_WINDOW, "e")


def p_values(made: Reference, window: np.ndarray) -> dict[str, float]:
    return {
        one.name: one.p_value
        for one in compare(made.fit, made.baseline, sketch(window, made.fit), made.dispersion).detectors
    }


def test_three_strangers_in_a_hundred_are_found_where_the_tail_alone_does_not_see_them() -> None:
    rng = np.random.default_rng(1)
    made = reference(rng)
    found = [p_values(made, rows(rng, PER_WINDOW, strangers=3)) for _ in range(5)]
    assert max(one[NAME] for one in found) < 0.005
    assert min(one["tail_energy"] for one in found) > 0.01


@pytest.mark.parametrize("seed", range(6))
def test_one_stranger_is_no_alarm_however_far_away_it_lies(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = reference(rng)
    window = rows(rng, MIN_CURRENT - 1)
    alone = [np.concatenate([window, np.full((1, DIMENSION), far)]) for far in (1.0, 10.0, 1e6)]
    found = [compare(made.fit, made.baseline, sketch(one, made.fit), made.dispersion) for one in alone]
    assert {one.verdict for one in found} == {DriftVerdict.NO_DRIFT}


@pytest.mark.parametrize("dimension", [2, 16, 64, 512])
def test_features_are_centred_and_of_about_unit_variance_on_rows_that_the_fit_has_not_seen(traffic, dimension) -> None:  # type: ignore[no-untyped-def]
    world = traffic(dimension)
    fit = learn(world.rows(2000), "e")
    features = to_values(fit.features(world.rows(5000)))[:, fit.blocks[NAME]]
    assert abs(features.mean()) < 0.15
    assert 0.5 < features.var() < 1.6


def test_rows_that_the_axes_were_learnt_on_do_not_set_the_threshold_too_low() -> None:
    rng = np.random.default_rng(3)
    fit = learn(rows(rng, 2000), "e")
    features = to_values(fit.features(rows(rng, 5000)))[:, fit.blocks[NAME]][:, 0]
    # A row counts that lies beyond the one threshold or the other.
    assert (features > features.min()).mean() == pytest.approx(2 * (1 - BEYOND), abs=0.03)


def test_a_stranger_is_not_pulled_in_to_where_other_rows_are() -> None:
    fit = learn(rows(np.random.default_rng(5), 400), "e")
    far = to_values(fit.features(np.full((1, DIMENSION), 1e3)))[0, fit.blocks[NAME]]
    parameters = fit.parameters[NAME]
    assert far == pytest.approx((FARTHEST - parameters["centre"]) / parameters["scale"], rel=1e-5)


def test_it_does_not_apply_where_rows_are_all_at_the_edge() -> None:
    rng = np.random.default_rng(6)
    assert NAME not in learn(rng.choice([-1.0, 1.0], size=(600, 1)), "e").blocks


@pytest.mark.parametrize("dimension", [1, 3])
def test_it_applies_where_the_axes_explain_everything_too(dimension: int) -> None:
    rng = np.random.default_rng(4)
    usual = rng.standard_normal((WINDOWS * PER_WINDOW, dimension))
    made = build(usual, np.arange(len(usual)) // PER_WINDOW, "e")
    window = rng.standard_normal((PER_WINDOW, dimension))
    window[:4] = 9.0
    assert p_values(made, window)[NAME] < 1e-3
