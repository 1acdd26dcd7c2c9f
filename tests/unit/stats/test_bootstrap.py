"""Resampled means: their spread is that of the weighted mean, and what cannot be resampled is refused."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.errors import NotEnoughData
from monitor.stats.bootstrap import percentiles, resampled_means


@pytest.mark.parametrize("n", [300, 10_000])
def test_draws_spread_as_the_linearised_variance_says(n: int) -> None:
    """Also where more rows than groups are resampled."""
    rng = np.random.default_rng(1)
    values, weights = rng.normal(size=(n, 1)), rng.choice([1.0, 50.0], n)
    shares = weights / weights.sum()
    expected = np.sqrt((shares**2 * (values[:, 0] - shares @ values[:, 0]) ** 2).sum())
    assert resampled_means(values, weights, draws=3000).std() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("value", "weight", "draws"), [(np.nan, 1.0, 9), (1.0, 0.0, 9), (1.0, np.inf, 9), (1.0, 1.0, 0)]
)
def test_what_cannot_be_resampled_is_refused(value: float, weight: float, draws: int) -> None:
    with pytest.raises(NotEnoughData):
        resampled_means(np.full((3, 1), value), np.array([weight, 1.0, 1.0]), draws=draws)


def test_one_row_has_no_interval() -> None:
    with pytest.raises(NotEnoughData):
        percentiles(np.ones((5, 1)), 1, 0.95)


def test_weights_that_are_nothing_beside_another_are_refused() -> None:
    with pytest.raises(NotEnoughData, match="above 1e-100 of their mean"):
        resampled_means(np.ones((5, 1)), [1e-300] * 4 + [1e30])
    assert (resampled_means(np.ones((5, 1)), [1e-300] * 5, draws=3) == 1.0).all()
