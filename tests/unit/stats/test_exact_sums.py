from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitor.stats.exact_sums import LIMIT, UNIT, to_units, to_values

values = arrays(np.float64, st.integers(1, 40), elements=st.floats(-100, 100))


@given(values)
def test_rounding_errs_by_at_most_half_a_unit(numbers: np.ndarray) -> None:
    assert np.abs(to_values(to_units(numbers)) - numbers).max() <= UNIT / 2


@given(values, st.randoms())
def test_sums_are_the_same_in_every_order(numbers: np.ndarray, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = numbers.tolist()
    random.shuffle(shuffled)
    assert to_units(np.array(shuffled)).sum() == to_units(numbers).sum()


def test_extreme_values_are_cut_so_that_millions_of_them_still_fit() -> None:
    units = to_units(np.array([1e30, -1e30]))
    assert units.tolist() == [int(LIMIT / UNIT), -int(LIMIT / UNIT)]
    assert int(units[0]) * 8_000_000 < 2**63


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.int8])
def test_small_types_are_the_numbers_that_they_hold(kind: type) -> None:
    numbers = np.array([0.1, 100.5, -3.0]).astype(kind)
    assert to_units(numbers).tolist() == to_units(numbers.astype(np.float64)).tolist()
