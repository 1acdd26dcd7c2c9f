"""Quantiles from fixed bins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import NotEnoughData
from monitor.stats.histogram_quantile import Quantile, quantile

BOUNDS = (1.0, 2.0, 5.0, 10.0)


@given(st.lists(st.floats(0.001, 10.0), min_size=1, max_size=100), st.floats(0.01, 1.0))
def test_the_true_quantile_lies_in_the_bin_that_is_named(values: list[float], share: float) -> None:
    histogram = np.histogram(np.searchsorted(BOUNDS, values), bins=np.arange(len(BOUNDS) + 2))[0].tolist()
    found = quantile(histogram, BOUNDS, share)
    exact = float(np.quantile(values, share, method="inverted_cdf"))
    assert found is not None
    assert found.upper is not None
    assert found.estimate is not None
    assert found.lower < exact <= found.upper
    assert found.lower <= found.estimate <= found.upper


def test_beyond_the_last_bound_nothing_is_guessed_and_nothing_has_no_quantile() -> None:
    assert quantile([0, 0, 0, 0, 3], BOUNDS, 0.5) == Quantile(None, 10.0, None)
    assert quantile([0, 0, 0, 0, 0], BOUNDS, 0.5) is None


@pytest.mark.parametrize(("histogram", "share"), [([1, 2], 0.5), ([1] * 5, 0.0), ([1] * 5, 1.1)])
def test_what_cannot_be_is_refused(histogram: list[int], share: float) -> None:
    with pytest.raises(NotEnoughData):
        quantile(histogram, BOUNDS, share)


@pytest.mark.parametrize(("histogram", "bounds"), [
    ([-1, 3], [1.0]), ([float("nan"), 1], [1.0]), ([1, 2, 3], [2.0, 1.0]), ([1, 2, 3], [1.0, 1.0]), ([3, 1], [-1.0]),
    ([3, 1], [float("nan")]), ([float("inf"), 1], [1.0]),
])  # fmt: skip
def test_counts_and_bounds_that_are_no_histogram_are_refused(histogram: list[int], bounds: list[float]) -> None:
    with pytest.raises(NotEnoughData, match="histogram"):
        quantile(histogram, bounds, 0.5)


def test_arrays_give_plain_floats() -> None:
    found = quantile(np.array([1, 2, 0]), np.array([1.0, 2.0]), 0.5)  # type: ignore[arg-type]
    assert found == Quantile(1.25, 1.0, 2.0)
    assert found is not None
    assert {type(found.estimate), type(found.lower), type(found.upper)} == {float}


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint32, np.int64, np.float16, np.float32, object])
def test_counts_of_any_type_are_added_as_the_numbers_they_are(kind: type) -> None:
    assert quantile(np.array([200, 100, 0]).astype(kind), [1.0, 2.0], 0.5) == Quantile(0.75, 0.0, 1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64])
def test_the_sum_of_counts_may_be_larger_than_their_type_holds(kind: type) -> None:
    counts = np.full(4, np.iinfo(kind).max, dtype=kind)
    found = quantile(counts, [1.0, 2.0, 4.0], 0.75)  # type: ignore[arg-type]
    assert found == Quantile(4.0, 2.0, 4.0)
    assert quantile(counts, [1.0, 2.0, 4.0], np.float16(0.75)) == found  # type: ignore[arg-type]
