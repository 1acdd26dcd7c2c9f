from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from monitor.domain.results import DriftVerdict
from monitor.drift.compare import compare
from monitor.drift.dispersion import Dispersion, estimate
from monitor.drift.fit import Fit, learn
from monitor.drift.reference import Reference, build
from monitor.drift.season import Season, learn_season
from monitor.drift.sketch import sketch
from monitor.errors import NotEnoughData
from monitor.stats.exact_sums import to_units

WEEK = 168


def wave(hours: np.ndarray, size: float = 1.0) -> np.ndarray:
    return size * np.sin(2 * np.pi * hours / 24 + 0.4)


def daily(world, hours: np.ndarray, size: float) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Rows whose first factor follows the hour of the day."""
    return world.rows(len(hours), mean=wave(hours, size)[:, None] * np.eye(20)[0])


def seasonal(world, days: int = 14, size: float = 0.8, per_hour: int = 30) -> Reference:  # type: ignore[no-untyped-def]
    hours = np.repeat(np.arange(24 * days), per_hour)
    return build(daily(world, hours, size), hours, "e", hours=hours)


def look(made: Reference, rows: np.ndarray, hours: np.ndarray):  # type: ignore[no-untyped-def]
    current = sketch(rows, made.fit)
    return compare(made.fit, made.baseline, current, made.dispersion, hours=Counter(hours.tolist()))


def test_a_planted_season_is_recovered() -> None:
    rng = np.random.default_rng(0)
    hours = np.repeat(np.arange(2 * WEEK), 20)
    values = np.column_stack([wave(hours), 0.5 * (hours % WEEK < 48), np.zeros(hours.size)])
    season = learn_season(to_units(values + 0.3 * rng.standard_normal(values.shape)), hours)
    assert season is not None
    week = np.arange(WEEK)
    found = season.at(week + 52 * WEEK)
    np.testing.assert_allclose(found[:, 0], wave(week), atol=0.05)
    # Two days off are a step, and waves of a third of a week round its corners.
    assert np.corrcoef(found[:, 1], week < 48)[0, 1] > 0.95
    assert np.abs(found[:, 2]).max() < 0.05


def test_where_there_is_no_season_hardly_any_is_seen() -> None:
    rng = np.random.default_rng(1)
    hours = np.repeat(np.arange(2 * WEEK), 10)
    rows = rng.standard_normal((hours.size, 40))
    season = learn_season(to_units(rows), hours)
    assert season is not None
    # 20 waves fitted to the noise of 3,360 rows would have a variance of 0.006.
    assert season.at(np.arange(WEEK)).var(axis=0).mean() < 0.002


@pytest.mark.parametrize(
    ("hours", "waves"),
    [
        (np.arange(71), None),
        (np.arange(72), 3),
        (np.arange(2 * WEEK), 10),
        (np.concatenate([24 * day + np.arange(8, 18) for day in range(14)]), None),
        (np.arange(2 * WEEK)[:: 2 * WEEK - 1], None),
    ],
    ids=["under three days", "three days", "two weeks", "office hours", "two hours a week apart"],
)
def test_only_what_the_hours_can_tell_is_learnt(hours: np.ndarray, waves: int | None) -> None:
    rows = np.random.default_rng(2).standard_normal((hours.size, 3))
    season = learn_season(to_units(rows), hours)
    assert (None if season is None else season.waves.size) == waves


def test_a_season_is_no_drift_and_its_absence_is(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(48, seed=3)
    made = seasonal(world)
    p = []
    for hour in range(5 * WEEK, 5 * WEEK + 96):
        hours = np.full(60, hour)
        p.append(look(made, daily(world, hours, 0.8), hours).p_value)
    # 96 looks at a true 1%: more than 5 have a chance of 0.04%.
    assert (np.array(p) < 0.01).sum() <= 5
    noon = np.full(60, 5 * WEEK + 12)
    assert look(made, daily(world, noon + 12, 0.8), noon).verdict is DriftVerdict.DRIFT


def test_what_the_hours_explain_no_longer_hides_a_shift(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(48, seed=4)
    hours = np.repeat(np.arange(24 * 14), 30)
    rows = daily(world, hours, 0.8)
    aware, blind = build(rows, hours, "e", hours=hours), build(rows, hours, "e")
    found = {"aware": 0, "blind": 0}
    for hour in range(20):
        at = np.full(60, 7 * WEEK + hour)
        current = world.rows(60, mean=(wave(at, 0.8)[:, None] + 1.2) * np.eye(20)[0])
        found["aware"] += look(aware, current, at).verdict is DriftVerdict.DRIFT
        found["blind"] += look(blind, current, at).verdict is DriftVerdict.DRIFT
    assert found["aware"] >= 18
    assert found["blind"] <= 10


def test_a_window_of_several_hours_is_expected_at_their_mean() -> None:
    season = Season(np.array([7]), np.array([[1.0], [0.5]], dtype=np.float32))
    both = season.over({6: 30, 12: 10})
    np.testing.assert_allclose(both, 0.75 * season.at(np.array([6]))[0] + 0.25 * season.at(np.array([12]))[0])


def test_a_seasonal_reference_asks_for_hours(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(20)
    made, hours = seasonal(world, days=4), np.full(60, 9)
    current = sketch(world.rows(60), made.fit)
    for wrong in (None, {}, {9: 59}):
        with pytest.raises(NotEnoughData, match="hours"):
            compare(made.fit, made.baseline, current, made.dispersion, hours=wrong)
    with pytest.raises(NotEnoughData, match="hours"):
        estimate(made.fit.features(world.rows(60)), hours, made.fit)
    with pytest.raises(NotEnoughData, match="hours"):
        estimate(made.fit.features(world.rows(60)), hours, made.fit, hours=hours[:-1])
    with pytest.raises(NotEnoughData, match="hours"):
        learn(world.rows(60), "e", hours=hours / 2)


def test_a_stored_season_expects_the_same(traffic) -> None:  # type: ignore[no-untyped-def]
    made = seasonal(traffic(20), days=4)
    fit, dispersion = Fit.from_bytes(made.fit.to_bytes()), Dispersion.from_bytes(made.dispersion.to_bytes())
    assert fit.id == made.fit.id
    assert fit.season is not None
    assert made.fit.season is not None
    np.testing.assert_array_equal(fit.season.at(np.arange(24)), made.fit.season.at(np.arange(24)))
    np.testing.assert_array_equal(dispersion.season, made.dispersion.season)


def test_the_order_of_rows_does_not_matter(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(20)
    hours = np.repeat(np.arange(96), 10)
    rows, order = world.rows(960), np.random.default_rng(0).permutation(960)
    first = build(rows, hours, "e", hours=hours)
    assert first.fit.season is not None
    assert first.fit.id == build(rows[order], hours[order], "e", hours=hours[order]).fit.id
