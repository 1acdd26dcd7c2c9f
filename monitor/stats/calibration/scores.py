"""Scores of confidences as forecasts, and what they are made of."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

from monitor.stats.bootstrap import percentiles, resampled_means
from monitor.stats.calibration.binned import BinnedErrors, squared
from monitor.stats.calibration.measured import Measured
from monitor.stats.calibration.rows import Rows, as_rows
from monitor.stats.inputs import Floats
from monitor.stats.intervals import Interval
from monitor.stats.weighted import weighted_share

CERTAIN: Final = 1e-7
"""Confidences are kept so far from 0 and 1 where a logarithm is taken: they are stored to seven digits."""

_ADDED: Final = 2
"""Right and wrong answers that the bootstrap sees beside the rows, as many of each."""


def brier_score(confidence: ArrayLike, correct: ArrayLike, *, probability: ArrayLike | None = None) -> float:
    """Mean squared distance between confidence and outcome, in [0, 1]. Brier (1950), Monthly Weather Review 78.

    Raises:
        NotEnoughData: as `calibration`.
    """
    rows = as_rows(confidence, correct, probability)
    return rows.mean((rows.confidence - rows.correct) ** 2)


def log_losses(confidence: Floats, correct: Floats) -> Floats:
    """Minus the natural logarithm of the probability that was given to each outcome [n]; `CERTAIN` bounds it."""
    given = np.where(correct > 0.0, confidence, 1.0 - confidence)
    losses: Floats = -np.log(np.clip(given, CERTAIN, 1.0 - CERTAIN))
    return losses


def isotonic(rows: Rows) -> Floats:
    """The rising function of confidence [n] that is nearest to the outcomes; equal confidences get equal values."""
    place = np.unique(rows.confidence, return_inverse=True)[1]
    weights = np.bincount(place, rows.weight)
    means = np.bincount(place, rows.weight * rows.correct) / weights
    fitted: Floats = isotonic_regression(means, weights=weights).x[place]
    return fitted


def mean_scores(rows: Rows, level: float) -> tuple[Measured, Measured, Measured]:
    """Signed gap, Brier score and log loss with bootstrap intervals.

    Without mistakes among the rows every resample is without mistakes too, and an interval of width 0 would follow. So
    two right and two wrong answers of mean confidence are added, as Agresti and Coull (1998), "Approximate Is Better
    than 'Exact'", The American Statistician 52(2), add them for a proportion; estimates are those of the rows alone.
    """
    values = _values(rows.confidence, rows.correct)
    one = float(rows.weight @ rows.weight) / rows.n  # the weight of one effective row
    typical = np.full(2 * _ADDED, rows.mean(rows.confidence))
    added = _values(typical, np.repeat([0.0, 1.0], _ADDED))
    draws = resampled_means(np.concatenate([values, added]), np.concatenate([rows.weight, np.full(2 * _ADDED, one)]))
    found = [rows.mean(column) for column in values.T]
    lower, upper = percentiles(draws, rows.n, level)
    gap, brier, log_loss = (
        Measured(value, value, Interval(min(value, low), max(value, high)))
        for value, low, high in zip(found, lower.tolist(), upper.tolist(), strict=True)
    )
    return gap, brier, log_loss


def murphy_parts(rows: Rows, errors: BinnedErrors, level: float) -> tuple[Measured, Measured, Measured]:
    """Reliability, resolution and uncertainty of the Brier score over the bins of a table.

    Brier = reliability - resolution + uncertainty, up to how confidences vary within bins. Murphy (1973), "A New Vector
    Partition of the Probability Score", Journal of Applied Meteorology 12. The first two are too large by chance, each
    by the same (Bröcker 2012): see `corrected`.
    """
    of_rows = base_rate_score(rows, level)
    accuracy = weighted_share(rows.correct, rows.probability).share or 0.0
    return squared(errors.root_mean_square()), squared(errors.resolution(accuracy)), of_rows


def base_rate_score(rows: Rows, level: float) -> Measured:
    """accuracy (1 - accuracy), in [0, 0.25]: the Brier score of always saying how many answers are right."""
    right = weighted_share(rows.correct, rows.probability)
    accuracy = right.share or 0.0
    uncertainty, ends = accuracy * (1.0 - accuracy), right.interval_at(level)
    bounds = [end * (1.0 - end) for end in (ends.lower, ends.upper)]
    return Measured(uncertainty, uncertainty, Interval(min(bounds), 0.25 if 0.5 in ends else max(bounds)))


def _values(confidence: Floats, correct: Floats) -> Floats:
    residual = confidence - correct
    return np.column_stack([residual, residual**2, log_losses(confidence, correct)])
