"""How long labels take, and whether a window's labels are in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from monitor.errors import NotEnoughData
from monitor.stats.maturity import MATURE_SHARE, MIN_ANSWERED, Maturity, delay_curve, maturity


def test_the_curve_is_scipys_product_limit_estimate() -> None:
    rng = np.random.default_rng(1)
    delay, seen_until = rng.exponential(10, 300).round(), rng.uniform(0, 30, 300).round()
    answered = delay <= seen_until
    ages = np.minimum(delay, seen_until)
    expected = stats.ecdf(stats.CensoredData.right_censored(ages, ~answered)).sf
    found = delay_curve(ages, answered)
    at = np.arange(0.0, 30.0)
    assert found.at(at).tolist() == pytest.approx(expected.evaluate(at).tolist())


def test_counts_stand_for_tasks() -> None:
    one = delay_curve([1, 1, 1, 4, 6, 6], [True, True, True, True, False, False])
    counted = delay_curve([1, 4, 6], [True, True, False], [3, 1, 2])
    assert counted.open_share.tolist() == one.open_share.tolist()
    assert counted.answered == one.answered == 4


def test_what_is_to_come_is_what_comes() -> None:
    """Nine of ten tasks are answered after 0 to 48 hours, evenly, the others never."""
    rng = np.random.default_rng(2)
    delay = np.where(rng.random(20_000) < 0.9, rng.uniform(0, 48, 20_000), np.inf)
    age = rng.uniform(0, 28 * 24, 20_000)
    curve = delay_curve(np.minimum(delay, age), delay <= age)
    young = rng.uniform(0, 24, 1000)
    fate = np.where(rng.random(1000) < 0.9, rng.uniform(0, 48, 1000), np.inf)
    still_open = fate > young
    found = maturity(int((~still_open).sum()), young[still_open], curve)
    assert found.to_come == pytest.approx(np.isfinite(fate[still_open]).sum(), rel=0.05)
    assert not found.mature
    assert found.known


def test_tasks_that_are_open_for_longer_than_any_answer_took_are_never_answered() -> None:
    curve = delay_curve([1.0] * 50 + [100.0] * 10, [True] * 50 + [False] * 10)
    found = maturity(50, [100.0] * 10, curve)
    assert (found.to_come, found.share, found.mature, found.drawn) == (0.0, 1.0, True, 60)


Delays = Callable[[np.random.Generator, int], np.ndarray]


def first_tenth(delays: Delays, age: float, never: float, rng: np.random.Generator, n: int) -> tuple[Maturity, float]:
    """Of a service `age` days old, the first tenth of its time: its maturity, and the share of labels truly in."""
    asked = rng.uniform(0, age, n)
    delay = np.where(rng.random(n) < never, np.inf, delays(rng, n))
    seen = np.minimum(delay, age - asked)
    answered = delay <= age - asked
    early = asked < age / 10
    found = maturity(int(answered[early].sum()), seen[early & ~answered], delay_curve(seen, answered))
    return found, float(answered[early].sum() / np.isfinite(delay[early]).sum())


@pytest.mark.parametrize("never", [0.0, 0.2])
@pytest.mark.parametrize("mean", [0.2, 1.0, 3.0])
@pytest.mark.parametrize("age", [1, 2, 4, 8, 28])
def test_a_young_service_knows_that_most_labels_are_still_to_come(age: int, mean: float, never: float) -> None:
    """What nobody has been followed long enough to see is not taken for never answered."""
    rng = np.random.default_rng([3, age])
    found, true = first_tenth(lambda rng, n: rng.exponential(mean, n), age, never, rng, 20_000)
    assert found.share == pytest.approx(true, abs=0.1)
    assert found.mature == (true >= MATURE_SHARE) or abs(true - MATURE_SHARE) < 0.05


@pytest.mark.parametrize(
    "delays",
    [lambda rng, n: rng.uniform(0, 6, n), lambda _, n: np.full(n, 3.0), lambda rng, n: rng.weibull(0.6, n)],
    ids=["even", "fixed", "long tail"],
)
@pytest.mark.parametrize("n", [60, 3000])
def test_an_old_service_does_not_wait_for_what_never_comes(delays: Delays, n: int) -> None:
    rng = np.random.default_rng(4)
    mature = [first_tenth(delays, 28, 0.2, rng, n)[0].mature for _ in range(20)]
    assert sum(mature) >= 19


def test_before_the_usual_delay_is_known_every_open_task_is_to_come() -> None:
    curve = delay_curve([1.0] * (MIN_ANSWERED - 1), [True] * (MIN_ANSWERED - 1))
    found = maturity(19, [500.0] * 5, curve)
    assert (found.known, found.to_come, found.mature) == (False, 5.0, False)


def test_a_window_without_tasks_is_mature() -> None:
    found = maturity(0, [], delay_curve([], []))
    assert (found.share, found.mature, found.drawn) == (None, True, 0)


def test_the_limit_itself_is_mature() -> None:
    curve = delay_curve([], [])
    assert maturity(round(100 * MATURE_SHARE), [0.0] * round(100 - 100 * MATURE_SHARE), curve).mature
    assert not maturity(round(100 * MATURE_SHARE) - 1, [0.0] * 11, curve).mature


@pytest.mark.parametrize(
    ("ages", "answered", "counts"),
    [([-1.0], [True], None), ([1.0], [True, False], None), ([float("nan")], [True], None), ([1.0], [True], [-1.0])],
)
def test_impossible_tasks_are_refused(ages: list[float], answered: list[bool], counts: list[float] | None) -> None:
    with pytest.raises(NotEnoughData):
        delay_curve(ages, answered, counts)
    with pytest.raises(NotEnoughData):
        maturity(-1, [], delay_curve([], []))


@pytest.mark.parametrize("answered", [float("nan"), float("inf"), -1])
def test_a_number_of_answers_that_is_none_is_refused(answered: float) -> None:
    with pytest.raises(NotEnoughData):
        maturity(answered, [], delay_curve([], []))  # type: ignore[arg-type]


def test_tasks_of_two_parts_add_up() -> None:
    parts = Maturity(10, 8, 1.5, known=True), Maturity(5, 0, 4.0, known=True)
    assert parts[0] + parts[1] == Maturity(15, 8, 5.5, known=True)
    assert not (parts[0] + Maturity(1, 0, 1.0, known=False)).known
