from __future__ import annotations

from bisect import bisect_left

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.histograms import LATENCY_BINS, LATENCY_BOUNDS_MS, latency_bins
from monitor.sli.availability import Availability
from monitor.sli.label_accuracy import LabelAccuracy
from monitor.sli.latency import Latency
from monitor.sli.series import LabelOutcomes, MinuteCounts


def minute(
    ok: int = 0, error: int = 0, timeout: int = 0, rejected: int = 0, latencies: tuple[float, ...] = ()
) -> MinuteCounts:
    histogram = np.bincount(latency_bins(latencies), minlength=LATENCY_BINS)[None]
    one_row = [np.array([count]) for count in (7, ok, error, timeout, rejected)]
    return MinuteCounts(*one_row, latency_histogram=histogram)


def test_errors_and_timeouts_are_unavailable_and_rejections_are_nothing() -> None:
    events = Availability().count(minute(ok=90, error=6, timeout=4, rejected=1000))
    assert (events.minute.tolist(), events.bad.tolist(), events.total.tolist()) == ([7], [10], [100])


def test_a_minute_of_rejections_alone_is_no_data() -> None:
    assert Availability().count(minute(rejected=50)).total.tolist() == [0]


@given(st.lists(st.floats(0, 100_000), max_size=50), st.sampled_from(LATENCY_BOUNDS_MS))
def test_slow_is_what_is_above_the_threshold_exactly(latencies: list[float], threshold: float) -> None:
    events = Latency().count(minute(ok=len(latencies), latencies=tuple(latencies)), threshold)
    assert events.bad.tolist() == [sum(one > threshold for one in latencies)]
    assert events.total.tolist() == [len(latencies)]


def test_failures_and_answers_without_a_latency_are_neither_fast_nor_slow() -> None:
    events = Latency().count(minute(ok=5, error=100, timeout=100, rejected=100, latencies=(10, 400)), 300)
    assert (events.bad.tolist(), events.total.tolist()) == ([1], [2])


@pytest.mark.parametrize("threshold", [None, 250, 300.0001, 0, -1, float("nan")])
def test_a_threshold_within_a_bin_is_refused(threshold: float | None) -> None:
    with pytest.raises(ValueError, match="no bound of the latency histogram"):
        Latency().count(minute(), threshold)


def test_every_bound_belongs_to_its_own_bin() -> None:
    """As in Prometheus: `le`, less or equal."""
    assert [bisect_left(LATENCY_BOUNDS_MS, bound) for bound in LATENCY_BOUNDS_MS] == list(range(LATENCY_BINS - 1))


def test_what_was_labelled_incorrect_is_bad_from_when_it_was_labelled() -> None:
    drawn = np.array([0.01, 0.02]), np.array([0.1, 0.1])
    outcomes = LabelOutcomes(np.array([60.0, 30.0]), np.array([100.0, 900.0]), np.array([True, False]), *drawn)
    events = LabelAccuracy().count(outcomes)
    assert events.predicted_at.tolist() == [60.0, 30.0]
    assert events.known_at.tolist() == [100.0, 900.0]
    assert events.bad.tolist() == [False, True]
    assert (events.coin.tolist(), events.rate.tolist()) == ([0.01, 0.02], [0.1, 0.1])
