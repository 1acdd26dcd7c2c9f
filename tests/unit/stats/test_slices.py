"""States of a slice's accuracy."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.errors import NotEnoughData
from monitor.stats.intervals import Interval, wilson
from monitor.stats.slices import MIN_LABELS, slice_accuracy


def test_the_published_accuracy_of_a_real_run_has_wilsons_interval() -> None:
    # GPT-4o on MMMU-Pro, standard-direct: 694 of 1,730.
    found = slice_accuracy(np.arange(1730) < 694)
    assert (found.n, found.correct.count, found.state) == (1730, 694, "ok")
    assert found.interval == wilson(694, 1730)
    assert found.accuracy == pytest.approx(0.4012, abs=5e-5)


@pytest.mark.parametrize(
    ("n", "state"), [(1, "not_enough_labels"), (MIN_LABELS - 1, "not_enough_labels"), (MIN_LABELS, "ok")]
)
def test_too_few_labels_are_a_state_not_an_error(n: int, state: str) -> None:
    assert slice_accuracy([True] * n).state == state


def test_labels_that_are_still_to_come_are_a_state_too() -> None:
    assert slice_accuracy([True] * MIN_LABELS, mature=False).state == "not_yet_mature"
    assert slice_accuracy([True], mature=False).state == "not_enough_labels"


def test_without_labels_nothing_is_known() -> None:
    found = slice_accuracy([], min_labels=0)
    assert (found.n, found.accuracy, found.interval, found.state) == (0, None, Interval(0.0, 1.0), "not_enough_labels")


@pytest.mark.parametrize("min_labels", [float("nan"), "a", None, 2.5, -1])
def test_a_number_of_labels_must_be_one(min_labels: object) -> None:
    with pytest.raises(NotEnoughData, match="whole number of at least 0 labels"):
        slice_accuracy([1, 0], min_labels=min_labels)  # type: ignore[arg-type]


@pytest.mark.parametrize("correct", [[0.5], [2], [float("nan")], [[True]], ["yes"], None])
def test_what_is_neither_true_nor_false_is_refused(correct: object) -> None:
    with pytest.raises(NotEnoughData):
        slice_accuracy(correct)  # type: ignore[arg-type]
