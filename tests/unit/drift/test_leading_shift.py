"""A shift along the leading axes is seen better than among all of them."""

from __future__ import annotations

import numpy as np

from monitor.drift.compare import compare
from monitor.drift.fit import learn
from monitor.drift.reference import build
from monitor.drift.sketch import sketch

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


def test_it_takes_a_third_of_the_axes_and_at_most_twelve() -> None:
    rng = np.random.default_rng(2)
    for dimension, expected in ((5, None), (9, 2), (16, 4), (200, 12)):
        blocks = learn(rng.standard_normal((2000, dimension)) * np.geomspace(2, 1, dimension), "e").blocks
        width = blocks["leading_shift"].stop - blocks["leading_shift"].start if "leading_shift" in blocks else None
        assert width == expected
