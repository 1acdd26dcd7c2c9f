"""What every measure of calibration demands of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.errors import NotEnoughData
from monitor.stats.inputs import LEAST_PROBABILITY, Floats, as_outcomes, as_probabilities, as_shares

MIN_ROWS: Final = 10
"""Below ten answers even a perfectly calibrated model shows an ECE of 0.2 and more by chance."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Labelled answers in an order that depends on nothing but themselves.

    `confidence` [n] in [0, 1], `correct` [n] 0 or 1, `probability` [n] in (0, 1] of having been drawn for labelling,
    `weight` [n] = 1 / probability, of mean 1.
    """

    confidence: Floats
    correct: Floats
    probability: Floats
    weight: Floats

    @property
    def n(self) -> int:
        return self.confidence.size

    @property
    def effective_n(self) -> float:
        """Kish's: as many rows of equal weight would be as sure, if the weights tell nothing of the rows."""
        return float(self.weight.sum() ** 2 / (self.weight @ self.weight))

    def mean(self, values: Floats) -> float:
        """The Hájek mean of `values` [n]: sum w v / sum w."""
        return float(self.weight @ values) / self.n

    def part(self, keep: NDArray[np.bool_]) -> Rows:
        """The rows that are marked true in `keep` [n]."""
        return as_rows(self.confidence[keep], self.correct[keep], self.probability[keep], least=1)


def as_rows(
    confidence: ArrayLike, correct: ArrayLike, probability: ArrayLike | None = None, *, least: int = MIN_ROWS
) -> Rows:
    """Check and sort the rows; without `probability` all were drawn alike.

    Raises:
        NotEnoughData: fewer than `least` rows, lengths that differ, NaN, a confidence outside [0, 1], an outcome that
            is neither true nor false, or a probability outside (0, 1] or below `LEAST_PROBABILITY`.
    """
    shares = as_shares(confidence, "confidence", least=least)
    outcomes = as_outcomes(correct, "correct", least=least)
    if shares.size != outcomes.size:
        raise NotEnoughData(f"{shares.size} confidences cannot be paired with {outcomes.size} outcomes")
    drawn = as_probabilities(probability, "probabilities", shares.size, least=LEAST_PROBABILITY)
    order = np.lexsort((drawn, outcomes, shares))
    weights = drawn.min() / drawn[order]  # at most 1 however small a probability is
    return Rows(shares[order], outcomes[order], drawn[order], weights / weights.mean())
