"""Histogram bins: each value has one, in order, and bounds belong to the bin that the docs say."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.histograms import (
    CONFIDENCE_BINS,
    LATENCY_BINS,
    LATENCY_BOUNDS_MS,
    confidence_bins,
    latency_bins,
)

latencies = st.floats(0, 1e15)
confidences = st.floats(0, 1)


def test_bounds_ascend() -> None:
    assert all(low < high for low, high in pairwise(LATENCY_BOUNDS_MS))


@given(latencies)
def test_a_latency_lies_above_the_bound_before_its_bin_and_not_above_its_own(value: float) -> None:
    edges = (-1.0, *LATENCY_BOUNDS_MS, sys.float_info.max)
    [index] = latency_bins([value])
    assert 0 <= index < LATENCY_BINS
    assert edges[index] < value <= edges[index + 1]


@given(st.lists(latencies, max_size=50))
def test_latency_bins_count_as_prometheus_buckets_do(values: list[float]) -> None:
    counts = np.bincount(latency_bins(values), minlength=LATENCY_BINS)
    at_most = [sum(value <= bound for value in values) for bound in LATENCY_BOUNDS_MS]
    assert counts.cumsum()[:-1].tolist() == at_most
    assert counts.sum() == len(values)


@given(confidences, confidences)
def test_confidence_bins_keep_the_order_and_stay_in_range(one: float, other: float) -> None:
    low, high = confidence_bins(sorted([one, other]))
    assert 0 <= low <= high < CONFIDENCE_BINS


@pytest.mark.parametrize("index", range(CONFIDENCE_BINS))
def test_the_lower_bound_of_a_confidence_bin_belongs_to_it(index: int) -> None:
    low, high = index / CONFIDENCE_BINS, (index + 1) / CONFIDENCE_BINS
    assert (confidence_bins([low, np.nextafter(low, 1), np.nextafter(high, 0)]) == index).all()
