"""The Brier score taken apart without bins, by isotonic regression, each part with its interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import hypot
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

from monitor.stats.calibration.measured import FEWEST_DRAWS as DRAWS
from monitor.stats.calibration.measured import check_level, masses
from monitor.stats.calibration.rows import Rows, as_rows
from monitor.stats.calibration.scores import base_rate_score, isotonic, mean_scores
from monitor.stats.inputs import Floats
from monitor.stats.intervals import Interval

CELLS: Final = 100
"""Neighbouring confidences are put together to so many at most: the fit has far fewer steps."""
_LARGEST, _HALVINGS = 4.0, 8
"""Of the scale by which the observed deviation is taken, and how finely it is sought."""


@dataclass(frozen=True, slots=True)
class Decomposition:
    """Brier score = miscalibration - discrimination + uncertainty, exactly.

    `miscalibration` >= 0 is what a perfect recalibration would win, `discrimination` >= 0 what confidences know of
    outcomes, `uncertainty` = accuracy (1 - accuracy), in [0, 0.25], the score of the base rate. The intervals are of
    the true values, which chance has no part in: the first two are larger than those in nearly every sample.
    """

    miscalibration: float
    discrimination: float
    uncertainty: float
    miscalibration_interval: Interval
    discrimination_interval: Interval
    uncertainty_interval: Interval


def corp_decomposition(
    confidence: ArrayLike, correct: ArrayLike, *, probability: ArrayLike | None = None, level: float = 0.95
) -> Decomposition:
    """The decomposition by isotonic regression, which needs no bins.

    With p the isotonic (PAV) fit of outcomes on confidences and a the accuracy: miscalibration = Brier(confidence) -
    Brier(p), discrimination = Brier(a) - Brier(p), uncertainty = Brier(a). Dimitriadis, Gneiting and Jordan (2021),
    "Stable reliability diagrams for probabilistic classifiers", PNAS 118(8). The fit follows chance too, so
    both parts are larger than they would be with endless data.

    Because of that the usual bootstrap, which adds chance to chance, never covers a calibrated model. So intervals
    invert a test, by a parametric bootstrap: outcomes are drawn from the fit, taken to lie nearer to the confidences
    (or to the accuracy) or farther from them by some scale, and fitted again; the interval holds each true value under
    which the observed one lies between the outer quantiles. How much of the traffic has which confidence is chance as
    well: what that does to the fitted parts is added, distances as squares. Miscalibration cannot be below the squared
    signed gap, so its interval reaches as far as that one's. They say nothing of outcomes that depend on each other.

    Args:
        confidence: [n] in [0, 1].
        correct: [n], true or false.
        probability: [n] in (0, 1], of each answer to have been drawn for labelling; None: all alike.
        level: of the intervals.

    Raises:
        NotEnoughData: as `calibration`.
    """
    check_level(level, DRAWS)
    rows = as_rows(confidence, correct, probability)
    fitted, accuracy = isotonic(rows), rows.mean(rows.correct)
    of_fit, uncertainty = rows.mean((fitted - rows.correct) ** 2), accuracy * (1.0 - accuracy)
    miscalibration = rows.mean((rows.confidence - rows.correct) ** 2) - of_fit
    discrimination = uncertainty - of_fit
    cells, gap = _Cells.of(rows), mean_scores(rows, level)[0].interval
    of_confidence = cells.interval(_Cells.miscalibration, cells.confidence, cells.steps, level)
    flat = np.full(cells.size, accuracy)
    varied = cells.steps if np.ptp(cells.steps) > 1e-9 else flat + cells.confidence - cells.weight @ cells.confidence
    of_outcomes = cells.interval(_Cells.discrimination, flat, varied, level)
    reach = max(of_confidence.upper, gap.lower**2, gap.upper**2)
    return Decomposition(
        miscalibration,
        discrimination,
        uncertainty,
        Interval(min(of_confidence.lower, miscalibration), max(reach, miscalibration)),
        Interval(min(of_outcomes.lower, discrimination), max(of_outcomes.upper, discrimination)),
        base_rate_score(rows, level).interval,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """Rows of neighbouring confidences together, in rising order: mean confidence and outcome [k], the share of all
    weight [k], and how many rows of equal weight would be as sure [k]."""

    confidence: Floats
    outcome: Floats
    weight: Floats
    rows: Floats

    @classmethod
    def of(cls, rows: Rows) -> _Cells:
        place = np.unique(rows.confidence, return_inverse=True)[1]
        first = np.searchsorted(place, np.arange(place[-1] + 1))  # rows are sorted by confidence
        mass = np.cumsum(rows.weight)[first]
        cell = np.unique((CELLS * mass / rows.weight.sum()).astype(np.int64).clip(0, CELLS - 1), return_inverse=True)[1]
        number = cell[place]
        weight = np.bincount(number, rows.weight)
        return cls(
            np.bincount(number, rows.weight * rows.confidence) / weight,
            np.bincount(number, rows.weight * rows.correct) / weight,
            weight / weight.sum(),
            np.maximum(np.round(weight**2 / np.bincount(number, rows.weight**2)), 1.0),
        )

    @property
    def size(self) -> int:
        return self.confidence.size

    @property
    def steps(self) -> Floats:
        """The isotonic fit of the outcomes."""
        return self._fit(self.outcome)

    def miscalibration(self, outcome: Floats) -> float:
        fitted = self._fit(outcome)
        return float(self.weight @ ((self.confidence - outcome) ** 2 - (fitted - outcome) ** 2))

    def discrimination(self, outcome: Floats) -> float:
        fitted, accuracy = self._fit(outcome), self.weight @ outcome
        return float(self.weight @ ((accuracy - outcome) ** 2 - (fitted - outcome) ** 2))

    def interval(self, part: Callable[[_Cells, Floats], float], base: Floats, fitted: Floats, level: float) -> Interval:
        """Of a part of the score that is 0 where the true chances are `base`, and grows on the way to `fitted`."""
        value, place = part(self, self.outcome), round((1.0 - level) / 2.0 * (DRAWS - 1))

        def true(scale: float) -> Floats:
            return (base + scale * (fitted - base)).clip(0.0, 1.0)

        def quantile(scale: float, rank: int) -> float:
            rng = np.random.default_rng(0)
            outcomes = rng.binomial(self.rows.astype(np.int64), true(scale), (DRAWS, self.size)) / self.rows
            return float(np.partition([part(self, one) for one in outcomes], rank)[rank])

        lower = _smallest(lambda scale: quantile(scale, DRAWS - 1 - place) >= value)
        upper = _smallest(lambda scale: quantile(scale, place) > value)
        below, above = self._away(part, place)
        return Interval(
            max(0.0, value - hypot(max(0.0, value - part(self, true(lower))), below)),
            value + hypot(max(0.0, part(self, true(upper)) - value), above),
        )

    def _away(self, part: Callable[[_Cells, Floats], float], place: int) -> tuple[float, float]:
        """How far below and above it a part of the score may lie because other confidences came than usually do."""
        shares = masses(self.weight, self.rows, DRAWS)
        others = np.sort([part(replace(self, weight=one / one.sum()), self.steps) for one in shares])
        usual = part(self, self.steps)
        return max(0.0, usual - float(others[place])), max(0.0, float(others[-1 - place]) - usual)

    def _fit(self, outcome: Floats) -> Floats:
        fitted: Floats = isotonic_regression(outcome, weights=self.weight).x
        return fitted


def _smallest(reached: Callable[[float], bool]) -> float:
    """The smallest scale for which a rising condition holds."""
    below, above = 0.0, _LARGEST
    if reached(below):
        return below
    for _ in range(_HALVINGS):
        middle = (below + above) / 2.0
        below, above = (below, middle) if reached(middle) else (middle, above)
    return above
