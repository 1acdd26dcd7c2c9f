"""Synthetic traffic whose truth is known: unchanged in several ways, or changed in one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
Draw = Callable[[int, int], Rows]
"""(number of the window, rows) -> rows of traffic in that window."""

Mean = NDArray[np.float64] | float
Source = Callable[[int, Mean], Rows]
"""(rows, where the factors' mean lies) -> rows."""

DAY = 24
"""Windows in a day, for what is seasonal."""

LASTING = 0.7
"""Correlation of the moods of one window and the next."""


class Clip:
    """Unit vectors in a cone, driven by a few factors of falling weight, some clusters, and noise in all dimensions."""

    def __init__(self, dimension: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        factors = min(40, dimension)
        self.dimension = dimension
        self.cone = 4 * self.direction()
        self.loadings = self.rng.standard_normal((factors, dimension)) / np.sqrt(dimension)
        self.loadings *= np.linspace(1, 0.2, factors)[:, None]
        self.clusters = 0.6 * np.stack([self.direction() for _ in range(20)])

    def draw(self, n: int, mean: Mean = 0.0, widen: float = 1.0) -> Rows:
        """n rows; `mean` [factors] moves the factors, `widen` stretches rows about the cone's axis."""
        away = (self.rng.standard_normal((n, len(self.loadings))) + mean) @ self.loadings
        away += self.clusters[self.rng.integers(len(self.clusters), size=n)]
        away += 0.3 * self.rng.standard_normal((n, self.dimension)) / np.sqrt(self.dimension)
        return _unit(self.cone + widen * away)

    def newcomers(self, n: int, towards: NDArray[np.float64] | None = None) -> Rows:
        """A cluster that the reference never saw: half as wide as the traffic, in a direction of its own."""
        away = 0.5 * self.rng.standard_normal((n, len(self.loadings))) @ self.loadings
        return _unit(self.cone + away + 2.2 * (self.direction() if towards is None else towards))

    def direction(self) -> NDArray[np.float64]:
        return self.rng.standard_normal(self.dimension) / np.sqrt(self.dimension)


class Agreement:
    """One cosine per row, with a heavy shoulder."""

    dimension = 1

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def draw(self, n: int, mean: Mean = 0.0, widen: float = 1.0) -> Rows:
        scales = np.where(self.rng.random(n) < 0.1, 0.08, 0.05) * widen
        rows = 0.3 + 0.05 * np.ravel(mean)[0] + scales * self.rng.standard_normal(n)
        return rows[:, None].astype(np.float32)

    def newcomers(self, n: int) -> Rows:
        """Rows five deviations higher."""
        return (0.55 + 0.05 * self.rng.standard_normal((n, 1))).astype(np.float32)


World = Clip | Agreement


def traffics(world: World, source: Source | None = None) -> dict[str, Draw]:
    """Ways in which unchanged traffic fails to be independent draws; or traffic that `source` draws."""
    rng, source = world.rng, source or world.draw
    factors = len(world.loadings) if isinstance(world, Clip) else 1

    def bursty(_: int, n: int, length: int = 4) -> Rows:
        lengths = rng.geometric(1 / length, size=n)
        rows = np.repeat(source(n, 0.0), lengths, axis=0)[:n]
        return rows + (0.02 / np.sqrt(world.dimension) * rng.standard_normal(rows.shape)).astype(np.float32)

    def season(window: int) -> NDArray[np.float64]:
        angle = 2 * np.pi * (window % DAY) / DAY + 0.3
        return np.resize([0.5 * np.sin(angle), 0.4 * np.cos(angle), *[0.0] * max(factors - 2, 0)], factors)

    moods: list[NDArray[np.float64]] = []

    def lasting(_: int, n: int) -> Rows:
        """Each draw is the next window: its mood has a correlation of `LASTING` with that of the one before."""
        before = moods.pop() if moods else rng.standard_normal(factors)
        moods.append(LASTING * before + np.sqrt(1.0 - LASTING**2) * rng.standard_normal(factors))
        return source(n, 0.15 * moods[0])

    return {
        "independent": lambda _, n: source(n, 0.0),
        "bursty": bursty,
        "bursts of 20": partial(bursty, length=20),
        "seasonal": lambda window, n: source(n, season(window)),
        "moody": lambda _, n: source(n, 0.15 * rng.standard_normal(factors)),
        "moods that last": lasting,
    }


def changes(world: Clip) -> dict[str, Source]:
    """Planted changes, weak and strong: name -> a source of changed rows."""

    def moved(by: float, n: int, mean: Mean) -> Rows:
        ten_factors = np.resize([by] * 10 + [0.0] * 30, len(world.loadings))
        return world.draw(n, mean + ten_factors)

    return {
        **{f"{share}% of a new cluster": partial(_joined, world, share / 100) for share in (2, 5, 10, 20)},
        **{f"mean shift {by} sd of ten factors": partial(moved, by) for by in (0.1, 0.2)},
        **{
            f"widening {percent}% about the mean": lambda n, mean, by=percent: _about_mean(
                world.draw(n, mean), 1 + by / 100
            )
            for percent in (2, 5)
        },
        **{
            f"rotation by {degrees} degrees": lambda n, mean, by=degrees: _turned(world.draw(n, mean), world.rng, by)
            for degrees in (6, 12)
        },
    }


def _joined(world: Clip, share: float, n: int, mean: Mean) -> Rows:
    few = round(share * n)
    return world.rng.permutation(np.concatenate([world.newcomers(few), world.draw(n - few, mean)]))


class Pairs:
    """Images and texts that share their factors; rows are their cosines, which is what a pair's agreement is."""

    dimension = 1

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.image = self.rng.standard_normal((30, 128))

    def draw(self, n: int, mispaired: float = 0.0) -> Rows:
        """n cosines, a share of them of a text with somebody else's image."""
        meaning = self.rng.standard_normal((n, 30))
        shown = meaning.copy()
        few = round(mispaired * n)
        shown[:few] = self.rng.standard_normal((few, 30))
        images = _unit(shown @ self.image + 4.0 * self.rng.standard_normal((n, 128)))
        texts = _unit(meaning @ self.image + 3.0 * self.rng.standard_normal((n, 128)))
        return (images * texts).sum(axis=1, keepdims=True).astype(np.float32)


def _unit(rows: NDArray[np.float64]) -> Rows:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _about_mean(rows: Rows, factor: float) -> Rows:
    mean = rows.mean(axis=0)
    return mean + factor * (rows - mean)


def _turned(rows: Rows, rng: np.random.Generator, degrees: float) -> Rows:
    """Rows turned about their mean by a random rotation near the identity, about so many degrees for each axis."""
    dimension = rows.shape[1]
    tilt = np.tan(np.radians(degrees)) / np.sqrt(2 * dimension) * rng.standard_normal((dimension, dimension))
    turn, corner = np.linalg.qr(np.eye(dimension) + tilt - tilt.T)
    mean = rows.mean(axis=0)
    return mean + ((rows - mean) @ (turn * np.sign(np.diag(corner)))).astype(np.float32)
