"""Cliff's delta against scipy and counting, its interval and its test by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import comb
from scipy.stats import binom, mannwhitneyu, norm

from monitor.errors import NotEnoughData
from monitor.stats.dominance import dominance, share_interval
from monitor.stats.intervals import Interval, wilson_of_share

whole = arrays(np.int64, st.integers(2, 40), elements=st.integers(-5, 5))


@given(whole, whole)
def test_delta_is_what_counting_pairs_gives(reference: np.ndarray, current: np.ndarray) -> None:
    counted = np.sign(current[:, None] - reference[None]).mean()
    assert dominance(reference, current).delta == pytest.approx(counted, abs=1e-12)


@given(whole, whole)
def test_the_interval_holds_delta_within_its_range(reference: np.ndarray, current: np.ndarray) -> None:
    found = dominance(reference, current)
    assert -1.0 <= found.interval.lower <= found.delta + 1e-12
    assert found.delta - 1e-12 <= found.interval.upper <= 1.0


@given(whole, whole)
def test_swapping_the_sides_turns_the_sign(reference: np.ndarray, current: np.ndarray) -> None:
    one, other = dominance(reference, current), dominance(current, reference)
    assert one.delta == pytest.approx(-other.delta, abs=1e-12)
    assert one.p_value == pytest.approx(other.p_value)
    assert one.interval.lower == pytest.approx(-other.interval.upper, abs=1e-9)


def test_the_p_value_is_the_mann_whitney_test_of_scipy() -> None:
    rng = np.random.default_rng(0)
    reference, current = rng.integers(0, 6, 3000), rng.integers(0, 6, 2000) + (rng.random(2000) < 0.05)
    theirs = mannwhitneyu(current, reference, method="asymptotic", use_continuity=False)
    assert dominance(reference, current).p_value == pytest.approx(theirs.pvalue, rel=5e-3)  # they take a normal, we a t


def test_a_share_differs_by_the_difference_of_the_shares() -> None:
    found = dominance([0] * 96 + [1] * 4, [0] * 69 + [1] * 31)
    assert found.delta == pytest.approx(0.27)
    assert found.interval.lower == pytest.approx(0.27 - 0.0985, abs=0.01)  # a Wald interval by hand: 0.27 +- 0.0985
    assert found.interval.upper == pytest.approx(0.27 + 0.0985, abs=0.012)


def test_complete_separation_has_a_lower_bound_below_one() -> None:
    found = dominance(np.zeros(50) - np.arange(50), np.arange(1, 21))
    assert found.delta == 1.0
    assert 0.6 < found.interval.lower < 0.75  # (20 - t^2) / (20 + t^2)
    assert found.interval.upper == 1.0


def test_equal_values_differ_in_nothing() -> None:
    found = dominance(np.ones(5), np.ones(9))
    assert (found.delta, found.p_value) == (0.0, 1.0)


@pytest.mark.parametrize("value", [0.0, 1.0, 7.5])
def test_equal_values_leave_open_what_nobody_has_seen(value: float) -> None:
    """Newcombe's of 0 of 10 against 0 of 10; of groups, of as many as there are."""
    bound = wilson_of_share(0.0, 10).upper
    ten = np.full(10, value)
    found = dominance(ten, ten).interval
    assert (found.lower, found.upper) == pytest.approx((-bound, bound))
    pairs = np.repeat(np.arange(10), 2)
    grouped = dominance(np.repeat(ten, 2), np.repeat(ten, 2), reference_groups=pairs, current_groups=pairs).interval
    assert grouped.lower == pytest.approx(-grouped.upper)
    assert bound < grouped.upper < 1.4 * bound  # Student's quantile of 9 degrees of freedom


@pytest.mark.parametrize(("size", "repeats"), [(120, 1), (60, 6)])
def test_the_interval_covers_and_the_test_keeps_its_level_with_groups(size: int, repeats: int) -> None:
    """`repeats` near-duplicates of each of `size` independent rows."""
    rng = np.random.default_rng(repeats)
    true = 0.2763  # 2 Phi(0.5 / sqrt 2) - 1
    covered, fired, looks = 0, 0, 400
    groups = np.repeat(np.arange(size), repeats)
    for _ in range(looks):
        draws = [np.repeat(rng.normal(size=size), repeats) + 0.01 * rng.normal(size=size * repeats) for _ in range(2)]
        found = dominance(draws[0], draws[1] + 0.5, reference_groups=groups, current_groups=groups)
        covered += true in found.interval
        fired += dominance(*draws, reference_groups=groups, current_groups=groups).p_value <= 0.05
    assert 0.92 <= covered / looks <= 0.98
    assert fired / looks <= 0.08


def busy(rng: np.random.Generator, sizes: list[int], alike: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows, each standard normal whatever its group's size, and their groups; of one group's `alike` is shared."""
    numbers = np.repeat(np.arange(len(sizes)), sizes)
    own, shared = rng.normal(size=numbers.size), rng.normal(size=len(sizes))[numbers]
    return np.sqrt(alike) * shared + np.sqrt(1.0 - alike) * own, numbers


@pytest.mark.parametrize("alike", [1.0, 0.5])
@pytest.mark.parametrize("share", [False, True], ids=["values", "shares"])
@pytest.mark.parametrize(("before", "now"), [([1] * 1000, [30] * 12), ([40] * 15, [1] * 800)])
def test_the_test_keeps_its_level_with_groups_of_other_sizes(
    before: list[int], now: list[int], share: bool, alike: float
) -> None:
    """Dealing all groups out at random rejected 12 to 50% at 5%, 5 to 34% at 1%."""
    rng, looks, p = np.random.default_rng(3), 600, []
    for _ in range(looks):
        (first, one), (second, other) = busy(rng, before, alike), busy(rng, now, alike)
        sides = (first > 0.84, second > 0.84) if share else (first, second)
        p.append(dominance(*sides, reference_groups=one, current_groups=other).p_value)
    # Shares in so few groups may reach the 7% and 2% that their interval does.
    levels = ((0.05, 0.07), (0.01, 0.02)) if share and alike < 1.0 else ((0.05, 0.05), (0.01, 0.01))
    for level, most in levels:
        assert (np.array(p) <= level).sum() <= binom.ppf(0.999, looks, most)


@pytest.mark.parametrize("share", [False, True], ids=["values", "shares"])
@pytest.mark.parametrize("shift", [-1.2, -0.3, 0.4, 1.5])
def test_with_groups_the_p_value_is_where_the_interval_ends_at_nothing(share: bool, shift: float) -> None:
    rng = np.random.default_rng(2)
    (before, first), (now, second) = busy(rng, [1] * 90, 0.5), busy(rng, [1, 5, 9, 3] * 4, 0.5)
    sides = (before > 0.3, now + shift > 0.3) if share else (before, now + shift)
    p = dominance(*sides, reference_groups=first, current_groups=second).p_value
    assert p < 1.0

    def at(confidence: float) -> Interval:
        return dominance(*sides, reference_groups=first, current_groups=second, confidence=confidence).interval

    end = at(1.0 - p)
    assert min(abs(end.lower), abs(end.upper)) == pytest.approx(0.0, abs=1e-6)
    assert 0.0 in at(1.0 - 0.9 * p)
    assert 0.0 not in at(1.0 - min(1.1 * p, 0.5 + p / 2))


def test_groups_that_overlap_in_nothing_are_as_rare_as_dealing_them_so() -> None:
    low, high = np.repeat(np.arange(6.0), 3), np.repeat(np.arange(6.0, 14.0), 2)
    found = dominance(low, high, reference_groups=low.astype(int), current_groups=high.astype(int))
    assert found.delta == 1.0
    assert found.p_value == pytest.approx(2.0 / comb(14, 6))


@pytest.mark.parametrize("value", [1.0, 0.0])
def test_groups_that_differ_in_nothing_are_told_so(value: float) -> None:
    pairs = np.repeat(np.arange(5), 2)
    assert dominance([value] * 10, [value] * 10, reference_groups=pairs, current_groups=pairs).p_value == 1.0
    sides = np.tile([1.0, 3.0], 5), np.full(10, 2.0)
    assert dominance(*sides, reference_groups=pairs, current_groups=pairs).p_value == 1.0


@pytest.mark.parametrize("alike", [0.0, 0.3, 1.0])
def test_the_interval_covers_with_few_uneven_groups_against_many(alike: float) -> None:
    """Groups of geometric sizes, mean 20; with the freedom of all groups together 86 to 90% were covered."""
    rng = np.random.default_rng(5)

    def rows(groups: int) -> tuple[np.ndarray, np.ndarray]:
        numbers = np.repeat(np.arange(groups), np.minimum(rng.geometric(0.05, groups), 200))
        own, shared = rng.normal(size=numbers.size), rng.normal(size=groups)[numbers]
        return np.sqrt(alike) * shared + np.sqrt(1.0 - alike) * own, numbers

    covered, looks = 0, 500
    for _ in range(looks):
        (before, first), (now, second) = rows(10), rows(100)
        found = dominance(before, now + 0.7, reference_groups=first, current_groups=second)
        covered += 2 * norm.cdf(0.7 / np.sqrt(2)) - 1 in found.interval
    assert covered / looks >= 0.93


@pytest.mark.parametrize(("n", "m"), [(300, 100), (100, 300)])
def test_the_interval_of_a_rare_share_covers(n: int, m: int) -> None:
    rng = np.random.default_rng(6)
    shares = [(rng.random((1500, size)) < 0.02).astype(float) for size in (n, m)]
    covered = [0.0 in dominance(*pair).interval for pair in zip(*shares, strict=True)]
    assert 0.935 <= np.mean(covered) <= 0.985


@pytest.mark.parametrize(("first", "second"), [(0.01, 0.05), (0.02, 0.1)])
def test_the_interval_of_shares_that_may_not_be_seen_covers(first: float, second: float) -> None:
    """Of 20 rows each; with no interval where neither side has any, 70% were covered."""
    rng = np.random.default_rng(7)
    draws = [(rng.random((1000, 20)) < share).astype(float) for share in (first, second)]
    assert np.mean([second - first in dominance(*pair).interval for pair in zip(*draws, strict=True)]) >= 0.95


@pytest.mark.parametrize(
    ("groups", "rows", "share", "alike"),
    [(100, 5, 0.05, 1.0), (100, 20, 0.05, 1.0), (50, 5, 0.1, 1.0), (30, 5, 0.1, 0.5)],
)
def test_the_interval_of_a_share_covers_with_uneven_groups(groups: int, rows: int, share: float, alike: float) -> None:
    """Groups of geometric sizes; by the variance of those few that have it, 89 to 94% were covered."""
    rng = np.random.default_rng(8)

    def draw() -> tuple[np.ndarray, np.ndarray]:
        numbers = np.repeat(np.arange(groups), rng.geometric(1 / rows, groups))
        common, own = rng.random(groups)[numbers], rng.random(numbers.size)
        return np.where(rng.random(numbers.size) < alike, common, own) < share, numbers

    covered, alone, looks = 0, 0, 500
    for _ in range(looks):
        (before, first), (now, second) = draw(), draw()
        covered += 0.0 in dominance(before, now, reference_groups=first, current_groups=second).interval
        alone += share in share_interval(now, second, 0.95)
    assert covered / looks >= 0.95
    assert alone / looks >= 0.92


@pytest.mark.parametrize(("groups", "rows"), [(10, 5), (15, 5)])
def test_the_interval_of_one_share_covers_with_few_bursts(groups: int, rows: int) -> None:
    """With a normal quantile 89 to 90% were covered."""
    rng = np.random.default_rng(9)
    covered = 0
    for _ in range(500):
        numbers = np.repeat(np.arange(groups), rng.geometric(1 / rows, groups))
        common, own = rng.random(groups)[numbers], rng.random(numbers.size)
        covered += 0.3 in share_interval(np.where(rng.random(numbers.size) < 0.5, common, own) < 0.3, numbers, 0.95)
    assert covered / 500 >= 0.93


def test_the_interval_of_a_share_of_single_rows_is_wilsons() -> None:
    assert share_interval(np.arange(20) < 3, np.arange(20), 0.95) == wilson_of_share(0.15, 20)


def test_the_interval_of_two_shares_is_newcombes() -> None:
    """Newcombe (1998), table II (a): 56 of 70 against 48 of 80, 0.0524 to 0.3339 by method 10."""
    found = dominance([1.0] * 48 + [0.0] * 32, [1.0] * 56 + [0.0] * 14).interval
    assert (round(found.lower, 4), round(found.upper, 4)) == (0.0524, 0.3339)


def test_without_groups_near_duplicates_make_the_interval_too_short() -> None:
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.normal(size=50), 8), np.repeat(rng.normal(size=50), 8)
    groups = np.repeat(np.arange(50), 8)
    honest = dominance(*rows, reference_groups=groups, current_groups=groups).interval
    naive = dominance(*rows).interval
    assert honest.upper - honest.lower > 2 * (naive.upper - naive.lower)


@pytest.mark.parametrize(
    ("reference", "current", "groups"),
    [
        ([1.0], [1.0, 2.0], None),
        ([1.0, np.nan], [1.0, 2.0], None),
        ([1.0, 2.0], [[1.0], [2.0]], None),
        ([1.0, 2.0], [1.0, 2.0], [0]),
        ([1.0, 2.0], [1.0, 2.0], [0.5, 1.5]),
        ([1.0, 2.0], [1.0, 2.0], [3, 3]),
    ],
)
def test_bad_input_is_refused(reference: object, current: object, groups: object) -> None:
    with pytest.raises(NotEnoughData):
        dominance(reference, current, current_groups=groups)  # type: ignore[arg-type]


@pytest.mark.parametrize("groups", [None, [0, 0, 1, 1, 2, 2]])
@pytest.mark.parametrize("current", [[0, 1, 1, 1, 0, 1], [1, 3, 2, 7, 5, 6]], ids=["shares", "values"])
def test_a_confidence_next_to_one_has_a_wide_interval(current: list[int], groups: list[int] | None) -> None:
    def at(confidence: float) -> Interval:
        return dominance([0, 1, 0, 0, 0, 1], current, current_groups=groups, confidence=confidence).interval

    wide, narrow = at(float(np.nextafter(1.0, 0.0))), at(0.99)
    assert -1.0 <= wide.lower < narrow.lower < narrow.upper < wide.upper < 1.0
