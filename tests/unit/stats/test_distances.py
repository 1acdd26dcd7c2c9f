"""Which of two means is further from 0, however often one looks: e-values, false verdicts, power."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from monitor.stats.sequential import Distances, Outcome, compare


def distances(rng: np.random.Generator, n: int, first: float, second: float) -> Distances:
    """Of the gaps of n rows with confidence 0.7."""
    of_second = rng.random(n) < 0.5
    return Distances(0.7 - (rng.random(n) < 0.7 - np.where(of_second, second, first)), of_second)


@pytest.mark.parametrize("difference", [-0.5, 0.0, 0.3])
def test_a_factor_has_expectation_at_most_one_wherever_the_distances_differ_by_no_more(difference: float) -> None:
    """Two blocks of one row of each stream, whose values are -1 or 1, at all means."""
    outcomes = list(itertools.product((-1.0, 1.0), repeat=4))
    order = [0, 1, 0, 1]
    at_most, at_least = np.exp([
        [side[-1, 0] for side in Distances(one, order).against(np.array([difference]))] for one in outcomes
    ]).T  # fmt: skip
    steps = np.linspace(-1.0, 1.0, 21)
    for first, second in itertools.product(steps, steps):
        means = np.array([first, second, first, second])
        chance = [np.prod((1.0 + np.array(one) * means) / 2.0) for one in outcomes]
        farther = abs(second) - abs(first)
        if farther <= difference + 1e-12:
            assert float(np.dot(chance, at_most)) <= 1 + 1e-9
        if farther >= difference - 1e-12:
            assert float(np.dot(chance, at_least)) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("first", "second"), [(0.15, -0.15), (-0.15, 0.15), (0.05, -0.05), (0.2, 0.2), (0.0, 0.0), (0.25, -0.1)]
)
def test_distances_are_rarely_left_out_at_any_look(first: float, second: float) -> None:
    """Also of means that are equally far from 0 on opposite sides, where which is nearer was once a coin's toss."""
    rng = np.random.default_rng(15)
    true, threshold, missed = np.array([abs(second) - abs(first)]), np.log(2 / 0.1), 0
    for _ in range(200):
        at_most, at_least = distances(rng, 1500, first, second).against(true)
        missed += bool((at_most > threshold).any() or (at_least > threshold).any())
    assert missed <= 20 + 9


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        (0.0, 0.2, Outcome.HIGHER),
        (0.0, -0.2, Outcome.HIGHER),
        (0.2, 0.0, Outcome.LOWER),
        (0.25, -0.1, Outcome.LOWER),
        (-0.1, 0.25, Outcome.HIGHER),
        (0.15, -0.15, Outcome.UNDECIDED),
        (0.15, -0.13, Outcome.UNDECIDED),
    ],
)
def test_the_mean_that_is_further_from_0_is_found_whatever_its_side(
    first: float, second: float, outcome: Outcome
) -> None:
    rng = np.random.default_rng(16)
    found = [compare(distances(rng, 3000, first, second), alpha=0.0125, margin=0.02) for _ in range(5)]
    assert [one.outcome for one in found] == [outcome] * 5
    assert all(abs(second) - abs(first) in one.interval for one in found)
    assert all(one.estimate == pytest.approx(abs(second) - abs(first), abs=0.06) for one in found)


def test_as_far_from_0_on_the_other_side_is_equivalent_with_enough_rows() -> None:
    """Of values that hardly vary. At half of the rows that it takes, about the other half is announced."""
    rng = np.random.default_rng(17)
    of_second = rng.random(12_000) < 0.5
    values = np.where(of_second, -0.3, 0.3) + rng.uniform(-0.05, 0.05, of_second.size)
    evidence = Distances(values, of_second)
    found = compare(evidence, alpha=0.05, margin=0.02)
    assert (found.outcome, found.more) == (Outcome.EQUIVALENT, 0)
    assert found.estimate == pytest.approx(0.0, abs=0.002)
    labels = np.cumsum(of_second)
    decided = labels[evidence.ends[np.flatnonzero((found.lower > -0.02) & (found.upper < 0.02))[0]]]
    half = int(np.searchsorted(labels, decided // 2))
    early = compare(Distances(values[:half], of_second[:half]), alpha=0.05, margin=0.02)
    assert early.outcome == Outcome.UNDECIDED
    assert early.more == pytest.approx(decided - decided // 2, rel=0.5)


def test_distances_of_exchanged_sides_are_turned_round() -> None:
    rng = np.random.default_rng(18)
    of_second = rng.random(800) < 0.4
    values = rng.uniform(-0.5, 1.0, 800) * np.where(of_second, 1.0, 0.2)
    one, other = (compare(Distances(values, side), alpha=0.05, margin=0.02) for side in (of_second, ~of_second))
    assert one.estimate == pytest.approx(-other.estimate)
    assert (one.interval.lower, one.interval.upper) == pytest.approx((-other.interval.upper, -other.interval.lower))
    mirrored = compare(Distances(-values, of_second), alpha=0.05, margin=0.02)
    assert (mirrored.interval, mirrored.more) == (one.interval, one.more)


def test_distances_that_changed_are_called_so() -> None:
    """A canary whose gap was 0.4, mended after the first third to 0, beside a stable gap of 0.15."""
    rng = np.random.default_rng(19)
    of_second = np.tile([False, True], 3000)
    gap = np.where(of_second, np.where(np.arange(6000) < 2000, 0.4, 0.0), 0.15)
    found = compare(Distances(0.7 - (rng.random(6000) < 0.7 - gap), of_second), alpha=0.05, margin=0.02)
    assert (found.outcome, found.interval.lower, found.interval.upper) == (Outcome.CHANGED, -1.0, 1.0)
    assert found.moved is not None
    assert -0.15 < found.moved.lower <= found.moved.upper < 0.25
