from __future__ import annotations

import numpy as np
import pytest

from monitor.drift.fit import learn
from monitor.drift.reference import MIN_ROWS, build
from monitor.drift.sketch import sketch
from monitor.errors import NotEnoughData


def test_whole_windows_fit_or_calibrate_never_both(traffic) -> None:  # type: ignore[no-untyped-def]
    rows, hours = traffic(16).rows(630), np.repeat(np.arange(21), 30)
    made = build(rows, hours, "e")
    calibrates = np.isin(hours, made.calibration_windows)
    assert len(made.calibration_windows) == made.dispersion.windows == 14
    assert made.baseline == sketch(rows[calibrates], made.fit)
    assert made.fit.id == learn(rows[~calibrates], "e").id


def test_where_windows_hold_few_rows_more_of_them_fit(traffic) -> None:  # type: ignore[no-untyped-def]
    made = build(traffic(8).rows(204), np.repeat(np.arange(68), 3), "e")
    assert len(made.calibration_windows) == 68 - 22
    few = build(traffic(8).rows(200), np.repeat(np.arange(12), [20, 10, *[17] * 10]), "e")
    assert len(few.calibration_windows) == 8
    fewer = build(traffic(8).rows(200), np.repeat(np.arange(4), 50), "e")
    assert len(fewer.calibration_windows) == 3


def test_both_parts_are_mixed_over_time(traffic) -> None:  # type: ignore[no-untyped-def]
    made = build(traffic(8).rows(960), np.repeat(np.arange(48), 20), "e")
    at_night = sum(hour % 24 < 12 for hour in made.calibration_windows)
    assert len(made.calibration_windows) == 32
    assert 10 <= at_night <= 22


def test_the_same_traffic_gives_the_same_reference_in_any_order(traffic) -> None:  # type: ignore[no-untyped-def]
    rows, hours = traffic(16).rows(600), np.repeat(np.arange(20), 30)
    order = np.random.default_rng(0).permutation(600)
    first, second = build(rows, hours, "e"), build(rows[order], hours[order], "e")
    assert (second.fit.id, second.baseline) == (first.fit.id, first.baseline)
    assert second.calibration_windows == first.calibration_windows


@pytest.mark.parametrize(
    ("n", "hours", "words"),
    [
        (MIN_ROWS - 1, np.arange(MIN_ROWS - 1) // 10, "at least 200"),
        (300, np.zeros(300, dtype=int), "two windows"),
        (300, np.arange(299), "window numbers"),
        (300, np.arange(300) / 2, "whole window numbers"),
    ],
    ids=["few rows", "one window", "lengths differ", "not whole"],
)
def test_traffic_that_makes_no_reference_is_refused(traffic, n: int, hours: np.ndarray, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NotEnoughData, match=words):
        build(traffic(8).rows(n), hours, "e")


def test_inputs_are_left_alone(traffic) -> None:  # type: ignore[no-untyped-def]
    rows, hours = traffic(8).rows(400), np.arange(400)[::-1] // 20
    kept = rows.copy(), hours.copy()
    build(rows, hours, "e")
    np.testing.assert_array_equal(rows, kept[0])
    np.testing.assert_array_equal(hours, kept[1])
