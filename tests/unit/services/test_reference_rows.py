"""Which windows a reference is made of when more came than it needs."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from monitor.services.reference_rows import LEAST_WINDOWS, spread


@given(st.dictionaries(st.integers(0, 10_000), st.integers(1, 5000), min_size=1, max_size=80), st.integers(80, 50_000))
def test_no_more_rows_are_taken_than_there_may_be_and_none_that_did_not_come(counts: dict[int, int], most: int) -> None:
    taken = spread(counts, most, 3)
    assert sum(taken.values()) <= max(most, 0)
    assert all(0 < rows <= counts[number] for number, rows in taken.items())
    assert len(taken) >= min(len(counts), LEAST_WINDOWS)
    assert list(taken) == sorted(taken) or sum(counts.values()) <= most
    assert spread(counts, most, 3) == taken
    if sum(counts.values()) <= most:
        assert taken == counts


@pytest.mark.parametrize(("rows", "windows", "of_each"), [(100, 64, 100), (500, 40, 500), (5000, 24, 833)])
def test_windows_stay_whole_while_enough_of_them_fit(rows: int, windows: int, of_each: int) -> None:
    taken = spread(dict.fromkeys(range(64), rows), 20_000, 3)
    assert len(taken) == windows
    assert set(taken.values()) == {of_each}


def test_the_windows_that_are_taken_come_from_all_times_of_the_day() -> None:
    taken = spread(dict.fromkeys(range(112), 400), 20_000, 3)  # two weeks of windows of 3 hours
    slots = np.bincount(np.array(list(taken)) % 8, minlength=8)
    assert slots.sum() == 50
    assert set(slots.tolist()) == {6, 7}
