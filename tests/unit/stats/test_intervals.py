"""Binomial intervals against scipy, statsmodels-style closed forms, published tables and the shared SLO vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitor.errors import NotEnoughData
from monitor.stats.intervals import (
    Interval,
    clopper_pearson_lower,
    clopper_pearson_upper,
    wilson,
    wilson_of_share,
)

COUNTS = [(0, 1), (1, 1), (0, 20), (20, 20), (1, 10), (7, 29), (81, 263), (694, 1730), (99_990, 100_000)]
counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(("successes", "n"), COUNTS)
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_wilson_equals_scipys(successes: int, n: int, confidence: float) -> None:
    expected = stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
    found = wilson(successes, n, confidence)
    assert (found.lower, found.upper) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(
    ("successes", "n", "lower", "upper"),
    [  # Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_equals_the_published_table(successes: int, n: int, lower: float, upper: float) -> None:
    found = wilson(successes, n)
    assert (found.lower, found.upper) == pytest.approx((lower, upper), abs=5e-5)


@pytest.mark.parametrize(("successes", "n"), COUNTS)
@pytest.mark.parametrize("alpha", [0.01, 0.05])
def test_clopper_pearson_equals_scipys(successes: int, n: int, alpha: float) -> None:
    above = stats.binomtest(successes, n, alternative="greater").proportion_ci(1 - alpha, method="exact")
    below = stats.binomtest(successes, n, alternative="less").proportion_ci(1 - alpha, method="exact")
    assert clopper_pearson_lower(successes, n, alpha) == pytest.approx(above.low, abs=1e-9)
    assert clopper_pearson_upper(successes, n, alpha) == pytest.approx(below.high, abs=1e-9)


@pytest.mark.parametrize("share", [0.0144, 0.15, 0.6])
@pytest.mark.parametrize("n", [10, 50, 400])
def test_clopper_pearson_is_never_wrong_more_often_than_alpha(share: float, n: int) -> None:
    outcomes = np.arange(n + 1)
    chances = stats.binom.pmf(outcomes, n, share)
    too_high = [clopper_pearson_lower(int(k), n, 0.01) > share for k in outcomes]
    too_low = [clopper_pearson_upper(int(k), n, 0.01) < share for k in outcomes]
    assert chances[too_high].sum() <= 0.01
    assert chances[too_low].sum() <= 0.01


def test_wilson_covers_its_nominal_share_on_average() -> None:
    n, shares = 40, np.linspace(0.02, 0.98, 97)
    covered = [sum(stats.binom.pmf(k, n, share) for k in range(n + 1) if share in wilson(k, n)) for share in shares]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.01)


@given(counts)
def test_bounds_hold_the_share_and_exact_is_wider_than_wilson(pair: tuple[int, int]) -> None:
    successes, n = pair
    interval = wilson(successes, n, 0.9)
    assert 0.0 <= interval.lower <= successes / n <= interval.upper <= 1.0
    assert clopper_pearson_lower(successes, n) <= successes / n <= clopper_pearson_upper(successes, n)


@given(counts)
def test_successes_and_failures_mirror_each_other(pair: tuple[int, int]) -> None:
    successes, n = pair
    mirrored = wilson(n - successes, n)
    assert wilson(successes, n).lower == pytest.approx(1 - mirrored.upper, abs=1e-12)
    assert clopper_pearson_lower(successes, n) == pytest.approx(1 - clopper_pearson_upper(n - successes, n), abs=1e-9)


def test_an_interval_knows_what_it_contains() -> None:
    assert 0.2 in Interval(0.1, 0.2)
    assert 0.21 not in Interval(0.1, 0.2)


@pytest.mark.parametrize("function", [wilson, clopper_pearson_lower, clopper_pearson_upper])
@pytest.mark.parametrize(
    ("successes", "n", "level"), [(0, 0, 0.05), (2, 1, 0.05), (-1, 5, 0.05), (1, 5, 0.0), (1, 5, 1.0)]
)
def test_impossible_counts_and_levels_are_refused(function, successes, n, level) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NotEnoughData):
        function(successes, n, level)


def test_numpy_counts_give_plain_floats() -> None:
    found = wilson(np.int64(3), np.int64(5))  # type: ignore[arg-type]
    assert (type(found.lower), type(found.upper)) == (float, float)


@pytest.mark.parametrize("count", [(1.5, 3), (1, 3.5), (1, float("inf")), (float("nan"), 3), (1, float("nan"))])
def test_a_count_is_a_whole_number(count: tuple[float, float]) -> None:
    for bound in (wilson, clopper_pearson_lower, clopper_pearson_upper):
        with pytest.raises(NotEnoughData, match="cannot be"):
            bound(*count)  # type: ignore[arg-type]


def test_wilson_is_finite_at_every_confidence_and_size() -> None:
    """By its definition: the bounds p solve |share - p| = z sqrt(p (1 - p) / n)."""
    confidence = 1 - 1e-15
    sure, z = wilson(3, 9, confidence), float(stats.norm.isf((1 - confidence) / 2))
    for bound in (sure.lower, sure.upper):
        assert abs(1 / 3 - bound) == pytest.approx(z * (bound * (1 - bound) / 9) ** 0.5, rel=1e-6)
    nothing = wilson_of_share(0.5, 1e-200)
    assert (nothing.lower, nothing.upper) == pytest.approx((0.0, 1.0))
    with pytest.raises(NotEnoughData):
        wilson_of_share(0.5, float("inf"))
