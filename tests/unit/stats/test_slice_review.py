"""Which slices are marked: those planted, and no others more often than said."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.errors import NotEnoughData
from monitor.stats.multiple_testing import benjamini_hochberg
from monitor.stats.slice_review import SliceLabels, review
from monitor.stats.weighted import WeightSums, weight_sums, weighted_share

NOTHING = WeightSums()


def labels(rng: np.random.Generator, n: int, accuracy: float) -> WeightSums:
    return weight_sums(rng.random(n) < accuracy, rng.choice([0.05, 0.2], n))


def whole(parts: list[SliceLabels[str]]) -> WeightSums:
    return sum((one.now for one in parts), NOTHING)


def test_a_slice_that_is_worse_and_one_that_fell_are_marked() -> None:
    rng = np.random.default_rng(1)
    slices = [SliceLabels(f"s{i}", labels(rng, 300, 0.9), labels(rng, 300, 0.9)) for i in range(8)]
    slices.append(SliceLabels("worse", labels(rng, 300, 0.65), labels(rng, 300, 0.65)))
    slices.append(SliceLabels("fell", labels(rng, 300, 0.75), labels(rng, 300, 0.95)))
    found = {row.key: row for row in review(slices, whole(slices))}
    assert [key for key, row in found.items() if row.changed] == ["fell"]
    assert found["worse"].stands_out
    assert (found["worse"].rest.difference or 0.0) < -0.1
    assert min(found.values(), key=lambda row: row.evidence).key == "worse"


def test_unchanged_slices_are_seldom_marked() -> None:
    """By Benjamini-Hochberg the chance of any mark among 20 unchanged slices is at most 5%, about."""
    rng, marked = np.random.default_rng(2), np.zeros(2)
    for _ in range(150):
        slices = [SliceLabels(str(i), labels(rng, 80, 0.85), labels(rng, 80, 0.85)) for i in range(20)]
        found = review(slices, whole(slices))
        marked += [any(row.changed for row in found), any(row.stands_out for row in found)]
    assert (marked / 150 <= 0.10).all()


def test_p_values_are_adjusted_over_the_table() -> None:
    rng = np.random.default_rng(3)
    slices = [SliceLabels(i, labels(rng, 100, 0.9), labels(rng, 100, 0.8)) for i in range(6)]
    found = review(slices, sum((one.now for one in slices), NOTHING))
    raw = [row.change.p_value for row in found]
    assert [row.change_p for row in found] == pytest.approx(benjamini_hochberg(raw).tolist())


def test_slices_with_few_labels_are_shown_but_neither_tested_nor_ranked() -> None:
    few = SliceLabels("few", weight_sums([False] * 19), weight_sums([True] * 500))
    enough = SliceLabels("enough", weight_sums([True] * 90 + [False] * 10), weight_sums([True] * 5))
    first, second = review([few, enough], few.now + enough.now)
    assert (first.change_p, first.rest_p, second.change_p, second.rest_p) == (None, None, None, None)
    assert first.accuracy.interval.upper < 0.2
    assert second.evidence < first.evidence


def test_no_change_is_told_from_few_labels_on_either_side() -> None:
    many, few = weight_sums([True] * 70 + [False] * 10), weight_sums([True, False, True, True, True])
    slices = [SliceLabels("both", many, many), SliceLabels("before", many, few), SliceLabels("now", few, many),
              SliceLabels("new", many, NOTHING), SliceLabels("none", NOTHING, NOTHING)]  # fmt: skip
    found = {row.key: row for row in review(slices, whole(slices))}
    assert {key: row.change_state for key, row in found.items()} == {
        "both": "ok", "before": "not_enough_labels_before", "now": "not_enough_labels",
        "new": "not_enough_labels_before", "none": "not_enough_labels",
    }  # fmt: skip
    assert [key for key, row in found.items() if row.known_change is not None] == ["both"]


def test_a_window_that_is_not_mature_ranks_nothing() -> None:
    one = SliceLabels("a", weight_sums([True] * 50), NOTHING)
    (found,) = review([one], one.now, mature=False)
    assert found.accuracy.state == "not_yet_mature"
    assert found.rest.difference is None, "there is no other traffic"


@pytest.mark.parametrize(("least", "drawn"), [(1e-3, 40), (1e-6, 40), (1e-8, 3), (1e-3, 1)])
def test_a_rest_that_weighs_little_is_what_its_own_rows_say(least: float, drawn: int) -> None:
    """The rest is a difference of floats: as exact as the whole, of which it is a part in 1e4 to 1e11."""
    rng = np.random.default_rng(0)
    for _ in range(60):
        rare = rng.uniform(least, 10 * least, 1000)
        right = rng.random(1000) < 0.8
        order = rng.permutation(1000 + drawn)
        part = weight_sums(right, rare)
        all_rows = weight_sums(np.append(right, np.ones(drawn, bool))[order], np.append(rare, np.ones(drawn))[order])
        [found] = review([SliceLabels("rare", part, part)], all_rows)
        assert (found.rest.before.n, found.rest.before.count) == (drawn, drawn)
        assert found.rest.before.share == pytest.approx(1.0)
        assert found.rest.before.effective_n == pytest.approx(drawn, rel=1e-3 if least >= 1e-3 else 1.0)


def test_a_rest_of_both_outcomes_is_estimated_as_if_alone() -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        rare, chances = rng.uniform(1e-3, 1e-2, 1000), rng.uniform(0.3, 1.0, 50)
        right, rest = rng.random(1000) < 0.8, rng.random(50) < 0.7
        part, order = weight_sums(right, rare), rng.permutation(1050)
        all_rows = weight_sums(np.append(right, rest)[order], np.append(rare, chances)[order])
        [found] = review([SliceLabels("rare", part, part)], all_rows)
        alone = weighted_share(rest, chances)
        assert found.rest.before.share == pytest.approx(alone.share, rel=1e-6)
        assert found.rest.before.effective_n == pytest.approx(alone.effective_n, rel=1e-4)


def test_a_rest_that_weighs_less_than_rounding_is_unknown() -> None:
    part = weight_sums([True] * 60 + [False] * 40, [1e-20] * 100)
    rest = weight_sums([True] * 50)
    [found] = review([SliceLabels("rare", part, part)], part + rest)
    assert found.accuracy.accuracy == 0.6
    assert (found.rest.difference, found.rest_p) == (None, None)


def test_a_part_that_is_none_is_refused() -> None:
    small, large = weight_sums([True, False]), weight_sums([True, False, False], [0.5, 0.1, 0.1])
    with pytest.raises(NotEnoughData):
        review([SliceLabels("no part", large, large)], small)
