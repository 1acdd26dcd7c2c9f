"""Answers with confidences whose calibration is known."""

from __future__ import annotations

import numpy as np

Answers = tuple[np.ndarray, np.ndarray]


def draw(rng: np.random.Generator, n: int, overconfidence: float) -> Answers:
    confidence = rng.beta(5, 2, n)
    return confidence, rng.random(n) < np.clip(confidence - overconfidence, 0, 1)


def drawn_unequally(
    rng: np.random.Generator, n: int, overconfidence: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unsure answers four times as often."""
    confidence, correct = draw(rng, 8 * n, overconfidence)
    probability = np.where(confidence < 0.6, 0.8, 0.2)
    kept = np.flatnonzero(rng.random(8 * n) < probability)[:n]
    return confidence[kept], correct[kept], probability[kept]
