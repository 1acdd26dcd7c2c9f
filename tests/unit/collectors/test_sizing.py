"""How many records are stored at once follows how long PostgreSQL takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collectors.sizing import Sizing


def test_it_shrinks_by_half_at_most_and_grows_back() -> None:
    sizing = Sizing(100, 4000, target_s=1.0)
    sizing.took(4000, 60.0)
    assert sizing.records == 2000
    sizing.took(2000, 1.6)
    assert sizing.records == 1250
    for _ in range(9):
        sizing.took(sizing.records, 60.0)
    assert sizing.records == 100
    for _ in range(9):
        sizing.took(sizing.records, 0.01)
    assert sizing.records == 4000


def test_a_batch_that_was_not_full_shrinks_but_does_not_grow_the_next() -> None:
    sizing = Sizing(100, 4000, target_s=1.0)
    sizing.took(4000, 4.0)
    sizing.took(10, 0.001)
    assert sizing.records == 2000
    sizing.took(10, 5.0)
    assert sizing.records == 1000


def test_a_batch_that_postgresql_broke_off_is_halved_also_below_the_smallest_size() -> None:
    sizing = Sizing(100, 4000, target_s=1.0)
    for records, left in ((3000, 1500), (1500, 750), (750, 375), (90, 45), (1, 1)):
        sizing.overran(records)
        assert sizing.records == left


@given(st.lists(st.tuples(st.integers(1, 4000), st.floats(0, 1e6)), max_size=30))
def test_it_stays_within_its_bounds(batches: list[tuple[int, float]]) -> None:
    sizing = Sizing(100, 4000, target_s=1.0)
    for records, seconds in batches:
        before = sizing.records
        sizing.took(min(records, before), seconds)
        assert 100 <= sizing.records <= 4000
        assert before // 2 <= sizing.records <= 2 * before


def test_one_that_serves_a_slow_server_finds_the_size_that_takes_the_target_time() -> None:
    sizing = Sizing(100, 4000, target_s=1.0)
    for _ in range(20):
        sizing.took(sizing.records, 0.1 + sizing.records / 1000)
    assert 850 <= sizing.records <= 950
