"""What lies outside of the kept axes: seen where it moves, unseen where it does not."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.drift.compare import compare
from monitor.drift.fit import MAX_AXES, learn
from monitor.drift.reference import build
from monitor.drift.sketch import sketch
from monitor.stats.exact_sums import to_values

NAME = "residual_projection"
WIDE, NARROW = 10, 200


def rows(rng: np.random.Generator, n: int, shift: float = 0.0) -> np.ndarray:
    """Ten wide dimensions and 200 narrow ones; `shift` moves the narrow ones, each by so many standard deviations."""
    narrow = rng.standard_normal((n, NARROW)) + shift * np.where(np.arange(NARROW) % 2, 1.0, -1.0)
    return np.concatenate([5.0 * rng.standard_normal((n, WIDE)), 0.2 * narrow], axis=1)


def features(fit, vectors: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    return to_values(fit.features(vectors))[:, fit.blocks[NAME]]


def test_features_are_white_and_blind_to_the_axes() -> None:
    rng = np.random.default_rng(1)
    fit = learn(rows(rng, 4000), "e")
    found = features(fit, rows(rng, 4000))
    # The narrow axes among the kept ones fit the noise of 4,000 rows, so fresh rows have a tenth more outside of them.
    np.testing.assert_allclose(np.cov(found.T), 1.1 * np.eye(found.shape[1]), atol=0.1)
    fresh = rows(rng, 50)
    moved = fresh + 3.0 * (fit.axes[:, :WIDE].sum(axis=1))
    np.testing.assert_allclose(features(fit, moved), features(fit, fresh), atol=1e-3)


def test_a_shift_outside_of_the_axes_is_found_that_hardly_lengthens_the_residual() -> None:
    rng = np.random.default_rng(2)
    made = build(rows(rng, 24 * 100), np.arange(2400) // 100, "e")
    found = compare(made.fit, made.baseline, sketch(rows(rng, 100, 0.2), made.fit), made.dispersion)
    p = {one.name: one.p_value for one in found.detectors}
    assert p[NAME] < 1e-4
    assert p["residual_energy"] > 0.01
    same = compare(made.fit, made.baseline, sketch(rows(rng, 100), made.fit), made.dispersion)
    assert {one.name: one.p_value for one in same.detectors}[NAME] > 0.05


@pytest.mark.parametrize("dimension", [1, 3, MAX_AXES, MAX_AXES + 2])
def test_it_does_not_apply_where_nothing_is_left_over(dimension: int) -> None:
    few = np.random.default_rng(3).standard_normal((600, dimension))
    assert (NAME in learn(few, "e").blocks) is (dimension > MAX_AXES)


def test_rounding_to_half_precision_stays_invisible() -> None:
    rng = np.random.default_rng(4)
    flat = rng.standard_normal((600, 10)) @ rng.standard_normal((10, 128)) + 3.0
    fit = learn(flat, "e")
    exact, rounded = features(fit, flat), features(fit, flat.astype(np.float16))
    assert np.abs(exact - rounded).max() < 1.0
    assert np.abs((exact - rounded).mean(axis=0)).max() < 0.05
