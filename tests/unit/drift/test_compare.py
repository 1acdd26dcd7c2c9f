from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from monitor.domain.results import DriftVerdict
from monitor.drift.compare import LEVEL, MIN_CURRENT, compare, smallest_distance
from monitor.drift.reference import Reference, build
from monitor.drift.sketch import sketch
from monitor.errors import FingerprintMismatch, NotEnoughData


def verdict(reference: Reference, rows: np.ndarray, **options: float):  # type: ignore[no-untyped-def]
    made = sketch(rows, reference.fit)
    return compare(reference.fit, reference.baseline, made, reference.dispersion, **options)


@pytest.mark.parametrize("dimension", [16, 64, 512])
def test_unchanged_traffic_is_no_drift_and_changed_traffic_is(traffic, dimension: int) -> None:  # type: ignore[no-untyped-def]
    world = traffic(dimension, seed=3)
    reference = world.reference()
    same = verdict(reference, world.rows(120))
    assert (same.verdict, same.n_reference, same.n_current) == (DriftVerdict.NO_DRIFT, 960, 120)
    moved = verdict(reference, world.rows(120, mean=0.8))
    assert moved.verdict is DriftVerdict.DRIFT
    assert moved.p_value < 1e-4
    assert moved.effect > 0.7
    assert moved.distance > moved.smallest_distance > 0


def test_a_new_cluster_in_a_tenth_of_the_traffic_is_found(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(512, seed=1)
    reference = world.reference(per_hour=250, hours=16)
    newcomers = world.rows(50) + 2 * world.rng.standard_normal(512).astype(np.float32) / np.sqrt(512)
    mixed = np.concatenate([world.rows(450), newcomers / np.linalg.norm(newcomers, axis=1, keepdims=True)])
    assert verdict(reference, mixed).verdict is DriftVerdict.DRIFT


def test_a_widening_without_a_shift_is_found_and_told_apart(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(64, seed=2)
    reference, rows = world.reference(), world.rows(150)
    found = verdict(reference, rows.mean(axis=0) + 1.25 * (rows - rows.mean(axis=0)))
    assert found.verdict is DriftVerdict.DRIFT
    assert found.detector in {"spread", "second_moments", "residual_energy", "tail_energy"}


def test_a_turn_about_the_mean_is_found(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(64, seed=2)
    reference, rows = world.reference(), world.rows(150)
    turn = np.linalg.qr(np.eye(64) + 0.1 * np.random.default_rng(0).standard_normal((64, 64)))[0]
    turned = rows.mean(axis=0) + (rows - rows.mean(axis=0)) @ (turn * np.sign(np.diag(turn)))
    assert verdict(reference, turned).verdict is DriftVerdict.DRIFT


@pytest.mark.parametrize(("mean", "widen"), [(0.27, 1.0), (0.33, 1.0), (0.3, 1.6)], ids=["fell", "rose", "widened"])
def test_a_stream_of_one_number_is_watched_alike(agreement, mean: float, widen: float) -> None:  # type: ignore[no-untyped-def]
    world = agreement()
    reference = world.reference()
    assert verdict(reference, world.rows(120)).verdict is DriftVerdict.NO_DRIFT
    assert verdict(reference, world.rows(120, mean=mean, widen=widen)).verdict is DriftVerdict.DRIFT


def test_the_distance_of_a_stream_of_one_number_is_in_its_standard_deviations(agreement) -> None:  # type: ignore[no-untyped-def]
    world = agreement()
    reference = world.reference(per_hour=200)
    found = [verdict(reference, world.rows(400, mean=0.3 + 0.05)).distance for _ in range(20)]
    assert np.mean(found) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("among", [1, 50])
def test_a_shift_of_the_smallest_distance_is_found_about_as_often_as_said(traffic, among: int) -> None:  # type: ignore[no-untyped-def]
    world = traffic(64, seed=5)
    reference = world.reference(per_hour=100, hours=40)
    fit, n = reference.fit, 100
    size = verdict(reference, world.rows(n), among=among).smallest_distance
    assert size == smallest_distance(reference.baseline.n, n, reference.dispersion, level=LEVEL / among)
    spread = reference.dispersion.spreads["mean_shift"]
    found = []
    for _ in range(120):
        away = world.rng.standard_normal(fit.scales.size)
        # In the metric of single rows the shift is this long, whatever way it points.
        away *= size / np.linalg.norm(away @ spread.directions)
        rows = world.rows(n) + (away * fit.scales) @ fit.axes.T
        found.append(verdict(reference, rows).p_value < LEVEL / among)
    assert np.mean(found) == pytest.approx(0.8, abs=0.12)


@pytest.mark.parametrize("distance", [0.3, 0.6, 1.0])
def test_the_effect_of_normal_rows_that_all_move_alike_is_their_auc(distance: float) -> None:
    scales, effects = np.linspace(3, 0.5, 8), []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        reference = build(scales * rng.standard_normal((24 * 300, 8)), np.arange(24 * 300) // 300, "known")
        rows = scales * rng.standard_normal((2000, 8))
        rows[:, 0] += distance * scales[0]
        effects += [one.effect for one in verdict(reference, rows).detectors if one.name == "mean_shift"]
    assert np.mean(effects) == pytest.approx(norm.cdf(distance / np.sqrt(2)), abs=0.02)


def test_among_no_comparisons_there_is_none(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(16)
    with pytest.raises(NotEnoughData, match="at least 1 comparisons is needed, not 0"):
        verdict(world.reference(), world.rows(100), among=0)


def test_more_rows_can_see_less(traffic) -> None:  # type: ignore[no-untyped-def]
    reference = traffic(64).reference(per_hour=100)
    sizes = [smallest_distance(reference.baseline.n, n, reference.dispersion) for n in (50, 75, 100)]
    assert sizes == sorted(sizes, reverse=True)


def test_one_odd_row_is_no_drift_even_where_the_reference_never_varied(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(64, seed=4)
    prompts = world.rows(4)
    rng = np.random.default_rng(0)
    world.rows = lambda n: prompts[rng.integers(4, size=n)]
    reference = world.reference()
    odd = np.concatenate([world.rows(99), traffic(64, seed=9).rows(1)])
    assert verdict(reference, odd).verdict is DriftVerdict.NO_DRIFT
    campaign = np.concatenate([world.rows(80), np.repeat(traffic(64, seed=9).rows(1), 20, axis=0)])
    assert verdict(reference, campaign).verdict is DriftVerdict.DRIFT


def test_too_little_is_said_not_raised(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(16)
    few_rows = verdict(world.reference(), world.rows(MIN_CURRENT - 1))
    assert few_rows.verdict is DriftVerdict.NOT_ENOUGH_DATA
    assert (few_rows.p_value, few_rows.effect, few_rows.detectors) == (None, None, ())
    assert "49 rows; 50 are needed" in few_rows.reason
    few_windows = verdict(world.reference(per_hour=40, hours=10), world.rows(100))
    assert few_windows.verdict is DriftVerdict.NOT_ENOUGH_REFERENCE
    assert "7 windows" in few_windows.reason
    whole = world.reference()
    thin = compare(whole.fit, sketch(world.rows(99), whole.fit), whole.baseline, whole.dispersion)
    assert thin.verdict is DriftVerdict.NOT_ENOUGH_REFERENCE
    assert "99 rows" in thin.reason


def test_every_detector_that_applies_is_heard(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(16)
    reference = world.reference()
    found = verdict(reference, world.rows(100))
    assert [one.name for one in found.detectors] == list(reference.fit.blocks)
    assert found.detector == min(found.detectors, key=lambda one: one.p_value).name
    assert all(0 < one.p_value <= 1 and 0.5 <= one.effect <= 1 for one in found.detectors)


def test_the_level_decides(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(16, seed=1)
    reference, rows = world.reference(), world.rows(100, mean=0.25)
    p = verdict(reference, rows).p_value
    assert 1e-9 < p < 0.5
    assert verdict(reference, rows, level=p * 1.01).verdict is DriftVerdict.DRIFT
    assert verdict(reference, rows, level=p * 0.99).verdict is DriftVerdict.NO_DRIFT
    with pytest.raises(NotEnoughData, match="level"):
        verdict(reference, rows, level=0.0)


def test_sketches_of_another_fit_are_refused(traffic) -> None:  # type: ignore[no-untyped-def]
    ours, theirs = traffic(16, seed=0).reference(), traffic(16, seed=1).reference()
    with pytest.raises(FingerprintMismatch):
        compare(ours.fit, ours.baseline, theirs.baseline, ours.dispersion)
    with pytest.raises(FingerprintMismatch):
        compare(ours.fit, ours.baseline, ours.baseline, theirs.dispersion)
