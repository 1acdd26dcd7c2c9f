"""Arguments beside the arrays: what is no number, no whole number or no row is refused in the tree's own words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from monitor.discovery import discover, labelled
from monitor.errors import NotEnoughData
from monitor.explain import Rows, explain
from monitor.stats.agreement import krippendorff_alpha
from monitor.stats.bootstrap import percentiles, resampled_means
from monitor.stats.calibration import calibration, corp_decomposition, reliability_table
from monitor.stats.classifier_test import domain_scores
from monitor.stats.dominance import dominance
from monitor.stats.exact_sums import to_units
from monitor.stats.histogram_quantile import quantile
from monitor.stats.intervals import clopper_pearson_of_shares, wilson
from monitor.stats.kmeans import kmeans
from monitor.stats.maturity import delay_curve, maturity
from monitor.stats.proportions import Proportion
from monitor.stats.scaling import repairs
from monitor.stats.sequential import TwoProportions, compare
from monitor.stats.weighted import weighted_share
from monitor.tasks.vqa import soft_accuracy

RNG = np.random.default_rng(0)
SHARES = RNG.random(200)
RIGHT = RNG.random(200) < SHARES
ROWS = RNG.normal(size=(60, 3))
LABELLED = labelled(RIGHT, [{}] * 200)
WINDOW = Rows([{"a": "b"}] * 100)
PROPORTIONS = TwoProportions([9], [3], [9], [4])
CURVE = delay_curve([1.0, 2.0], [True, False])

Call = Callable[[], object]
CALLS: dict[str, Call] = {
    "level of a text": lambda: calibration(SHARES, RIGHT, level="a"),  # type: ignore[arg-type]
    "no level": lambda: repairs(SHARES, RIGHT, level=None),  # type: ignore[arg-type]
    "levels": lambda: dominance(SHARES, SHARES, confidence=np.array([0.9, 0.95])),  # type: ignore[arg-type]
    "a part of a bin": lambda: calibration(SHARES, RIGHT, bins=7.5),  # type: ignore[arg-type]
    "bins of no number": lambda: reliability_table(SHARES, RIGHT, bins=float("nan")),  # type: ignore[arg-type]
    "a seed below 0": lambda: repairs(SHARES, RIGHT, seed=-1),
    "a seed of labels below 0": lambda: discover(LABELLED, seed=-1),
    "a seed of windows below 0": lambda: explain(WINDOW, WINDOW, seed=-1),
    "a seed of folds below 0": lambda: domain_scores(ROWS, ROWS, seed=-1),
    "a seed of draws below 0": lambda: resampled_means(ROWS, np.ones(60), seed=-1),
    "a part of a permutation": lambda: domain_scores(ROWS, ROWS, permutations=2.5),  # type: ignore[arg-type]
    "a part of a fold": lambda: domain_scores(ROWS, ROWS, folds=2.5),  # type: ignore[arg-type]
    "a part of a draw": lambda: resampled_means(ROWS, np.ones(60), draws=2.5),  # type: ignore[arg-type]
    "a part of a replicate": lambda: krippendorff_alpha(ROWS, replicates=2.5),  # type: ignore[arg-type]
    "a margin of a text": lambda: compare(PROPORTIONS, alpha=0.05, margin="1"),  # type: ignore[arg-type]
    "masked groups": lambda: dominance(SHARES, SHARES, current_groups=np.ma.masked_less(np.arange(200), 9)),
    "ragged groups": lambda: domain_scores(ROWS, ROWS, reference_groups=[[1], [1, 2]] * 30),  # type: ignore[arg-type]
    "shares of other lengths": lambda: clopper_pearson_of_shares([0.5, 0.6], [10.0], 0.05),
    "shares above 1": lambda: clopper_pearson_of_shares([1.5], [10.0], 0.05),
    "draws of texts": lambda: percentiles("ab", 10, 0.95),  # type: ignore[arg-type]
    "draws of no number": lambda: percentiles(np.full((9, 2), np.nan), 10, 0.95),
    "rows that are a part": lambda: percentiles(ROWS, 2.5, 0.95),  # type: ignore[arg-type]
    "answered of several": lambda: maturity(np.array([1, 2]), [], CURVE),  # type: ignore[arg-type]
    "a histogram of one number": lambda: quantile(3, (1.0,), 0.5),  # type: ignore[arg-type]
    "a histogram of a text": lambda: quantile("ab", (1.0,), 0.5),  # type: ignore[arg-type]
    "several shares": lambda: quantile([1, 1], (1.0,), np.array([0.5, 0.6])),  # type: ignore[arg-type]
    "units of texts": lambda: to_units(np.array(["a"])),  # type: ignore[arg-type]
    "units of complex numbers": lambda: to_units(np.array([1j])),  # type: ignore[arg-type]
    "units behind a mask": lambda: to_units(np.ma.masked_equal([1.0, 2.0], 2.0)),
    "five of three": lambda: Proportion(5, 3).share,
    "successes of a text": lambda: wilson("a", 3),  # type: ignore[arg-type]
    "several successes": lambda: wilson(np.array([1, 2]), 3),  # type: ignore[arg-type]
    "a part of an outcome": lambda: TwoProportions([10], [5.5], [10], [5]),
    "a part of a row": lambda: TwoProportions([10.5], [5], [10], [5]),
    "probabilities that weigh all": lambda: corp_decomposition(SHARES, RIGHT, probability=[1e-320] + [1.0] * 199),
    "part of a cluster": lambda: kmeans(ROWS, 2.5, RNG),  # type: ignore[arg-type]
    "clusters of no number": lambda: kmeans(ROWS, float("nan"), RNG),  # type: ignore[arg-type]
    "clusters of a text": lambda: kmeans(ROWS, "2", RNG),  # type: ignore[arg-type]
    "five of none": lambda: Proportion(5, 0).interval,
    "none of none, with a confidence of 2": lambda: Proportion(0, 0).interval_at(2.0),
    "no rows, with a confidence of 2": lambda: weighted_share([]).interval_at(2.0),
    "no annotators": lambda: soft_accuracy("a", []),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_cannot_be_meant_is_refused(name: str) -> None:
    with pytest.raises(NotEnoughData):
        CALLS[name]()


def test_shares_may_come_as_lists() -> None:
    lower, upper = clopper_pearson_of_shares([0.3], [10], 0.025)
    assert (lower[0], upper[0]) == pytest.approx((0.0667395, 0.6524529), abs=1e-6)  # Clopper and Pearson's of 3 of 10


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    assert calibration(SHARES, RIGHT, bins=np.int64(10)) == calibration(SHARES, RIGHT, bins=10)  # type: ignore[arg-type]
