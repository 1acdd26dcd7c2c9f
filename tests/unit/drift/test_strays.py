"""What windows show counts as far as it is sure that they vary more than windows of independent rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.drift.dispersion import estimate
from monitor.drift.fit import learn
from monitor.drift.strays import Strays, discount

WINDOWS, ROWS = 8, 100


def of_windows(means: np.ndarray, rng: np.random.Generator) -> Strays:
    """Strays of windows whose rows are independent and normal about each window's own mean [w, m]."""
    rows = np.repeat(means, ROWS, axis=0) + rng.standard_normal((len(means) * ROWS, means.shape[1]))
    return Strays.of(rows, np.arange(len(means)) * ROWS)


def beyond_law(features: int, times: int, seed: int) -> np.ndarray:
    """Cube roots of the distances [times, w] of windows of independent rows, in deviations from their law's centre."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(times):
        strays = of_windows(np.zeros((WINDOWS, features)), rng)
        centre, deviation = strays.independent_law()
        found.append((np.cbrt(strays.distances()) - centre) / deviation)
    return np.stack(found)


def test_the_law_of_independent_windows_is_that_of_their_distances() -> None:
    found = beyond_law(10, 60, seed=0)
    assert found.mean() == pytest.approx(0.0, abs=0.15)
    assert found.std() == pytest.approx(1.0, abs=0.1)


def test_the_law_knows_that_directions_from_few_rows_fit_those_rows_best() -> None:
    assert beyond_law(150, 30, seed=6).mean() == pytest.approx(0.0, abs=0.2)  # 0.63 without


def test_the_law_knows_features_of_unequal_variance_whatever_the_directions() -> None:
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((4000, 12)) * np.geomspace(1.0, 0.1, 12)
    strays = Strays.of(rows, np.arange(0, 4000, ROWS))
    variances = np.maximum(np.linalg.eigvalsh(np.cov(rows.T)), 0.04)
    freedom = variances.sum() ** 2 / (variances**2).sum()
    centre, deviation = strays.independent_law()
    assert deviation / centre == pytest.approx(np.sqrt(2 / (9 * freedom)) / (1 - 2 / (9 * freedom)), rel=0.05)


def test_surplus_is_uniform_for_independent_windows_and_small_for_moody_ones() -> None:
    rng = np.random.default_rng(2)
    calm = [of_windows(np.zeros((WINDOWS, 6)), rng).surplus() for _ in range(1500)]
    moody = [of_windows(0.15 * rng.standard_normal((WINDOWS, 6)), rng).surplus() for _ in range(60)]
    assert np.mean(np.array(calm) < 0.1) == pytest.approx(0.1, abs=0.02)  # 0.13 if windows were independent
    assert np.mean(np.array(moody) < 0.01) > 0.9


@pytest.mark.parametrize("counts", [[ROWS] * WINDOWS, [20, 300, 50, 50, 400, 30, 100, 60, 200]])
def test_overlap_is_how_much_more_the_mean_distance_varies_than_that_of_independent_windows(counts: list[int]) -> None:
    rng, starts = np.random.default_rng(7), np.cumsum([0, *counts[:-1]])
    strays = [Strays.of(rng.standard_normal((sum(counts), 1)), starts) for _ in range(2500)]
    distances = np.stack([one.distances() for one in strays])
    of_mean, of_each = distances.mean(axis=1).var(), distances.var(axis=0).mean()
    assert strays[0].overlap == pytest.approx(of_mean / of_each * len(counts), rel=0.08)


@pytest.mark.parametrize(("windows", "share"), [(12, 0.6), (48, 0.9)])  # with their neighbours 0.54 and 0.78
def test_windows_that_resemble_their_neighbours_stray_nearly_as_far_as_one_long_after_them(
    windows: int, share: float
) -> None:
    rng = np.random.default_rng(3)
    told, true = [], []
    for _ in range(200):
        moods = [0.3 * rng.standard_normal(6)]
        while len(moods) < windows:
            moods.append(0.7 * moods[-1] + 0.3 * np.sqrt(1 - 0.7**2) * rng.standard_normal(6))
        told.append(of_windows(np.array(moods), rng).distances().mean())
        away = 0.3 * rng.standard_normal(6) - np.mean(moods, axis=0)
        noise = rng.standard_normal(6) * np.sqrt(1 / ROWS + 1 / (ROWS * windows))
        true.append(np.mean((away + noise) ** 2) / (1 / ROWS + 1 / (ROWS * windows)))
    assert np.mean(told) / np.mean(true) > share


def test_without_a_sign_of_dependence_nothing_is_discounted() -> None:
    ratios = np.array([0.5, 1.0, 4.0])
    np.testing.assert_array_equal(discount(ratios, 0.0), [1.0, 1.0, 1.0])
    np.testing.assert_array_equal(discount(ratios, 1.0), [1.0, 1.0, 4.0])


def test_independent_windows_are_mostly_taken_for_such_and_bursts_never(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(32)
    fit = learn(world.rows(800), "e")
    numbers = np.repeat(np.arange(WINDOWS), ROWS)

    def repeats(draw) -> float:  # type: ignore[no-untyped-def]
        features = np.concatenate([fit.features(draw(ROWS)) for _ in range(WINDOWS)])
        return estimate(features, numbers, fit).replication

    independent = [repeats(world.rows) for _ in range(40)]
    bursty = [repeats(lambda n: world.bursts(n, 4)) for _ in range(10)]
    assert np.mean(np.array(independent) == 1.0) > 0.35  # a p-value from 0.5 on
    assert np.mean(independent) < 1.05
    assert min(bursty) > 2.5


def test_so_much_of_what_independent_windows_show_by_chance_counts_as_a_uniform_p_value_says(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(64)
    fit = learn(world.rows(800), "e")
    numbers = np.repeat(np.arange(WINDOWS), ROWS // 2)
    counted = [estimate(fit.features(world.rows(WINDOWS * ROWS // 2)), numbers, fit).dependence for _ in range(100)]
    assert np.mean(counted) < 0.3  # E max(0, 1 - p / 0.5) is 0.25; 0.35 if windows were independent of each other


def test_a_slice_is_taken_for_as_dependent_as_all_traffic(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(16)
    fit = learn(world.rows(800), "e")
    numbers = np.repeat(np.arange(WINDOWS), ROWS)
    whole = estimate(np.concatenate([fit.features(world.bursts(ROWS, 5)) for _ in range(WINDOWS)]), numbers, fit)
    part = fit.features(world.rows(WINDOWS * ROWS))
    assert whole.dependence > 0.9
    assert estimate(part, numbers, fit, whole=whole).dependence == max(
        whole.dependence, estimate(part, numbers, fit).dependence
    )


def bursty_reference(traffic, slice_share: float = 0.25):  # type: ignore[no-untyped-def]
    """All traffic's dispersion, and features and windows of a random part of its rows."""
    world = traffic(16)
    fit = learn(world.rows(800), "e")
    numbers = np.repeat(np.arange(16), 400)
    features = fit.features(np.concatenate([world.bursts(400, 6) for _ in range(16)]))
    member = np.random.default_rng(3).random(len(numbers)) < slice_share
    return fit, estimate(features, numbers, fit), features[member], numbers[member]


@pytest.mark.parametrize("share", [0.1, 0.3, 1.0])
def test_a_random_part_of_rows_that_come_in_bursts_repeats_as_the_formula_says(traffic, share: float) -> None:  # type: ignore[no-untyped-def]
    _, whole, _, _ = bursty_reference(traffic)
    known = replace(whole.spreads["mean_shift"], replication=20.0, rows_per_window=200.0)
    thinned = replace(whole, spreads={"mean_shift": known}).thinned("mean_shift", 200.0 * share)
    rng = np.random.default_rng(5)
    bursts = rng.standard_normal((4000, 10))  # windows of ten bursts of 20 equal rows
    kept = rng.binomial(20, share, bursts.shape)
    sums, counts = (bursts * kept).sum(axis=1), kept.sum(axis=1)
    assert (sums**2).mean() / counts.mean() == pytest.approx(thinned, rel=0.08)


def test_a_slice_varies_at_least_as_a_random_part_of_all_traffic_would(traffic) -> None:  # type: ignore[no-untyped-def]
    fit, whole, features, numbers = bursty_reference(traffic)
    alone, part = estimate(features, numbers, fit), estimate(features, numbers, fit, whole=whole)
    for name, spread in part.spreads.items():
        least = whole.thinned(name, spread.rows_per_window)
        assert 1.0 < least < whole.spreads[name].replication
        assert spread.replication == max(alone.spreads[name].replication, least)
        assert spread.centre >= alone.spreads[name].centre
        assert spread.deviation >= spread.least_deviation > alone.spreads[name].least_deviation


def test_a_slice_of_independent_traffic_is_left_as_its_own_windows_show_it(traffic) -> None:  # type: ignore[no-untyped-def]
    fit, whole, features, numbers = bursty_reference(traffic)
    calm = replace(
        whole,
        dependence=0.0,
        spreads={name: replace(spread, replication=1.0) for name, spread in whole.spreads.items()},
    )
    part, alone = (estimate(features, numbers, fit, whole=one) for one in (calm, None))
    assert part.to_bytes() == alone.to_bytes()
