"""Slices say what traffic they are."""

from __future__ import annotations

from monitor.domain.slices import ALL_TRAFFIC, Slice


def test_a_slice_says_what_traffic_it_is() -> None:
    assert str(ALL_TRAFFIC) == "all traffic"
    assert str(Slice("device", "cam-1")) == "device = cam-1"


def test_all_traffic_comes_first() -> None:
    assert sorted([Slice("device", "b"), Slice("device", "a"), ALL_TRAFFIC]) == [
        ALL_TRAFFIC,
        Slice("device", "a"),
        Slice("device", "b"),
    ]
