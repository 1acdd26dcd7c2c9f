"""A widening of everything at once, or of the axes and the residual apart."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.drift.compare import compare
from monitor.drift.fit import learn
from monitor.drift.projection import Projection
from monitor.drift.reference import build
from monitor.drift.sketch import sketch
from monitor.drift.spread import Spread

DIMENSION = 200


def rows(rng: np.random.Generator, n: int, widen: float = 1.0) -> np.ndarray:
    return 3.0 + widen * rng.standard_normal((n, DIMENSION)) * np.geomspace(1.0, 0.05, DIMENSION)


def test_a_small_widening_of_everything_is_found() -> None:
    rng = np.random.default_rng(1)
    made = build(rows(rng, 24 * 100), np.arange(2400) // 100, "e")
    p = []
    for _ in range(20):
        window = sketch(rows(rng, 100, 1.03), made.fit)
        detectors = compare(made.fit, made.baseline, window, made.dispersion).detectors
        p += [one.p_value for one in detectors if one.name == "spread"]
    assert np.median(p) < 0.01


def test_what_moves_the_axes_and_the_residual_apart_is_seen_too() -> None:
    rng = np.random.default_rng(4)
    made = build(rows(rng, 24 * 100), np.arange(2400) // 100, "e")
    window = rows(rng, 100) - 3.0
    window[:, :40] *= 0.93
    window[:, 60:] *= 1.07
    found = compare(made.fit, made.baseline, sketch(3.0 + window, made.fit), made.dispersion).detectors
    assert {one.name: one.p_value for one in found}["spread"] < 0.01


@pytest.mark.parametrize(("dimension", "features"), [(1, 1), (3, 1), (64, 2)])
def test_without_a_residual_the_axes_count_alone(dimension: int, features: int) -> None:
    fit = learn(np.random.default_rng(2).standard_normal((600, dimension)), "e")
    block = fit.blocks["spread"]
    assert block.stop - block.start == features


def test_fits_from_before_the_residual_counted_are_read_as_they_were() -> None:
    rng = np.random.default_rng(3)
    axes = rng.standard_normal((50, 8))
    view = Projection(rng.standard_normal((50, 12)), axes, rng.random(50), 1.0)
    old = {"centre": np.array([0.1]), "scale": np.array([0.5])}
    expected = (np.log(np.mean(axes**2, axis=1, keepdims=True) + 0.1) - 0.1) / 0.5
    np.testing.assert_allclose(Spread().features(view, old), expected)
