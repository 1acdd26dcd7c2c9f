"""Changes between two shares: published intervals, and p-values that agree with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitor.stats.intervals import wilson
from monitor.stats.proportions import Change, Proportion
from monitor.stats.weighted import weighted_share

counts = st.integers(1, 400).flatmap(lambda n: st.builds(Proportion, st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("now", "before", "lower", "upper"),
    [((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090), ((10, 10), (0, 20), 0.6791, 1.0000)],
)
def test_a_change_has_the_published_interval(
    now: tuple[int, int], before: tuple[int, int], lower: float, upper: float
) -> None:
    """Newcombe (1998), Statistics in Medicine 17, table II, method 10."""
    found = Change(Proportion(*now), Proportion(*before)).interval
    assert found is not None
    assert (round(found.lower, 4), round(found.upper, 4)) == (lower, upper)


@given(counts, counts)
def test_a_change_lies_in_its_interval_and_turns_with_its_sides(now: Proportion, before: Proportion) -> None:
    change, back = Change(now, before), Change(before, now)
    assert change.difference is not None
    assert change.interval is not None
    assert back.interval is not None
    assert -1 - 1e-12 <= change.interval.lower <= change.difference <= change.interval.upper <= 1 + 1e-12
    assert back.interval.lower == pytest.approx(-change.interval.upper)
    assert back.p_value == pytest.approx(change.p_value)


@given(counts, counts)
def test_a_p_value_never_contradicts_the_interval(now: Proportion, before: Proportion) -> None:
    change = Change(now, before)
    assert change.p_value is not None
    assert 0.0 < change.p_value <= 1.0
    if abs(change.p_value - 0.05) > 1e-6:
        assert (change.p_value < 0.05) is change.clear


@pytest.mark.parametrize(("k", "n", "l", "m"), [(80, 100, 90, 100), (700, 1000, 760, 1000), (150, 200, 170, 210)])
def test_a_p_value_is_near_that_of_the_chi_squared_test(k: int, n: int, l: int, m: int) -> None:  # noqa: E741
    expected = stats.chi2_contingency([[k, n - k], [l, m - l]], correction=False).pvalue
    assert Change(Proportion(k, n), Proportion(l, m)).p_value == pytest.approx(expected, rel=0.25)


def test_an_unchanged_rate_is_called_changed_as_rarely_as_said() -> None:
    rng = np.random.default_rng(3)
    draws = rng.binomial(150, 0.8, size=(2000, 2))
    found = sum(Change(Proportion(int(a), 150), Proportion(int(b), 150)).clear for a, b in draws)
    assert 0.03 < found / 2000 < 0.07


def test_changes_of_weighted_shares_cover_as_promised() -> None:
    rng, covered = np.random.default_rng(4), 0
    for _ in range(800):
        sides = []
        for accuracy, n in ((0.9, 120), (0.8, 60)):
            pi = rng.choice([0.05, 0.1, 0.3], n, p=[0.3, 0.4, 0.3])
            sides.append(weighted_share(rng.random(n) < accuracy, pi))
        interval = Change(*sides).interval
        covered += interval is not None and 0.1 in interval
    assert 0.93 <= covered / 800 <= 0.97


def test_nothing_known_is_shown_as_anything_possible() -> None:
    nothing = Proportion(0, 0)
    change = Change(nothing, Proportion(1, 2))
    assert nothing.share is None
    assert (nothing.interval.lower, nothing.interval.upper) == (0.0, 1.0)
    assert Proportion(81, 263).interval == wilson(81, 263)
    assert (change.difference, change.interval, change.p_value, change.clear) == (None, None, None, False)


def test_the_same_share_twice_is_no_evidence_of_a_change() -> None:
    assert Change(Proportion(5, 10), Proportion(5, 10)).p_value == 1.0


def test_the_farthest_change_still_has_a_p_value() -> None:
    assert 0.0 < (Change(Proportion(10**6, 10**6), Proportion(0, 10**6)).p_value or 0.0) < 1e-14
