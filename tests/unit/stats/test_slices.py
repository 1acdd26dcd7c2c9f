from __future__ import annotations

import numpy as np
import pytest

from monitor.errors import NotEnoughData
from monitor.stats.intervals import wilson
from monitor.stats.slices import MIN_LABELS, SliceAccuracy, slice_accuracy, slice_accuracy_of_counts


def test_the_published_accuracy_of_a_real_run_has_wilsons_interval() -> None:
    # GPT-4o on MMMU-Pro, standard-direct: 694 of 1,730.
    found = slice_accuracy(np.arange(1730) < 694)
    interval = wilson(694, 1730)
    assert found == SliceAccuracy(1730, 694, 694 / 1730, interval.lower, interval.upper, "ok")
    assert found.accuracy == pytest.approx(0.4012, abs=5e-5)


def test_counts_and_outcomes_agree() -> None:
    assert slice_accuracy([1, 0, 1, 1]) == slice_accuracy_of_counts(3, 4)


@pytest.mark.parametrize(
    ("n", "state"), [(1, "not_enough_labels"), (MIN_LABELS - 1, "not_enough_labels"), (MIN_LABELS, "ok")]
)
def test_too_few_labels_are_a_state_not_an_error(n: int, state: str) -> None:
    assert slice_accuracy([True] * n).state == state


def test_without_labels_nothing_is_known() -> None:
    assert slice_accuracy([], min_labels=0) == SliceAccuracy(0, 0, None, 0.0, 1.0, "not_enough_labels")


@pytest.mark.parametrize("correct", [[0.5], [2], [float("nan")], [[True]], ["yes"], None])
def test_what_is_neither_true_nor_false_is_refused(correct: object) -> None:
    with pytest.raises(NotEnoughData):
        slice_accuracy(correct)  # type: ignore[arg-type]


@pytest.mark.parametrize(("correct", "n"), [(1, 0), (5, 4), (-1, 4)])
def test_impossible_counts_are_refused(correct: int, n: int) -> None:
    with pytest.raises(NotEnoughData):
        slice_accuracy_of_counts(correct, n)
