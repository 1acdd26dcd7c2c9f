"""A shift along the leading axes is seen better than among all of them."""

from __future__ import annotations

import numpy as np
from scipy import stats

from monitor.drift.compare import compare
from monitor.drift.fit import learn
from monitor.drift.leading_shift import LeadingShift
from monitor.drift.projection import Projection
from monitor.drift.reference import build
from monitor.drift.sketch import sketch
from monitor.stats.exact_sums import to_values

SPECTRUM = np.geomspace(4.0, 0.5, 60)
LEADING = np.where(np.arange(60) < 10, 0.2, 0.0)


def test_a_shift_of_few_leading_axes_speaks_louder_than_in_all_of_them() -> None:
    rng = np.random.default_rng(1)
    made = build(rng.standard_normal((2400, 60)) * SPECTRUM, np.arange(2400) // 100, "e")
    louder = []
    for _ in range(20):
        window = (rng.standard_normal((100, 60)) + LEADING) * SPECTRUM
        found = compare(made.fit, made.baseline, sketch(window, made.fit), made.dispersion)
        p = {one.name: one.p_value for one in found.detectors}
        louder.append(p["leading_shift"] < p["mean_shift"])
    assert sum(louder) >= 16


def test_axes_count_by_the_variance_that_they_carry() -> None:
    rng = np.random.default_rng(2)
    deviations = np.geomspace(2.0, 0.5, 12)
    rows = rng.standard_normal((20_000, 12)) * deviations
    fit = learn(rows, "e")
    features = to_values(fit.features(rows))[:, fit.blocks["leading_shift"]]
    kept = features.shape[1]
    np.testing.assert_allclose(features.std(axis=0) / features.std(axis=0)[0], deviations[:kept] / 2.0, rtol=0.05)


def test_its_distance_is_that_of_means_that_nobody_whitened() -> None:
    rng = np.random.default_rng(4)
    made = build(rng.standard_normal((4000, 20)) * SPECTRUM[:20], np.arange(4000) // 100, "e")
    axes, found, raw = made.fit.axes.astype(float), [], []
    for _ in range(200):
        window = sketch(rng.standard_normal((100, 20)) * SPECTRUM[:20] + rng.standard_normal(20) / 10, made.fit)
        shift = (window.means(made.fit, "mean_shift") - made.baseline.means(made.fit, "mean_shift")) * made.fit.scales
        raw.append(float(((axes @ shift) ** 2).sum()))
        result = compare(made.fit, made.baseline, window, made.dispersion)
        found.append(next(one.statistic for one in result.detectors if one.name == "leading_shift"))
    assert stats.spearmanr(found, raw).statistic > 0.995


def test_it_needs_two_axes_and_takes_at_most_32() -> None:
    rng = np.random.default_rng(2)
    for dimension, expected in ((1, None), (2, 2), (3, 3), (16, 16), (200, 32)):
        blocks = learn(rng.standard_normal((2000, dimension)) * np.geomspace(2, 1, dimension), "e").blocks
        width = blocks["leading_shift"].stop - blocks["leading_shift"].start if "leading_shift" in blocks else None
        assert width == expected


def test_a_fit_that_took_some_leading_axes_all_alike_goes_on_so() -> None:
    axes = np.random.default_rng(3).standard_normal((50, 9))
    view = Projection(axes, axes, np.zeros(50), 9.0)
    features = LeadingShift().features(view, {"leading": np.arange(3, dtype=np.float32)})
    np.testing.assert_array_equal(features, axes[:, :3])
