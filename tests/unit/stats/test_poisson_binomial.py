"""Counts of answers with chances of their own, beside the exact law and that of equal chances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from monitor.stats.poisson_binomial import PoissonBinomial

LEVELS = (0.001, 0.025, 0.5, 0.975, 0.999)


def exact(chances: np.ndarray) -> np.ndarray:
    """P(count <= k) for k = 0 to n, answer by answer."""
    law = np.ones(1)
    for chance in chances:
        law = np.convolve(law, [1.0 - chance, chance])
    return np.cumsum(law)


@pytest.mark.parametrize("n", [1, 2, 20, 1000, 10**6])
@pytest.mark.parametrize("chance", [1e-6, 0.02, 0.5, 0.98, 0.999999])
def test_equal_chances_give_the_binomial_law(n: int, chance: float) -> None:
    found = PoissonBinomial.of(np.array([chance]), np.array([float(n)]))
    assert [found.quantile(level) for level in LEVELS] == [binom.ppf(level, n, chance) for level in LEVELS]


@pytest.mark.parametrize("shape", [(20.0, 1.0), (4.0, 1.0), (1.0, 1.0), (0.1, 0.1), (0.02, 0.3)])
def test_quantiles_of_unequal_chances_are_those_of_the_exact_law_or_next_to_them(shape: tuple[float, float]) -> None:
    rng, off = np.random.default_rng(1), []
    for n in [1, 2, 3, 5, 10, 30, 100, 300] * 10:
        chances = rng.beta(*shape, n)
        found, law = PoissonBinomial.of(chances, np.ones(n)), exact(chances)
        off += [found.quantile(level) - np.argmax(law >= level) for level in (0.025, 0.975)]
    assert np.abs(off).max() <= 1
    assert np.mean(np.array(off) != 0) < 0.1


def test_rows_stand_for_answers() -> None:
    chances, rows = np.array([0.3, 0.9, 0.99]), np.array([10.0, 0.0, 40.0])
    by_rows = PoissonBinomial.of(chances, rows)
    one_by_one = PoissonBinomial.of(np.repeat(chances, [10, 0, 40]), np.ones(50))
    assert (by_rows.tries, by_rows.chance) == pytest.approx((one_by_one.tries, one_by_one.chance))


def test_where_nothing_is_left_to_chance_the_count_is_known() -> None:
    found = PoissonBinomial.of(np.array([0.0, 1.0]), np.array([3.0, 4.0]))
    assert (found.quantile(0.025), found.quantile(0.975)) == (4.0, 4.0)


@pytest.mark.parametrize("n", [1e12, 1e30])
def test_as_many_as_a_float_can_count_have_quantiles(n: float) -> None:
    found = PoissonBinomial.of(np.array([0.9]), np.array([n]))
    assert found.quantile(0.025) / n == pytest.approx(0.9, abs=1e-5)
    assert found.quantile(0.025) <= found.quantile(0.975) <= n
