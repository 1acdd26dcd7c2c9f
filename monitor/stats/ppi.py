"""Prediction-powered accuracy: what a guess for every answer adds to the labels of a few.

Shown beside the classical estimate, never in its place; what pages somebody rests on labels alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from monitor.errors import NotEnoughData
from monitor.stats.inputs import Floats, as_outcomes, as_probabilities, as_vector
from monitor.stats.intervals import Interval, wilson_of_share
from monitor.stats.proportions import LEVEL
from monitor.stats.weighted import WeightedShare, share_of_sums, weight_sums

MIN_LABELS: Final = 50
"""With 50 labels and more the interval covers 94 to 97% (`benchmarks/prediction_powered.py`); with fewer the gain that
it is narrowed by is mostly chance."""

_PRIOR_ROWS: Final = 5.0
"""How many rows of the rarer outcome it counts for that guesses are worth nothing."""


@dataclass(frozen=True, slots=True)
class Guesses:
    """The guesses of all rows of the traffic, labelled ones included: how many, their mean and their variance.

    A mean square in its place would leave nothing of the variance where the mean is large.
    """

    n: int
    mean: float
    variance: float

    @classmethod
    def of(cls, guesses: ArrayLike, counts: ArrayLike | None = None) -> Guesses:
        """From the guesses [k], and how many rows [k] have each (one, when None), as a histogram knows them.

        Raises:
            NotEnoughData: no row, NaN, negative counts, or lengths that differ.
        """
        values = as_vector(guesses, "guesses")
        rows = np.ones_like(values) if counts is None else as_vector(counts, "counts")
        if rows.size != values.size or rows.min() < 0.0 or rows.sum() < 1.0:
            raise NotEnoughData("guesses need as many counts, none negative and not all 0")
        total = float(rows.sum())
        mean = float(rows @ values) / total
        return cls(round(total), mean, float(rows @ (values - mean) ** 2) / total)


@dataclass(frozen=True, slots=True)
class PredictionPowered:
    """The `classical` estimate from labels, and the one that guesses help.

    `share` in [0, 1]. `power` >= 0 is how far the guesses are believed: 0 not at all, 1 as they are. `effective_n` is
    the number of labels, drawn with equal probabilities, that would be as sure.
    """

    classical: WeightedShare
    share: float
    effective_n: float
    power: float

    @property
    def interval(self) -> Interval:
        """95% interval."""
        return self.interval_at(LEVEL)

    def interval_at(self, confidence: float) -> Interval:
        """Wilson's, with the effective sample size.

        Raises:
            NotEnoughData: confidence outside (0, 1).
        """
        return wilson_of_share(self.share, self.effective_n, confidence)

    @property
    def saving(self) -> float:
        """The guesses do as much as this share of labels more: 0.25 is as if there were a quarter more of them.

        The ratio of the two effective sample sizes, less 1, which is (classical width / width)^2 - 1 but for the ends
        of [0, 1]; below 0 where the guesses know nothing and even cost a little.
        """
        return self.effective_n / self.classical.effective_n - 1.0


def prediction_powered(
    correct: ArrayLike, guesses: ArrayLike, unlabelled: ArrayLike, probabilities: ArrayLike | None = None
) -> PredictionPowered:
    """Accuracy from labelled rows, and guesses of labelled and unlabelled ones.

    `correct` [n] true or false and `guesses` [n] of the labelled rows, `unlabelled` [m] the guesses of the other rows
    of the same traffic. `probabilities` [n] in (0, 1]: those with which the labelled rows were drawn from all n + m;
    when None, all alike. A guess is a number that is higher where the answer is more likely right, such as the model's
    calibrated confidence. It must not have been fitted to these labels. It may be wrong: then it helps less.

    Raises:
        NotEnoughData: fewer than `MIN_LABELS` labels, no unlabelled row, NaN, or lengths that differ.
    """
    known = as_vector(guesses, "guesses", least=MIN_LABELS)
    everything = Guesses.of(np.concatenate([known, as_vector(unlabelled, "unlabelled")]))
    return prediction_powered_among(correct, known, everything, probabilities)


def prediction_powered_among(
    correct: ArrayLike, guesses: ArrayLike, everything: Guesses, probabilities: ArrayLike | None = None
) -> PredictionPowered:
    """The same where of all rows only their number and the mean and variance of their guesses are known.

    - Estimate: Hájek's share + power (mean guess of all rows - Hájek's mean guess of the labelled ones).
      Angelopoulos, Bates, Fannjiang, Jordan and Zrnic (2023), "Prediction-powered inference", Science 382. With weights
      1 / probability: Zrnic and Candès (2024), "Active Statistical Inference", ICML. It is the difference estimator of
      survey sampling: Särndal, Swensson and Wretman (1992), "Model Assisted Survey Sampling", chapter 6.
    - Power: minimises the estimated variance. Angelopoulos, Duchi and Zrnic (2024), "PPI++: Efficient
      Prediction-Powered Inference", section 6. With equal probabilities it is theirs times (n + m) / m, because
      labelled rows count among all; below 0 it is 0, so that a guess which is upside down is not believed in reverse.
    - Interval: the linearised variance with and without guesses gives the ratio of effective sample sizes. It takes a
      degree of freedom for the power, and is pulled towards 1 against as many rows of the rarer outcome as the
      classical estimate counts (`monitor.stats.weighted`), because a normal interval from the plain variance covers as
      little as 75% with 50 labels and an accuracy of 95%, and one that counts mistakes as they come, whatever their
      weights, 84%.

    Raises:
        NotEnoughData: as `prediction_powered`, fewer rows in all than labelled ones, or a mean or variance that
            no guesses have.
    """
    right, known = as_outcomes(correct, "correct", least=MIN_LABELS), as_vector(guesses, "guesses", least=MIN_LABELS)
    if right.size != known.size:
        raise NotEnoughData(f"{right.size} outcomes cannot be paired with {known.size} guesses")
    if not (isfinite(everything.mean) and 0.0 <= everything.variance < inf):
        raise NotEnoughData(f"no guesses are like this: {everything}")
    if everything.n < right.size:
        raise NotEnoughData(f"{everything.n} rows in all cannot hold {right.size} labelled ones")
    sums = weight_sums(right, probabilities)
    classical = share_of_sums(sums)
    weights = 1.0 / as_probabilities(probabilities, "probabilities", right.size)
    power, ratio = _tuned(right, known, weights / weights.sum(), everything)
    moved = power * (everything.mean - float(weights @ known) / float(weights.sum()))
    share = min(max((classical.share or 0.0) + moved, 0.0), 1.0)
    pulled = (sums.seen / ratio + _PRIOR_ROWS) / (sums.seen + _PRIOR_ROWS)
    return PredictionPowered(classical, share, classical.effective_n / pulled, power)


def _tuned(right: Floats, known: Floats, weights: Floats, everything: Guesses) -> tuple[float, float]:
    """The power, and the variance without guesses over that with them. `weights` sum to 1.

    A labelled row moves the estimate by own + power * guess, an unlabelled one by power * (its guess - mean) / N.
    """
    deviations = (known - everything.mean) / everything.n
    own = weights * (right - weights @ right)
    guess = deviations - weights * (known - weights @ known)
    of_unlabelled = max(everything.variance / everything.n - float(deviations @ deviations), 0.0)
    variance, covariance = float(own @ own), float(own @ guess)
    of_guess = float(guess @ guess) + of_unlabelled
    if variance == 0.0 or of_guess == 0.0:
        return 0.0, 1.0
    power = max(-covariance / of_guess, 0.0)
    remaining = variance + 2.0 * power * covariance + power * power * of_guess
    return power, variance / max(remaining, variance * 1e-6) * (right.size - 2) / (right.size - 1)
