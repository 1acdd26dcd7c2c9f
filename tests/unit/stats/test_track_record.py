"""Estimates against labels: agreement as often as both intervals promise."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.errors import NotEnoughData
from monitor.stats.intervals import Interval
from monitor.stats.proportions import Proportion
from monitor.stats.track_record import Checked, track_record
from monitor.stats.weighted import WeightedShare, weighted_share


def test_right_estimates_agree_with_labels_95_times_of_100() -> None:
    rng, checked = np.random.default_rng(1), []
    for _ in range(1500):
        truth = rng.uniform(0.6, 0.95)
        estimate = truth + 0.02 * rng.standard_normal()
        bounds = Interval(estimate - 1.96 * 0.02, estimate + 1.96 * 0.02)
        checked.append(Checked(estimate, bounds, weighted_share(rng.random(100) < truth)))
    found = track_record(checked, min_labels=20)
    assert 0.935 <= (found.agreed.share or 0.0) <= 0.97
    assert found.mean_error == pytest.approx(0.0, abs=0.005)
    assert 0.02 < (found.mean_distance or 0.0) < 0.06


def test_estimates_that_are_too_high_are_found_out() -> None:
    labelled = weighted_share([True] * 70 + [False] * 30)
    found = track_record([Checked(0.9, Interval(0.88, 0.92), labelled)] * 3, min_labels=20)
    assert found.agreed == Proportion(0, 3)
    assert found.mean_error == pytest.approx(0.2)
    assert not Checked(0.5, Interval(0.48, 0.52), labelled).agrees


def test_without_labels_there_is_no_record() -> None:
    nothing = Checked(0.9, Interval(0.8, 1.0), WeightedShare(0, 0, None, 0.0))
    assert (nothing.error, nothing.agrees) == (None, None)
    assert track_record([nothing], min_labels=0).agreed == Proportion(0, 0)
    few = Checked(0.9, Interval(0.8, 1.0), weighted_share([True] * 5))
    assert track_record([few], min_labels=20).mean_error is None


@pytest.mark.parametrize("min_labels", [float("nan"), "a", None])
def test_a_number_of_labels_must_be_one(min_labels: object) -> None:
    with pytest.raises(NotEnoughData, match="whole number"):
        track_record([], min_labels=min_labels)  # type: ignore[arg-type]
