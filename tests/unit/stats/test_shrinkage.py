from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from monitor.stats.shrinkage import ledoit_wolf


@pytest.mark.parametrize(("n", "d"), [(8, 48), (40, 5), (300, 20), (10, 1)])
def test_the_shrunk_covariance_equals_sklearns(n: int, d: int) -> None:
    rows = np.random.default_rng(n).standard_normal((n, d)) * np.linspace(0.5, 4.0, d)
    expected = LedoitWolf(assume_centered=True).fit(rows).covariance_
    np.testing.assert_allclose(ledoit_wolf(rows), expected, rtol=1e-9, atol=1e-12)


def test_a_direction_that_really_varies_survives_few_rows() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((30, 40))
    rows[:, 3] *= 12.0
    shrunk = ledoit_wolf(rows)
    assert shrunk[3, 3] > 20 * np.median(np.diag(shrunk))


def test_equal_rows_give_a_round_covariance() -> None:
    np.testing.assert_array_equal(ledoit_wolf(np.zeros((5, 3))), np.zeros((3, 3)))
