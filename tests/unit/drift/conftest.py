"""Traffic like that of a CLIP encoder: unit vectors in a cone, driven by a few factors and clusters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from monitor.drift.reference import Reference, build

HOURS = 24


@dataclass
class Traffic:
    """Draws rows [n, d]; `seed` fixes both the world and the draws."""

    dimension: int
    seed: int = 0
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        factors = min(20, self.dimension)
        self.cone = 4 * self.rng.standard_normal(self.dimension) / np.sqrt(self.dimension)
        self.loadings = self.rng.standard_normal((factors, self.dimension)) / np.sqrt(self.dimension)
        self.clusters = 0.6 * self.rng.standard_normal((12, self.dimension)) / np.sqrt(self.dimension)

    def rows(self, n: int, *, mean: np.ndarray | float = 0.0, widen: float = 1.0) -> np.ndarray:
        factors = self.rng.standard_normal((n, len(self.loadings))) + np.asarray(mean)
        noise = 0.2 * self.rng.standard_normal((n, self.dimension)) / np.sqrt(self.dimension)
        away = factors @ self.loadings + self.clusters[self.rng.integers(12, size=n)] + noise
        vectors = self.cone + widen * away
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def bursts(self, n: int, length: int = 5) -> np.ndarray:
        """Every picture is asked about `length` times with hardly a difference."""
        repeated = np.repeat(self.rows(-(-n // length)), length, axis=0)[:n]
        return repeated + (0.002 * self.rng.standard_normal(repeated.shape)).astype(np.float32)

    def reference(self, per_hour: int = 60, hours: int = HOURS) -> Reference:
        return build(self.rows(per_hour * hours), np.repeat(np.arange(hours), per_hour), "clip@1")


@dataclass
class Agreement:
    """A stream of one cosine per row."""

    seed: int = 0
    dimension: int = 1

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def rows(self, n: int, *, mean: float = 0.3, widen: float = 1.0) -> np.ndarray:
        return (mean + 0.05 * widen * self.rng.standard_normal((n, 1))).astype(np.float32)

    def reference(self, per_hour: int = 60, hours: int = HOURS) -> Reference:
        return build(self.rows(per_hour * hours), np.repeat(np.arange(hours), per_hour), "clip@1/agreement")


@pytest.fixture
def traffic() -> Callable[..., Traffic]:
    return Traffic


@pytest.fixture
def agreement() -> Callable[..., Agreement]:
    return Agreement
