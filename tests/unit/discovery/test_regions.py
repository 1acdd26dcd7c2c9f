"""Regions where answers go wrong, against what was planted."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import FastICA

from monitor.discovery.regions import BALLS, ENDS, RIDGES, all_alike, balls, beyond, independent, independent_directions


def planted(rng: np.random.Generator, n: int = 1500) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A direction at whose end answers go wrong: vectors, errors, and who lies there."""
    vectors = rng.normal(size=(n, 10)) * np.linspace(2, 0.5, 10)
    there = vectors[:, 2] > np.quantile(vectors[:, 2], 0.9)
    return vectors, (rng.random(n) < np.where(there, 0.6, 0.05)).astype(float), there


def test_the_end_of_a_planted_direction_is_found() -> None:
    rng = np.random.default_rng(0)
    vectors, errors, there = planted(rng)
    found = list(beyond(vectors, errors, rng))
    assert len(found) == len(ENDS) * len(RIDGES)
    best = max((there[region.members(vectors)].mean() for region, _ in found), default=0.0)
    assert best > 0.8


def test_out_of_fold_a_direction_that_leads_nowhere_shows_it() -> None:
    """In the rows that it was learnt from, errors seem to lie along any direction; out of fold they do not."""
    rng = np.random.default_rng(1)
    inside, outside = [], []
    for _ in range(10):
        vectors, errors = rng.normal(size=(400, 60)), (rng.random(400) < 0.15).astype(float)
        for region, seen in beyond(vectors, errors, rng):
            inside.append(errors[region.members(vectors)].mean())
            outside.append(errors[seen].mean())
    assert np.mean(inside) > 0.3
    assert np.mean(outside) < 0.17


def test_a_ball_holds_the_part_that_it_should_and_the_same_rows_again() -> None:
    rng = np.random.default_rng(2)
    vectors, errors, _ = planted(rng)
    for number, (ball, inside) in enumerate(balls(vectors, errors, rng)):
        assert inside.mean() == pytest.approx(BALLS[number % len(BALLS)], abs=2e-3)
        assert (ball.members(vectors) != inside).sum() <= 1  # the row on the edge, by rounding
        if number > 20:
            break


def test_few_errors_or_equal_rows_give_no_regions() -> None:
    rng = np.random.default_rng(3)
    few = np.zeros(300)
    few[:3] = 1.0
    assert not list(beyond(rng.normal(size=(300, 4)), few, rng))
    assert not list(balls(rng.normal(size=(300, 4)), few, rng))
    assert not list(beyond(np.ones((300, 4)), (rng.random(300) < 0.5).astype(float), rng))


@pytest.mark.parametrize("n", [201, 777])
@pytest.mark.parametrize("size", [1.0, 1e-12, 1e20])
def test_equal_vectors_give_no_regions_whatever_rounding_leaves_of_them(n: int, size: float) -> None:
    rng = np.random.default_rng(n)
    one = rng.normal(size=64)
    vectors, errors = np.tile(size * one / np.linalg.norm(one), (n, 1)), (rng.random(n) < 0.3).astype(float)
    assert all_alike(vectors)
    assert not list(beyond(vectors, errors, rng))
    assert not list(balls(vectors, errors, rng))
    assert not list(independent(vectors, rng))


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e20])
def test_two_kinds_of_vectors_are_told_apart_in_any_unit(size: float) -> None:
    """Two points alone: the covariance has one direction, and nothing is there to pull it towards a round one."""
    rng = np.random.default_rng(0)
    there = np.arange(400) % 2 == 0
    vectors = size * np.where(there[:, None], 1.0, -1.0) * rng.normal(size=8)
    errors = (rng.random(400) < np.where(there, 0.6, 0.1)).astype(float)
    for found in (beyond(vectors, errors, rng), balls(vectors, errors, rng)):
        assert max(there[inside].mean() for _, inside in found) == 1.0


@pytest.mark.parametrize("n", [5, 6, 9])
def test_as_many_rows_as_neighbours_give_no_balls(n: int) -> None:
    rng = np.random.default_rng(0)
    assert not list(balls(rng.normal(size=(n, 4)), np.ones(n), rng))


def mixed(rng: np.random.Generator, n: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Six things that are seen or not, each by itself, in vectors of 12 dimensions: vectors and what is seen."""
    seen = rng.random((n, 6)) < np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.05])
    return seen @ rng.normal(size=(6, 12)) + 0.05 * rng.normal(size=(n, 12)), seen


def test_each_thing_that_is_seen_lies_at_the_end_of_an_independent_direction() -> None:
    rng = np.random.default_rng(5)
    vectors, seen = mixed(rng)
    found = [region.members(vectors) for region in independent(vectors, rng)]
    for thing in seen.T[[0, 1, 2, 5]]:  # the others are of more rows than any end holds
        assert max((thing & inside).sum() / max(thing.sum(), inside.sum()) for inside in found) > 0.7


def test_independent_directions_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(6)
    vectors, _ = mixed(rng)
    centred = vectors - vectors.mean(axis=0)
    values, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    whitened = centred @ axes[:, -6:] / np.sqrt(values[-6:])
    ours = whitened @ independent_directions(whitened, rng)
    theirs = FastICA(whiten=False, fun="logcosh", random_state=0, tol=1e-6, max_iter=500).fit_transform(whitened)
    alike = np.abs(np.corrcoef(ours.T, theirs.T)[:6, 6:])
    assert alike.max(axis=0).min() > 0.99
    assert sorted(alike.argmax(axis=0).tolist()) == list(range(6))


def test_equal_rows_have_no_independent_directions() -> None:
    assert not list(independent(np.ones((300, 4)), np.random.default_rng(7)))
