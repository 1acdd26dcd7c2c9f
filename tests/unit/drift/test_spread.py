"""A widening of everything at once: seen where neither the axes nor the residual alone would be sure."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.drift.compare import compare
from monitor.drift.fit import learn
from monitor.drift.projection import Projection
from monitor.drift.reference import build
from monitor.drift.sketch import sketch
from monitor.drift.spread import Spread
from monitor.stats.exact_sums import to_values

DIMENSION = 200


def rows(rng: np.random.Generator, n: int, widen: float = 1.0) -> np.ndarray:
    return 3.0 + widen * rng.standard_normal((n, DIMENSION)) * np.geomspace(1.0, 0.05, DIMENSION)


def test_a_small_widening_of_everything_stands_out_most_here() -> None:
    rng = np.random.default_rng(1)
    made = build(rows(rng, 24 * 100), np.arange(2400) // 100, "e")
    found = []
    for _ in range(20):
        window = sketch(rows(rng, 100, 1.03), made.fit)
        detectors = compare(made.fit, made.baseline, window, made.dispersion).detectors
        found.append({one.name: one.p_value for one in detectors})
    median = {name: float(np.median([one[name] for one in found])) for name in found[0]}
    assert median["spread"] < 0.01
    assert min(median, key=lambda name: median[name]) == "spread"


@pytest.mark.parametrize("dimension", [1, 3])
def test_without_a_residual_the_axes_count_alone(dimension: int) -> None:
    few = np.random.default_rng(2).standard_normal((300, dimension))
    fit = learn(few, "e")
    if fit.scales.size == dimension:
        np.testing.assert_array_equal(fit.parameters["spread"]["weights"], [1.0, 0.0])
    assert np.isfinite(to_values(fit.features(few))).all()


def test_fits_from_before_the_residual_counted_are_read_as_they_were() -> None:
    rng = np.random.default_rng(3)
    axes = rng.standard_normal((50, 8))
    view = Projection(rng.standard_normal((50, 12)), axes, rng.random(50), 1.0)
    old = {"centre": np.array([0.1]), "scale": np.array([0.5])}
    expected = (np.log(np.mean(axes**2, axis=1, keepdims=True) + 0.1) - 0.1) / 0.5
    np.testing.assert_allclose(Spread().features(view, old), expected)
