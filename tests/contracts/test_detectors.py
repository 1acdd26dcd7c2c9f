"""What every detector keeps, whoever adds it to the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from monitor.domain.results import DetectorResult
from monitor.drift import DETECTORS
from monitor.drift.compare import detect
from monitor.drift.detector import Parameters
from monitor.drift.fit import Fit, learn
from monitor.drift.projection import Projection
from monitor.drift.reference import Reference, build
from monitor.drift.sketch import sketch
from monitor.errors import NotEnoughData

DOCS = Path(__file__).parents[2] / "docs" / "drift.md"
PER_HOUR, HOURS = 80, 30

pytestmark = pytest.mark.parametrize("name", sorted(DETECTORS))


def dimension(name: str) -> int:
    """Of the rows by which a detector is tried: enough that something is left over for those that look at it."""
    return 64 if name.startswith("residual") else 24


def traffic(name: str, rng: np.random.Generator, n: int) -> np.ndarray:
    """Rows [n, dimension] with a decaying spectrum about a mean far from the origin."""
    return _traffic(dimension(name), rng, n)


def _traffic(columns: int, rng: np.random.Generator, n: int) -> np.ndarray:
    return 3.0 + rng.standard_normal((n, columns)) * np.geomspace(1.0, 0.2, columns)


FARTHER = {"cluster_occupancy": 2.5}
"""How far away rows must lie for a detector to see them, where 1.5 is too near: membership changes at borders only."""


def changed(name: str, rng: np.random.Generator, n: int, away: float) -> np.ndarray:
    """Moved, wider and with a third of the rows somewhere new: every detector has something to see."""
    rows = 3.0 + 1.4 * (traffic(name, rng, n) - 3.0)
    rows[: n // 3] += away
    return rows


def reference(name: str, seed: int) -> Reference:
    return _reference(dimension(name), seed)


@cache
def _reference(columns: int, seed: int) -> Reference:
    rows = _traffic(columns, np.random.default_rng(seed), PER_HOUR * HOURS)
    return build(rows, np.repeat(np.arange(HOURS), PER_HOUR), "clip@1")


def result(name: str, made: Reference, rows: np.ndarray) -> DetectorResult:
    return detect(name, made.fit, made.baseline, sketch(rows, made.fit), made.dispersion)[0]


def projection(rows: np.ndarray) -> Projection:
    centred = rows - rows.mean(axis=0)
    return Projection(
        centred, centred[:, :8], (centred[:, 8:] ** 2).sum(axis=1), float((centred**2).sum(axis=1).mean())
    )


def along(view: Projection, name: str, parameters: Parameters) -> Projection:
    key = DETECTORS[name].directions
    return view if key is None else replace(view, along={name: view.centred @ parameters[key]})


def test_the_name_in_the_table_is_the_detectors_own_and_documented(name: str) -> None:
    assert DETECTORS[name].name == name
    assert f"`{name}`" in DOCS.read_text()


def test_false_alarms_stay_near_the_level_over_seeds(name: str) -> None:
    rng = np.random.default_rng(77)
    p = [
        result(name, reference(name, seed), traffic(name, rng, PER_HOUR)).p_value
        for seed in range(10)
        for _ in range(30)
    ]
    assert np.mean(np.array(p) < 0.05) <= 0.09
    assert np.mean(np.array(p) < 0.01) <= 0.03
    assert np.mean(p) > 0.3


def test_planted_change_is_found(name: str) -> None:
    rng = np.random.default_rng(5)
    found = [
        result(name, reference(name, seed), changed(name, rng, PER_HOUR, FARTHER.get(name, 1.5))) for seed in range(5)
    ]
    assert max(one.p_value for one in found) < 0.005
    assert min(one.effect for one in found) > 0.55
    assert min(one.statistic for one in found) > 2


def test_the_effect_lies_in_its_interval_which_begins_at_a_half_where_nothing_is_shown(name: str) -> None:
    rng = np.random.default_rng(9)
    for away in (0.0, 0.2, 0.5, 1.0, FARTHER.get(name, 1.5)):
        found = result(
            name, reference(name, 0), changed(name, rng, PER_HOUR, away) if away else traffic(name, rng, PER_HOUR)
        )
        lower, upper = found.effect_interval
        assert 0.5 <= lower <= found.effect <= upper <= 1.0
        assert upper > 0.5
    assert lower > 0.5


def test_the_interval_of_no_effect_holds_it(name: str) -> None:
    rng = np.random.default_rng(78)
    lower = [
        result(name, reference(name, seed), traffic(name, rng, PER_HOUR)).effect_interval[0]
        for seed in range(8)
        for _ in range(25)
    ]
    assert np.mean(np.array(lower) > 0.5) <= 0.06


def test_statistics_average_one_on_unchanged_traffic(name: str) -> None:
    rng = np.random.default_rng(8)
    statistics = [
        result(name, reference(name, seed), traffic(name, rng, PER_HOUR)).statistic
        for seed in range(10)
        for _ in range(20)
    ]
    assert np.mean(statistics) == pytest.approx(1.0, abs=0.35)


def test_the_order_of_rows_does_not_matter_and_answers_repeat(name: str) -> None:
    rows = traffic(name, np.random.default_rng(1), PER_HOUR)
    assert (
        result(name, reference(name, 0), rows)
        == result(name, reference(name, 0), rows[::-1])
        == result(name, reference(name, 0), rows)
    )


def test_rows_are_left_alone(name: str) -> None:
    rows = traffic(name, np.random.default_rng(1), PER_HOUR)
    kept = rows.copy()
    result(name, reference(name, 0), rows)
    view = projection(rows)
    before = view.axes.copy(), view.centred.copy(), view.residual.copy()
    parameters = DETECTORS[name].learn(view)
    assert parameters is not None
    DETECTORS[name].features(along(view, name, parameters), parameters)
    np.testing.assert_array_equal(rows, kept)
    for now, then in zip((view.axes, view.centred, view.residual), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_learning_twice_gives_the_same_parameters(name: str) -> None:
    view = projection(traffic(name, np.random.default_rng(2), 300))
    first, second = DETECTORS[name].learn(view), DETECTORS[name].learn(view)
    assert first is not None
    assert second is not None
    assert first.keys() == second.keys()
    for key in first:
        np.testing.assert_array_equal(first[key], second[key])


def test_features_of_unseen_and_extreme_rows_are_finite(name: str) -> None:
    made = reference(name, 0)
    block = made.fit.blocks[name]
    for rows in (
        np.zeros((3, dimension(name))),
        np.full((3, dimension(name)), 65504.0),
        np.full((2, dimension(name)), -1e20),
    ):
        assert np.abs(made.fit.features(rows)[:, block]).max() < 2**40


@pytest.mark.parametrize(
    "of_columns",
    [
        lambda columns: np.full((60, columns), np.nan),
        lambda columns: np.full((60, columns), np.inf),
        lambda columns: np.zeros((0, columns)),
        np.zeros,
        lambda columns: np.zeros((2, 3, columns)),
    ],
    ids=["NaN", "infinity", "empty", "one vector", "cube"],
)
def test_unusable_rows_raise_not_enough_data(name: str, of_columns: Callable[[int], np.ndarray]) -> None:
    with pytest.raises(NotEnoughData):
        result(name, reference(name, 0), of_columns(dimension(name)))


def test_a_stored_fit_carries_its_parameters(name: str) -> None:
    made = learn(traffic(name, np.random.default_rng(3), 300), "clip@1")
    again = Fit.from_bytes(made.to_bytes())
    assert made.parameters[name].keys() == again.parameters[name].keys()
    for key, array in made.parameters[name].items():
        np.testing.assert_array_equal(again.parameters[name][key], array)
