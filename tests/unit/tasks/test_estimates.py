"""Means with intervals: against closed forms, other programs' figures, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from monitor.errors import NotEnoughData
from monitor.stats.weighted import weighted_share
from monitor.tasks.estimates import jackknife, mean_share, mean_sign

scores = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_of_outcomes_the_interval_is_that_of_a_share(outcomes: list[bool]) -> None:
    found = mean_share(outcomes)
    assert found.interval == weighted_share(outcomes).interval
    assert (found.value, found.n) == (pytest.approx(np.mean(outcomes)), len(outcomes))


@given(scores)
def test_the_interval_holds_the_mean_and_keeps_to_the_range(given_scores: list[float]) -> None:
    found = mean_share(given_scores)
    assert found.value == pytest.approx(np.mean(given_scores))
    assert 0.0 <= found.interval.lower <= found.value + 1e-12
    assert found.value - 1e-12 <= found.interval.upper <= 1.0


def test_equal_scores_are_no_certainty() -> None:
    found = mean_share([0.5] * 20)
    assert 0.05 < found.interval.upper - found.interval.lower < 0.2


def test_many_scores_have_the_interval_of_the_normal_distribution() -> None:
    x = np.random.default_rng(1).beta(4, 2, 20_000)
    found, margin = mean_share(x).interval, 1.959964 * x.std() / len(x) ** 0.5
    assert (found.lower, found.upper) == pytest.approx((x.mean() - margin, x.mean() + margin), abs=2e-5)


def test_weights_make_the_mean_hajeks() -> None:
    x, drawn = np.array([0.2, 0.9, 1.0, 0.4]), np.array([0.1, 0.5, 0.5, 0.2])
    assert mean_share(x, drawn).value == pytest.approx(np.average(x, weights=1 / drawn))
    assert mean_share(x, np.full(4, 0.3)) == mean_share(x)


@pytest.mark.parametrize("n", [20, 60, 300])
@pytest.mark.parametrize("kind", ["recall", "reciprocal rank", "rating"])
def test_intervals_of_scores_cover(kind: str, n: int) -> None:
    """Nominal 95%; half of the draws are boosted where the score is low, as the label sampler does."""
    rng = np.random.default_rng(7)
    draw = {
        "recall": lambda size: rng.binomial(3, 0.8, size) / 3,
        "reciprocal rank": lambda size: 1.0 / rng.geometric(0.6, size),
        "rating": lambda size: rng.beta(5, 2, size),
    }[kind]
    truth = {"recall": 0.8, "rating": 5 / 7, "reciprocal rank": 0.6 * -np.log(0.6) / 0.4}[kind]
    hits = 0
    for _ in range(600):
        x = draw(4 * n)
        drawn = np.where(x < truth, 0.4, 0.15)
        kept = rng.random(x.size) < drawn
        hits += truth in mean_share(x[kept], drawn[kept]).interval
    assert stats.binomtest(hits, 600, 0.95).pvalue > 1e-4 or hits / 600 > 0.95


def test_a_difference_of_paired_shares_is_that_of_r() -> None:
    """R's statpsych::ci.prop.ps(.05, 12, 4, 26, 6): 0.2548067 to 0.6251933."""
    found = mean_sign([1] * 26 + [-1] * 4 + [0] * 18)
    assert (found.interval.lower, found.interval.upper) == pytest.approx((0.2548067, 0.6251933), abs=1e-7)
    assert found.value == pytest.approx(22 / 48)


@pytest.mark.parametrize("n", [20, 100])
def test_intervals_of_a_difference_cover_where_draws_are_unequal(n: int) -> None:
    rng, hits, truth = np.random.default_rng(3), 0, 0.2 - 0.05
    for _ in range(1000):
        signs = rng.choice([1, 0, -1], size=4 * n, p=[0.2, 0.75, 0.05])
        drawn = np.where(signs != 0, 0.4, 0.2)
        kept = rng.random(signs.size) < drawn
        hits += truth in mean_sign(signs[kept], drawn[kept]).interval
    assert hits / 1000 > 0.93


@pytest.mark.parametrize("sign", [-1, 0, 1])
@pytest.mark.parametrize("n", [3, 10, 49, 300])
def test_equal_signs_are_no_certainty(sign: int, n: int) -> None:
    """Whatever rounding leaves of a variance of 0."""
    found, weighed = mean_sign([sign] * n), mean_sign([sign] * n, np.linspace(0.1, 1.0, n))
    for one in (found, weighed):
        assert one.interval.upper - one.interval.lower > 1 / n
        assert one.value in one.interval or abs(one.value) == pytest.approx(1.0)
    assert weighed.interval.upper - weighed.interval.lower > found.interval.upper - found.interval.lower


def test_intervals_of_a_difference_cover_where_nearly_all_signs_are_equal() -> None:
    """By their own variance alone they covered 59%: most samples hold none of the signs that are seldom drawn."""
    rng, hits = np.random.default_rng(8), 0
    for _ in range(600):
        signs = (rng.random(80) < 0.95).astype(int)
        drawn = np.where(signs == 1, 0.9, 0.15) * rng.uniform(0.7, 1.0, signs.size)
        kept = np.flatnonzero(rng.random(signs.size) < drawn)[:20]
        hits += 0.95 in mean_sign(signs[kept], drawn[kept]).interval
    assert hits / 600 > 0.93


def test_the_interval_of_a_mean_has_the_spread_of_the_closed_form() -> None:
    x = np.random.default_rng(2).beta(2.0, 5.0, size=400)
    (found,) = jackknife(x[:, None], lambda means: means, 1.0)
    margin = stats.t.ppf(0.975, 399) * x.std(ddof=1) / len(x) ** 0.5
    assert found.value == pytest.approx(x.mean())
    assert (found.interval.upper - found.interval.lower) / 2 == pytest.approx(margin, rel=5e-3)


def test_its_deviation_is_that_of_scipys_delete_one_jackknife() -> None:
    """Undoing the logit and Student's deviate leaves sqrt(n / (n - 1)) times the textbook's standard error."""
    rng = np.random.default_rng(3)
    parts = np.column_stack([rng.integers(0, 5, 30), rng.integers(5, 9, 30)]).astype(float)
    (found,) = jackknife(parts, lambda means: means[:, :1] / means[:, 1:], 1.0)
    one_out = [np.delete(parts, row, axis=0).sum(axis=0) for row in range(30)]
    ratios = np.array([matches / length for matches, length in one_out])
    error = np.sqrt(29 / 30 * ((ratios - ratios.mean()) ** 2).sum())
    ends = special.logit([found.interval.lower, found.interval.upper])
    spread = found.value * (1 - found.value)
    assert (ends[1] - ends[0]) / 2 / stats.t.ppf(0.975, 29) * spread == pytest.approx(
        error * (30 / 29) ** 0.5, rel=1e-3
    )
    assert ends.mean() == pytest.approx(special.logit(found.value), abs=1e-9)


def test_the_order_of_answers_does_not_matter_to_the_jackknife() -> None:
    rng = np.random.default_rng(4)
    parts, drawn = rng.integers(0, 5, (40, 2)), rng.uniform(0.1, 1.0, 40)
    (found,), (turned,) = (
        jackknife(parts[order], lambda means: means[:, :1] + means[:, 1:], 8.0, drawn[order])
        for order in (np.arange(40), rng.permutation(40))
    )
    assert (found.value, found.interval.lower, found.interval.upper) == pytest.approx(
        (turned.value, turned.interval.lower, turned.interval.upper), rel=1e-12
    )


def test_the_interval_of_a_ratio_covers() -> None:
    rng, hits = np.random.default_rng(5), 0
    for _ in range(300):
        length = rng.integers(5, 30, 80)
        matches = rng.binomial(length, 0.3)
        parts = np.column_stack([matches, length])
        (found,) = jackknife(parts, lambda means: means[:, :1] / means[:, 1:], 1.0)
        hits += 0.3 in found.interval
    assert stats.binomtest(hits, 300, 0.95).pvalue > 1e-3


def test_skewed_scores_of_twenty_unequally_drawn_answers_are_covered() -> None:
    """Of 1,500 such samples this interval covered 94.7%, the percentile bootstrap's 91.8%."""
    rng, hits = np.random.default_rng(6), 0
    for _ in range(1000):
        scores = rng.beta(1.0, 5.0, 20)
        drawn = rng.choice([0.1, 0.2, 0.4, 0.8], 20)
        (found,) = jackknife(scores[:, None], lambda means: means, 1.0, drawn)
        hits += 1.0 / 6.0 in found.interval
    assert hits / 1000 > 0.93


@pytest.mark.parametrize(("value", "ends"), [(0.0, (0.0, 1.61125)), (4.0, (3.3555, 4.96675)), (10.0, (8.38875, 10.0))])
def test_scores_that_are_all_alike_are_no_certainty(value: float, ends: tuple[float, float]) -> None:
    """Wilson's upper bound of none in 20 is 0.161125: as far of the way to either end the truth may lie."""
    (found,) = jackknife(np.full((20, 1), value), lambda means: means, 10.0)
    assert (found.interval.lower, found.interval.upper) == pytest.approx(ends, abs=1e-4)


def test_figures_beyond_their_promised_range_are_refused() -> None:
    with pytest.raises(NotEnoughData, match="between 0 and 1 were promised"):
        jackknife([[0.5], [2.5]], lambda means: means, 1.0)


@pytest.mark.parametrize("bad", [[], [1.2], [float("nan")], [[0.5]]])
def test_what_is_no_score_is_refused(bad: list[float]) -> None:
    with pytest.raises(NotEnoughData):
        mean_share(bad)


@pytest.mark.parametrize("drawn", [[0.5], [0.0, 0.5], [0.5, 1.5], [0.5, float("nan")]])
def test_what_is_no_probability_is_refused(drawn: list[float]) -> None:
    for estimate in (mean_share, mean_sign):
        with pytest.raises(NotEnoughData):
            estimate([0.0, 1.0], drawn)
    with pytest.raises(NotEnoughData):
        mean_share([0.3, 1.0], drawn)
    with pytest.raises(NotEnoughData):
        jackknife([[0.1], [0.2]], lambda means: means, 1.0, drawn)


@pytest.mark.parametrize("level", [0.0, 1.0, float("nan")])
def test_levels_that_cannot_be_are_refused(level: float) -> None:
    for scores in ([0.3, 0.4], [0.0, 1.0]):
        with pytest.raises(NotEnoughData, match="level"):
            mean_share(scores, level=level)


def test_other_signs_are_refused() -> None:
    with pytest.raises(NotEnoughData, match="-1, 0 or 1"):
        mean_sign([0.5])


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("level", [0.01, 0.5, 0.84, 0.95])
def test_the_interval_of_a_difference_holds_it_at_any_level(sign: int, level: float) -> None:
    for signs in ([sign] * 50, [sign] * 49 + [0]):
        found = mean_sign(signs, level=level)
        assert found.value in found.interval


@pytest.mark.parametrize(
    ("bad", "ratio", "rare", "labels"), [(0.05, 50, 0.05, 100), (0.3, 10, 0.5, 60), (0.3, 20, 0.5, 200)]
)
def test_few_heavy_answers_are_covered_wherever_low_scores_are(
    bad: float, ratio: int, rare: float, labels: int
) -> None:
    """Sure answers score 1 but for `bad`, unsure ones, drawn `ratio` times as often, worse or better.

    Without a design effect from the weights the jackknife covers 77, 85 and 92%; with Kish's, `mean_share` covers the
    last 90%.
    """
    rng, hits = np.random.default_rng(11), np.zeros(2)
    drawn = (1 - rare) + rare * ratio
    low = 1.0 if bad < 0.1 else 0.02
    truth = (1 - rare) * (1 - 0.7 * bad) + rare * (1 - 0.5 * low)
    for _ in range(600):
        sure, unsure = rng.poisson(labels / drawn * np.array([1 - rare, rare * ratio]))
        scores = np.concatenate([
            np.where(rng.random(sure) < bad, rng.uniform(0, 0.6, sure), 1.0),
            np.where(rng.random(unsure) < low, rng.random(unsure), 1.0),
        ])  # fmt: skip
        pi = np.concatenate([np.full(sure, 1 / ratio), np.ones(unsure)])
        (means,) = jackknife(scores[:, None], lambda means: means, 1.0, pi)
        hits += truth in means.interval, truth in mean_share(scores, pi).interval
    assert (hits / 600 > 0.93).all()
