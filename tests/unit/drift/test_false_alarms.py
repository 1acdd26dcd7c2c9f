"""What this project stands for: unchanged traffic alarms no more often than the level says.

benchmarks/drift measures this over many more sizes; here the bounds only catch a break.
"""

from __future__ import annotations

import numpy as np
import pytest

from monitor.drift.compare import compare
from monitor.drift.reference import build
from monitor.drift.sketch import sketch

REFERENCES = 24
LOOKS = 15
PER_HOUR = 75


def alarms(world, window, hours: int) -> np.ndarray:  # type: ignore[no-untyped-def]
    """p-values of unchanged windows, each compared with one of many references."""
    found = []
    for _ in range(REFERENCES):
        rows = np.concatenate([window(hour) for hour in range(hours)])
        made = build(rows, np.repeat(np.arange(hours), PER_HOUR), "e")
        looks = (sketch(window(int(world.rng.integers(hours))), made.fit) for _ in range(LOOKS))
        found += [compare(made.fit, made.baseline, one, made.dispersion).p_value for one in looks]
    return np.array(found)


@pytest.mark.parametrize("hours", [16, 48])
@pytest.mark.parametrize("kind", ["independent", "bursty", "seasonal", "moody"])
def test_unchanged_traffic_alarms_no_more_often_than_the_level(traffic, kind: str, hours: int) -> None:  # type: ignore[no-untyped-def]
    world = traffic(48, seed=11)
    first, second = np.eye(20)[:2]
    windows = {
        "independent": lambda _: world.rows(PER_HOUR),
        "bursty": lambda _: world.bursts(PER_HOUR, 5),
        "seasonal": lambda hour: world.rows(
            PER_HOUR, mean=0.6 * (np.sin(hour * np.pi / 4) * first + np.cos(hour * np.pi / 4) * second)
        ),
        "moody": lambda _: world.rows(PER_HOUR, mean=0.2 * world.rng.standard_normal(20)),
    }
    p = alarms(world, windows[kind], hours)
    # 360 looks: at a true 1% more than 10 alarms have a chance of 0.2%, at 5% more than 31 one of 0.1%.
    assert (p < 0.01).sum() <= 10
    assert (p < 0.05).sum() <= 31


def test_one_number_per_row_keeps_its_level_too(agreement) -> None:  # type: ignore[no-untyped-def]
    world = agreement(seed=4)
    p = alarms(world, lambda _: world.rows(PER_HOUR, mean=0.3 + 0.01 * world.rng.standard_normal()), 24)
    assert (p < 0.01).sum() <= 10
    assert (p < 0.05).sum() <= 31


def test_a_few_prompts_with_rare_ones_among_them_keep_the_level(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(48, seed=2)
    prompts, chances = world.rows(60), 1 / np.arange(1, 61) ** 1.5
    p = alarms(world, lambda _: prompts[world.rng.choice(60, PER_HOUR, p=chances / chances.sum())], 24)
    assert (p < 0.01).sum() <= 10
    assert (p < 0.05).sum() <= 31


@pytest.mark.parametrize("dimension", [1, 8, 64])
def test_windows_of_the_reference_may_hold_few_rows_by_night_and_many_by_day(dimension: int) -> None:
    """What the rows of a window have in common shows in proportion to its size: the small ones hardly show it."""
    rng = np.random.default_rng(dimension)
    sizes = [*[50] * 10, 1000, 1000] * 2

    def moody(rows: int) -> np.ndarray:  # type: ignore[type-arg]
        return rng.standard_normal((rows, dimension)) + 0.15 * rng.standard_normal(dimension)

    found = []
    for _ in range(REFERENCES):
        made = build(np.concatenate([moody(size) for size in sizes]), np.repeat(np.arange(len(sizes)), sizes), "e")
        looks = (sketch(moody(1000), made.fit) for _ in range(LOOKS))
        found += [compare(made.fit, made.baseline, one, made.dispersion).p_value for one in looks]
    p = np.array(found)
    assert (p < 0.01).sum() <= 10
    assert (p < 0.05).sum() <= 31
