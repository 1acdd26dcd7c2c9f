"""Shares of rows drawn with unequal probabilities: closed forms, laws, and coverage under a sampler like ours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import NotEnoughData
from monitor.stats.intervals import Interval, wilson, wilson_of_share
from monitor.stats.weighted import PRIOR_ROWS, WeightSums, share_of_sums, weight_sums, weighted_share

rows = st.lists(st.tuples(st.booleans(), st.floats(0.01, 1.0)), min_size=1, max_size=60)


def test_equal_probabilities_give_wilsons_interval_exactly() -> None:
    outcomes = np.arange(263) < 81
    found = weighted_share(outcomes, np.full(263, 0.037))
    assert found.share == 81 / 263
    assert found.interval == wilson(81, 263) == weighted_share(outcomes).interval


def test_estimate_and_effective_sample_size_follow_their_formulas() -> None:
    outcomes, pi = np.array([1, 1, 0, 1, 0, 1, 1, 0]), np.array([0.1, 0.2, 0.4, 0.1, 0.4, 0.2, 0.1, 0.1])
    w = 1 / pi
    share = (w * outcomes).sum() / w.sum()
    design = 8 * ((w * (outcomes - share)) ** 2).sum() / w.sum() ** 2 / (share * (1 - share))
    kish = 8 * (w**2).sum() / w.sum() ** 2
    tied = 8 * (w**3).sum() / (w.sum() * (w**2).sum())
    found = weighted_share(outcomes, pi)
    assert found.share == pytest.approx(share)
    seen = 8 / kish * min(share, 1 - share)
    assert found.effective_n == pytest.approx(8 / ((seen * design + PRIOR_ROWS * tied) / (seen + PRIOR_ROWS)))
    assert found.interval == wilson_of_share(share, found.effective_n)


def test_without_a_mistake_the_weights_alone_decide() -> None:
    pi = np.array([0.1, 0.1, 0.5])
    w = 1 / pi
    found = weighted_share([1, 1, 1], pi)
    assert (found.share, found.interval.upper) == (1.0, 1.0)
    assert found.effective_n == pytest.approx(w.sum() * (w**2).sum() / (w**3).sum())


@given(rows, rows)
def test_parts_add_up_to_the_whole_and_come_off_it(
    first: list[tuple[bool, float]], second: list[tuple[bool, float]]
) -> None:
    one, two, both = (weight_sums(*zip(*part, strict=True)) for part in (first, second, first + second))
    assert share_of_sums(one + two).share == pytest.approx(share_of_sums(both).share)
    assert share_of_sums(both - one).share == pytest.approx(share_of_sums(two).share, abs=1e-6)
    assert share_of_sums(one + two).effective_n == pytest.approx(share_of_sums(both).effective_n)
    assert share_of_sums(both - one).effective_n == pytest.approx(share_of_sums(two).effective_n, rel=1e-4)


@given(rows, st.floats(0.01, 1.0))
def test_the_interval_holds_the_estimate_and_only_ratios_of_probabilities_matter(
    drawn: list[tuple[bool, float]], factor: float
) -> None:
    outcomes, pi = zip(*drawn, strict=True)
    found, scaled = weighted_share(outcomes, pi), weighted_share(outcomes, np.array(pi) * factor)
    assert found.share is not None
    assert found.share in Interval(found.interval.lower - 1e-12, found.interval.upper + 1e-12)
    assert scaled.share == pytest.approx(found.share)
    assert scaled.effective_n == pytest.approx(found.effective_n)


def test_no_rows_tell_nothing() -> None:
    found = weighted_share([], [])
    assert (found.n, found.share, found.interval) == (0, None, Interval(0.0, 1.0))


@pytest.mark.parametrize(
    ("outcomes", "pi"),
    [([1], [0.0]), ([1], [1.5]), ([1], [-0.1]), ([1, 0], [0.5]), ([1], [float("nan")]), ([0.5], [0.5]), ([[1]], [0.5])],
)
def test_impossible_rows_are_refused(outcomes: list[float], pi: list[float]) -> None:
    with pytest.raises(NotEnoughData):
        weighted_share(outcomes, pi)


@pytest.mark.parametrize(
    "sums",
    [
        WeightSums(2, 3, 2, 2, 3, 3, 2), WeightSums(4, 2, 10, 5, 5, 5, 100), WeightSums(1, 0),
        WeightSums(2, 1, 3, 5, 1, 1, 8), WeightSums(2, 1, 3, 5, 1, 1, float("inf")),
    ],
)  # fmt: skip
def test_sums_that_no_rows_have_are_refused(sums: WeightSums) -> None:
    with pytest.raises(NotEnoughData):
        share_of_sums(sums)


@pytest.mark.parametrize("n", [20, 100, 1000])
def test_intervals_of_boosted_samples_cover_as_promised(n: int) -> None:
    """Averaged over accuracies; the larger study, with the shipped sampler, is `benchmarks.slice_accuracy`."""
    rng = np.random.default_rng(n)
    covered = []
    for accuracy in (0.6, 0.8, 0.9, 0.95):
        chance = rng.beta(4 * accuracy, 4 * (1 - accuracy), 20_000)
        pi = 0.02 * (1 + 3 * np.clip(2 * (1 - chance), 0, 1)) * rng.choice([0.5, 1, 3], 20_000, p=[0.6, 0.3, 0.1])
        places = rng.choice(20_000, (400, n), p=pi / pi.sum())
        right = rng.random((400, n)) < chance[places]
        truth = chance.mean()
        covered += [truth in weighted_share(y, pi[drawn]).interval for y, drawn in zip(right, places, strict=True)]
    assert 0.93 <= np.mean(covered) <= 0.97


@pytest.mark.parametrize(("burst", "rate"), [(20, 0.05), (5, 0.3)])
def test_of_bursts_the_interval_covers_the_answers_that_came_and_not_such_traffic(burst: int, rate: float) -> None:
    """The limit that `docs/slices.md` names: near-duplicates are answered alike, and drawn each by its own coin."""
    rng, rounds, accuracy = np.random.default_rng(3), 800, 0.85
    own, such = 0, 0
    for _ in range(rounds):
        lengths = rng.geometric(1 / burst, round(400 / rate / burst))
        right = np.repeat(rng.random(lengths.size) < accuracy, lengths)
        found = weighted_share(right[rng.random(right.size) < rate]).interval
        own += right.mean() in found
        such += accuracy in found
    assert own / rounds > 0.93
    assert such / rounds < 0.85


def test_a_probability_whose_square_is_no_number_is_refused() -> None:
    with pytest.raises(NotEnoughData, match="probabilities"):
        weighted_share([1, 0], [1e-160, 1.0])


@pytest.mark.parametrize("light", [1e-8, 1e-15, 1e-20, 1e-90])
def test_a_row_that_weighs_next_to_nothing_leaves_what_one_row_knows(light: float) -> None:
    for outcomes, share in (([1, 0], 1.0), ([0, 1], 0.0)):
        found = weighted_share(outcomes, [light, 1.0])
        assert found.share == pytest.approx(share, abs=1.1 * light)
        assert 1.0 <= found.effective_n < 1.3


@pytest.mark.parametrize(("ratio", "rare", "labels"), [(333, 0.005, 100), (50, 0.05, 100), (333, 0.002, 50)])
def test_heavy_rows_without_a_mistake_are_no_certainty(ratio: int, rare: float, labels: int) -> None:
    """Sure answers are drawn 50 to 333 times less often and right in 95%, the few unsure ones in 60%.

    Counting the mistakes as they come, most of which are of light rows, covers 78 to 85%.
    """
    rng, hits = np.random.default_rng(11), 0
    truth = (1 - rare) * 0.95 + rare * 0.6
    drawn = (1 - rare) + rare * ratio
    for _ in range(1000):
        sure, unsure = rng.poisson(labels * (1 - rare) / drawn), rng.poisson(labels * rare * ratio / drawn)
        right = np.concatenate([rng.random(sure) < 0.95, rng.random(unsure) < 0.6])
        pi = np.concatenate([np.full(sure, 1 / ratio), np.ones(unsure)])
        hits += truth in weighted_share(right, pi).interval
    assert hits / 1000 > 0.93


@pytest.mark.parametrize("heavy", [1.9, 1.0, 0.1])
@pytest.mark.parametrize(("labels", "ratio", "accuracy"), [(60, 4, 0.9), (60, 10, 0.8), (200, 20, 0.9), (20, 4, 0.8)])
def test_few_heavy_rows_are_covered_wherever_the_mistakes_are(
    heavy: float, labels: int, ratio: int, accuracy: float
) -> None:
    """Half of the traffic is drawn `ratio` times less often, and wrong `heavy` times as often as the average.

    With Kish's design effect in place of that of ties, mistakes of the heavy half are covered 83 to 92%.
    """
    rng, hits = np.random.default_rng(12), 0
    for _ in range(1500):
        drawn = rng.poisson(labels / (1 + ratio) * np.array([1, ratio]))
        chances = np.repeat([heavy * (1 - accuracy), (2 - heavy) * (1 - accuracy)], drawn)
        found = weighted_share(rng.random(drawn.sum()) >= chances, np.repeat([1 / ratio, 1.0], drawn))
        hits += accuracy in found.interval
    assert 0.93 < hits / 1500 < 0.985 if heavy == 1.0 else hits / 1500 > 0.93


def test_the_design_effect_of_ties_is_that_of_outcomes_in_proportion_to_weights() -> None:
    """Rows of weight w, of which a share w in 1,000 is wrong, hold as much variance as it says."""
    w = np.array([1.0, 2.0, 10.0])
    kinds, wrong = np.repeat(w, 1000), np.concatenate([np.arange(1000) < one for one in w])
    sums = weight_sums(~wrong, 1 / kinds)
    variance = float((kinds**2)[wrong].sum()) / kinds.sum() ** 2
    of_equal_rows = float(kinds[wrong].sum()) / kinds.sum() / kinds.size
    assert sums.design_effect_of_ties == pytest.approx(variance / of_equal_rows)
    assert weight_sums([True] * 5).design_effect_of_ties == 1.0
