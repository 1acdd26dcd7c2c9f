from __future__ import annotations

import numpy as np
import pytest

from monitor.drift.dispersion import MIN_WINDOWS, Dispersion, estimate
from monitor.drift.fit import learn
from monitor.errors import NotEnoughData, UnreadableState
from monitor.stats.exact_sums import to_values

PER_HOUR = 60


def measured(world, draw, hours: int = 40, per_hour: int = PER_HOUR) -> Dispersion:  # type: ignore[no-untyped-def]
    """Dispersion of `hours` windows that `draw(hour)` makes, under a fit on independent rows."""
    fit = learn(world.rows(800), "e")
    features = np.concatenate([fit.features(draw(hour)) for hour in range(hours)])
    return estimate(features, np.repeat(np.arange(hours), per_hour), fit)


def test_independent_rows_need_no_widening(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(32)
    fit = learn(world.rows(800), "e")
    features = np.concatenate([fit.features(world.rows(PER_HOUR)) for _ in range(40)])
    for name, spread in estimate(features, np.repeat(np.arange(40), PER_HOUR), fit).spreads.items():
        assert spread.ratios.mean() < 1.4
        variance = np.minimum(to_values(features)[:, fit.blocks[name]].var(axis=0), 1.0).mean()
        assert spread.usual == pytest.approx(variance, abs=0.35 * variance)


def test_bursts_of_five_widen_about_fivefold(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(32)
    spread = measured(world, lambda _: world.bursts(PER_HOUR, 5)).spreads["mean_shift"]
    assert spread.ratios.mean() * spread.usual == pytest.approx(5.0, rel=0.25)


def test_a_season_widens_its_own_direction_and_spares_the_others(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(32)
    towards = np.eye(20)[0]
    spread = measured(world, lambda hour: world.rows(PER_HOUR, mean=np.sin(hour * np.pi / 12) * towards)).spreads[
        "mean_shift"
    ]
    assert spread.ratios[-1] > 8 * np.median(spread.ratios)
    assert np.median(spread.ratios) < 2


def test_what_a_window_shares_grows_with_its_rows_and_burstiness_falls(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(32)
    spread = measured(world, lambda _: world.bursts(PER_HOUR, 5)).spreads["mean_shift"]
    np.testing.assert_allclose(spread.ratios_at(3 * PER_HOUR) - spread.ratios, 2 * spread.excess)
    np.testing.assert_allclose(spread.ratios_at(PER_HOUR // 3), spread.ratios)
    assert spread.replication == pytest.approx(5.0, rel=0.25)
    same, more, fewer = (spread.law(n).deviation for n in (PER_HOUR, 3 * PER_HOUR, PER_HOUR // 3))
    # As measured, or as bursts of geometric length would vary, whichever is more: these have one length.
    repeats, measured_beyond = spread.replication, spread.deviation**2 - spread.least_deviation**2
    geometric = (1.0 - 1.0 / repeats) ** 2 * repeats / (3 * PER_HOUR)
    assert same == pytest.approx(np.sqrt(spread.least_deviation**2 + max(measured_beyond, geometric)))
    assert same >= spread.deviation
    assert more > same
    assert fewer > same


def test_where_windows_vary_as_independent_rows_do_their_number_costs_nothing(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(32)
    independent = measured(world, lambda _: world.rows(PER_HOUR), hours=10)
    bursty = measured(world, lambda _: world.bursts(PER_HOUR, 5), hours=10)
    assert independent.law("mean_shift", PER_HOUR).freedom > 30
    assert bursty.law("mean_shift", PER_HOUR).freedom < 20
    assert bursty.replication > 3
    assert independent.replication < 1.3


def test_small_windows_are_joined_with_their_neighbours(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(8)
    fit = learn(world.rows(400), "e")
    features = fit.features(world.rows(90))
    hours = np.repeat(np.arange(9), [9, 3, 20, 1, 1, 1, 40, 10, 5])
    assert estimate(features, hours, fit).windows == 4  # of 12, 20, 43 and 15 rows


def test_with_too_few_windows_nothing_is_claimed(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(8)
    few = measured(world, lambda _: world.rows(PER_HOUR), hours=MIN_WINDOWS - 1)
    assert (few.windows, few.spreads) == (MIN_WINDOWS - 1, {})
    assert set(measured(world, lambda _: world.rows(PER_HOUR), hours=MIN_WINDOWS).spreads)


def test_neither_the_order_of_rows_nor_the_names_of_windows_matter(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(16)
    fit = learn(world.rows(400), "e")
    features, hours = fit.features(world.rows(600)), np.repeat(np.arange(10), 60)
    order = np.random.default_rng(0).permutation(600)
    first, second = estimate(features, hours, fit), estimate(features[order], 500_000 + 7 * hours[order], fit)
    for name in fit.blocks:
        np.testing.assert_allclose(second.spreads[name].distances, first.spreads[name].distances, rtol=1e-6)


def test_a_stored_dispersion_judges_as_before(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(16)
    made = measured(world, lambda _: world.rows(PER_HOUR))
    again = Dispersion.from_bytes(made.to_bytes())
    assert again.to_bytes() == made.to_bytes()
    for name, spread in made.spreads.items():
        assert again.spreads[name].law(100) == spread.law(100)


def test_a_feature_that_never_varies_leaves_the_rest_usable() -> None:
    rng = np.random.default_rng(0)
    fit = learn(rng.standard_normal((200, 4)), "e")
    constant = np.repeat(rng.standard_normal((1, 4)), 500, axis=0)
    for spread in estimate(fit.features(constant), np.repeat(np.arange(10), 50), fit).spreads.values():
        assert np.isfinite([spread.centre, spread.deviation, spread.usual]).all()
        assert spread.deviation > 0


def test_windows_must_match_rows(traffic) -> None:  # type: ignore[no-untyped-def]
    fit = learn(traffic(8).rows(100), "e")
    with pytest.raises(NotEnoughData, match="window numbers"):
        estimate(fit.features(np.ones((5, 8))), np.arange(4), fit)
    with pytest.raises(NotEnoughData, match="0 rows"):
        estimate(fit.features(np.ones((5, 8)))[:0], np.arange(0), fit)


@pytest.mark.parametrize("data", [b"", b"no"])
def test_damaged_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableState):
        Dispersion.from_bytes(data)
