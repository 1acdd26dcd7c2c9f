"""Comparisons that may be looked at at any time: e-values worked out, false alarms under continuous looks, power."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import rel_entr
from scipy.stats import binom

from monitor.errors import NotEnoughData
from monitor.stats.sequential import BoundedMeans, Comparison, Distances, Outcome, TwoProportions, compare
from monitor.stats.sequential.blocks import block_ends, block_sums, like_for_like
from monitor.stats.sequential.two_proportions import nearest

counts = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=60)


def rows(rng: np.random.Generator, n: int, share: float, first: float, second: float) -> tuple[np.ndarray, np.ndarray]:
    """(whether of the second stream, outcome) of n rows in the order of arrival."""
    of_second = rng.random(n) < share
    return of_second, rng.random(n) < np.where(of_second, second, first)


def proportions(of_second: np.ndarray, outcome: np.ndarray) -> TwoProportions:
    return TwoProportions(~of_second, ~of_second & outcome, of_second, of_second & outcome)


def judged(of_second: np.ndarray, outcome: np.ndarray, margin: float = 0.02) -> Comparison:
    return compare(proportions(of_second, outcome), alpha=0.05, margin=margin)


# ---- blocks -------------------------------------------------------------------------------------------------------


@given(counts, st.integers(0, 60))
def test_what_comes_later_never_moves_a_block(increments: list[tuple[int, int]], cut: int) -> None:
    first, second = [one for one, _ in increments], [one for _, one in increments]
    whole = block_ends(first, second, 0.01).tolist()
    assert block_ends(first[:cut], second[:cut], 0.01).tolist() == [one for one in whole if one < cut]


@given(counts)
def test_every_block_holds_rows_of_both(increments: list[tuple[int, int]]) -> None:
    streams = np.array(increments, dtype=float).reshape(-1, 2).T
    ends = block_ends(streams[0], streams[1], 0.01)
    for stream in streams:
        sums = block_sums(stream, ends)
        assert (sums >= 1).all()
        assert sums.sum() == stream[: ends[-1] + 1].sum() if ends.size else True


def test_blocks_keep_the_ratio_of_the_streams() -> None:
    rng = np.random.default_rng(1)
    of_second = rng.random(5000) < 0.1
    ends = block_ends(~of_second, of_second, 0.0)
    first, second = block_sums((~of_second).astype(float), ends), block_sums(of_second.astype(float), ends)
    assert np.mean(1 / first[20:]) < 1 / 8  # nearly always nine or more beside each one
    assert second.mean() < 2


# ---- e-values -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [(1.0, 1.0), (9.0, 1.0), (2.0, 5.0)])
@pytest.mark.parametrize("difference", [-0.3, 0.0, 0.02, 0.5])
def test_the_nearest_null_point_is_scipys(weights: tuple[float, float], difference: float) -> None:
    guess = np.array([0.9, 0.4])

    def divergence(rate: float) -> float:
        null = np.array([rate, rate + difference])
        return float(np.array(weights) @ (rel_entr(guess, null) + rel_entr(1 - guess, 1 - null)))

    low, high = max(0.0, -difference), min(1.0, 1.0 - difference)
    expected = minimize_scalar(divergence, bounds=(low, high), method="bounded", options={"xatol": 1e-9}).x
    found = nearest(guess[:, None, None], np.array(weights)[:, None, None], np.array([difference]))[:, 0, 0]
    assert found == pytest.approx([expected, expected + difference], abs=1e-6)


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.9])
def test_a_small_canary_is_bounded_from_both_sides(rate: float) -> None:
    """A thousand rows beside each one: a bet on the first block, blind as it is, left the far end at 0.8 to 1."""
    rng = np.random.default_rng(3)
    first, second = rng.poisson(1000, 100), rng.poisson(1, 100)
    found = compare(
        TwoProportions(first, rng.binomial(first, rate), second, rng.binomial(second, rate)), alpha=0.0125, margin=0.005
    )
    assert 0.0 in found.interval
    assert found.interval.upper - found.interval.lower < 0.35


@pytest.mark.parametrize("difference", [-0.2, 0.0, 0.1])
@pytest.mark.parametrize("sizes", [(1, 1), (3, 1), (2, 4)])
def test_a_blocks_factor_has_expectation_at_most_one_at_every_point_of_the_null(
    difference: float, sizes: tuple[int, int]
) -> None:
    """All outcomes of a block after one that made the guess, at all rates with second - first <= difference."""
    n1, n2 = sizes
    history = (4, 1, 4, 3)  # the guess is that the second rate is higher
    outcomes = list(itertools.product(range(n1 + 1), range(n2 + 1)))
    factors = []
    for k1, k2 in outcomes:
        gathered, _ = TwoProportions([history[0], n1], [history[1], k1], [history[2], n2], [history[3], k2]).against(
            np.array([difference])
        )
        assert gathered.shape == (2, 1)
        factors.append(np.exp(gathered[1, 0] - gathered[0, 0]))
    for rate in np.linspace(0.0, 1.0, 41):
        for other in np.arange(0.0, min(1.0, rate + difference) + 1e-12, 0.05):
            chance = [binom.pmf(k1, n1, rate) * binom.pmf(k2, n2, other) for k1, k2 in outcomes]
            assert float(np.dot(chance, factors)) <= 1 + 1e-9


def test_a_bet_has_expectation_one_at_the_edge_of_the_null() -> None:
    """Blocks of one row each whose values are -0.4 or 0.8: all four differences, equally likely, mean 0."""
    wealth = [
        np.exp(BoundedMeans([first, second], [0, 1]).against(np.array([0.0]))[0][0, 0])
        for first in (-0.4, 0.8)
        for second in (-0.4, 0.8)
    ]
    assert np.mean(wealth) == pytest.approx(1.0)


# ---- looking all the time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second", "share"), [(0.85, 0.85, 0.3), (0.9, 0.6, 0.5), (0.02, 0.02, 0.2)])
def test_the_truth_is_rarely_left_out_at_any_look(first: float, second: float, share: float) -> None:
    rng = np.random.default_rng(2)
    true, threshold = np.array([second - first]), np.log(2 / 0.1)
    missed = 0
    for _ in range(300):
        at_most, at_least = proportions(*rows(rng, 500, share, first, second)).against(true)
        missed += bool((at_most > threshold).any() or (at_least > threshold).any())
    assert missed <= 30 + 12  # alpha = 0.1 of 300, and two standard errors


def test_a_gap_is_rarely_left_out_at_any_look() -> None:
    rng = np.random.default_rng(3)
    threshold, missed = np.log(2 / 0.1), 0
    for _ in range(200):
        of_second = rng.random(400) < 0.4
        confidence = rng.beta(8, 2, 400)
        correct = rng.random(400) < confidence - 0.1 * of_second
        at_most, at_least = BoundedMeans(confidence - correct, of_second).against(np.array([0.1]))
        missed += bool((at_most > threshold).any() or (at_least > threshold).any())
    assert missed <= 20 + 9


def test_a_fixed_test_looked_at_all_the_time_would_miss_often() -> None:
    """Why all this: the usual z-test of two proportions, looked at after each of 500 rows."""
    rng = np.random.default_rng(2)
    missed = 0
    for _ in range(200):
        of_second, outcome = rows(rng, 500, 0.3, 0.85, 0.85)
        n1, n2 = np.cumsum(~of_second)[50:], np.cumsum(of_second)[50:]
        p1, p2 = np.cumsum(~of_second & outcome)[50:] / n1, np.cumsum(of_second & outcome)[50:] / n2
        error = np.sqrt(p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2)
        missed += bool((np.abs(p2 - p1) > 1.645 * error)[error > 0].any())
    assert missed > 60  # nominal 20


# ---- verdicts -----------------------------------------------------------------------------------------------------


def test_a_clear_loss_is_found_soon_and_stays_found() -> None:
    rng = np.random.default_rng(4)
    of_second, outcome = rows(rng, 600, 0.3, 0.85, 0.45)
    found = judged(of_second, outcome)
    assert found.outcome == Outcome.LOWER
    assert found.more == 0
    assert found.interval.lower <= -0.4 <= found.interval.upper
    first = int(np.flatnonzero(found.upper < 0)[0])
    assert (found.upper[first:] < 0).all()
    assert found.estimate == pytest.approx(outcome[of_second].mean() - outcome[~of_second].mean(), abs=0.02)


@pytest.mark.parametrize("kind", [TwoProportions, BoundedMeans, Distances])
def test_a_growing_share_of_traffic_that_becomes_harder_is_no_difference(kind: type) -> None:
    """The canary's plain mean is of harder traffic than that of stable, by some 5 points."""
    rng, n = np.random.default_rng(31), 20_000
    place = np.arange(n) / n
    of_second = rng.random(n) < np.where(place < 0.34, 0.05, np.where(place < 0.67, 0.25, 0.5))
    right = rng.random(n) < 0.92 - 0.22 * place
    evidence = proportions(of_second, right) if kind is TwoProportions else kind(0.95 - right, of_second)
    assert abs(right[of_second].mean() - right[~of_second].mean()) > 0.04
    assert evidence.estimate == pytest.approx(0.0, abs=0.015)
    found = compare(evidence, alpha=0.05, margin=0.02)
    assert found.estimate in found.interval


def test_like_for_like_means_are_those_of_rows_that_came_together() -> None:
    rows, hits = np.array([[8.0, 1.0], [2.0, 1.0]]), np.array([[8.0, 0.0], [1.0, 1.0]])
    means = like_for_like(rows, hits)  # blocks weigh 8 * 2 / 10 = 1.6 and 1 * 1 / 2 = 0.5
    assert means == pytest.approx(np.array([[1.0, 1.6 / 2.1], [0.5, (1.6 * 0.5 + 0.5) / 2.1]]))


def test_ends_only_ever_close_in() -> None:
    found = judged(*rows(np.random.default_rng(5), 800, 0.5, 0.8, 0.75))
    assert (np.diff(found.lower) >= 0).all()
    assert (np.diff(found.upper) <= 0).all()
    assert (found.lower[-1], found.upper[-1]) == (found.interval.lower, found.interval.upper)


def test_sides_may_be_exchanged() -> None:
    of_second, outcome = rows(np.random.default_rng(6), 700, 0.5, 0.9, 0.75)
    one, other = judged(of_second, outcome), judged(~of_second, outcome)
    assert one.estimate == pytest.approx(-other.estimate)
    assert one.interval.lower == pytest.approx(-other.interval.upper, abs=0.01)
    assert (one.outcome, other.outcome) == (Outcome.LOWER, Outcome.HIGHER)


def test_equal_streams_become_equivalent_with_enough_rows() -> None:
    rng = np.random.default_rng(7)
    n, minutes = 400, 600
    slow = rng.binomial(n, 0.01, (2, minutes))
    found = compare(TwoProportions([n] * minutes, slow[0], [n] * minutes, slow[1]), alpha=0.05, margin=0.005)
    assert found.outcome == Outcome.EQUIVALENT
    assert found.more == 0


def test_few_rows_decide_nothing_and_say_how_many_would() -> None:
    of_second, outcome = rows(np.random.default_rng(8), 60, 0.3, 0.85, 0.7)
    found = judged(of_second, outcome)
    assert found.outcome == Outcome.UNDECIDED
    assert found.more is not None
    assert found.more > of_second.sum()


def test_the_rows_still_expected_are_about_those_that_it_takes() -> None:
    rng = np.random.default_rng(9)
    taken, expected = [], []
    for _ in range(20):
        of_second, outcome = rows(rng, 3000, 0.3, 0.85, 0.72)
        evidence = proportions(of_second, outcome)
        found = compare(evidence, alpha=0.05, margin=0.02)
        labels = np.cumsum(of_second)
        decided = labels[evidence.ends[np.flatnonzero(found.upper < 0)[0]]]
        half = int(np.searchsorted(labels, decided // 2))
        more = judged(of_second[:half], outcome[:half]).more
        taken.append(decided - decided // 2)
        expected.append(more if more is not None else np.inf)
    assert 0.4 < np.median(np.array(expected) / np.array(taken)) < 2.5


def test_a_gap_that_opens_is_found() -> None:
    rng = np.random.default_rng(10)
    of_second = rng.random(1500) < 0.4
    confidence = rng.beta(8, 2, 1500)
    correct = rng.random(1500) < confidence - 0.2 * of_second
    found = compare(BoundedMeans(confidence - correct, of_second), alpha=0.05, margin=0.02)
    assert found.outcome == Outcome.HIGHER
    assert 0.2 in found.interval


# ---- differences that change ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), [(-0.3, 0.15), (0.15, -0.3), (0.0, -0.5)])
@pytest.mark.parametrize("bounded", [True, False])
def test_a_difference_that_changed_is_called_neither_equivalent_nor_anything_of_one_direction(
    before: float, after: float, *, bounded: bool
) -> None:
    """A hot fix: of 3,000 rows of each stream the first 1,000 differ by `before`, the others by `after`."""
    rng = np.random.default_rng(12)
    of_second = np.tile([False, True], 3000)
    second = np.where(np.arange(6000) < 2000, before, after)
    outcome = rng.random(6000) < 0.8 + second * of_second
    evidence = BoundedMeans(outcome, of_second) if bounded else proportions(of_second, outcome)
    found = compare(evidence, alpha=0.05, margin=0.02)
    assert (found.outcome, found.more) == (Outcome.CHANGED, None)
    assert (found.interval.lower, found.interval.upper) == (-evidence.reach, evidence.reach)
    assert (found.lower[-1], found.upper[-1]) == (-evidence.reach, evidence.reach)
    assert (found.lower < found.upper).all()
    assert found.moved is not None
    assert min(before, after) < found.moved.lower <= found.moved.upper < max(before, after)


def test_what_was_found_before_a_change_was_true_then() -> None:
    rng = np.random.default_rng(13)
    of_second = np.tile([False, True], 8000)
    outcome = rng.random(16_000) < np.where(np.arange(16_000) < 4000, 0.7, 0.98) * of_second + 0.85 * ~of_second
    early = judged(of_second[:4000], outcome[:4000])
    assert (early.outcome, early.moved) == (Outcome.LOWER, None)
    assert judged(of_second, outcome).outcome == Outcome.CHANGED


def test_a_constant_difference_is_rarely_said_to_have_changed() -> None:
    """Also where both rates swing by 30 points together."""
    rng = np.random.default_rng(14)
    swing = 0.15 * np.sin(np.arange(1000) / 100)
    changed = 0
    for _ in range(20):
        of_second = rng.random(1000) < 0.5
        outcome = rng.random(1000) < 0.7 + swing - 0.1 * of_second
        changed += judged(of_second, outcome).outcome == Outcome.CHANGED
    assert changed <= 3  # alpha = 0.05 of 20, and two standard errors


# ---- input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n1", "k1", "n2", "k2"),
    [
        ([], [], [], []),
        ([5], [1], [0], [0]),
        ([5], [6], [5], [1]),
        ([5], [-1], [5], [1]),
        ([5, 5], [1], [5], [1]),
        ([5.5], [1], [5], [1]),
        ([float("nan")], [1], [5], [1]),
    ],
)
def test_counts_that_cannot_be_are_refused(n1: list[float], k1: list[int], n2: list[int], k2: list[int]) -> None:
    with pytest.raises(NotEnoughData):
        TwoProportions(n1, k1, n2, k2)


@pytest.mark.parametrize(("values", "second"), [([], []), ([0.5], [1]), ([1.5, 0.0], [0, 1]), ([0.5, 0.1], [0, 2])])
def test_values_that_cannot_be_are_refused(values: list[float], second: list[int]) -> None:
    for kind in (BoundedMeans, Distances):
        with pytest.raises(NotEnoughData):
            kind(values, second)


@pytest.mark.parametrize(("alpha", "margin"), [(0.0, 0.1), (1.0, 0.1), (0.05, 0.0), (0.05, 1.0)])
def test_impossible_levels_and_margins_are_refused(alpha: float, margin: float) -> None:
    with pytest.raises(NotEnoughData):
        compare(TwoProportions([5], [1], [5], [1]), alpha=alpha, margin=margin)
