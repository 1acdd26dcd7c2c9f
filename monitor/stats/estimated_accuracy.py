"""Accuracy where there are no labels yet: what confidences meant in the labelled past, applied to those of now.

It holds as long as a confidence means what it meant. Nothing in unlabelled data can show that it does not, so a stored
track record of such estimates against what labels later said stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from monitor.errors import NotEnoughData
from monitor.stats.inputs import Floats, as_outcomes, as_probabilities, as_shares, as_vector
from monitor.stats.intervals import Interval, wilson_of_share
from monitor.stats.poisson_binomial import PoissonBinomial
from monitor.stats.weighted import PRIOR_ROWS, sums_of_weights

MIN_PAST: Final = 100
"""Labelled answers of the past from which the meaning of confidences can be told."""

_CLIP: Final = 0.005
"""Confidences are kept this far from 0 and 1, whose logarithms are infinite."""
_PRIOR: Final = np.array([0.0, 0.5, 0.5])
_PRIOR_WEIGHT: Final = np.array([1e-6, 1.0, 1.0])
"""One unit of precision on the two slopes: with few labels of one kind the fit stays finite."""
_STEPS: Final = 100
_TAIL: Final = 0.025
"""Of the count of right answers, on either side."""


@dataclass(frozen=True, slots=True, eq=False)
class Meaning:
    """What share of answers was right at a confidence, as `past` labelled answers tell.

    logit(share) = c + a ln(confidence) - b ln(1 - confidence), with `coefficients` (c, a, b) and their `covariance`.
    `seen` of the past answers had the rarer outcome, counted by the weight that they carry, and `design_effect` >= 1 is
    that of weights which are tied to outcomes: `seen` and `design_effect_of_ties` of `monitor.stats.weighted`.
    """

    coefficients: Floats
    covariance: Floats
    past: int
    seen: float
    design_effect: float

    def of(self, confidence: ArrayLike) -> Floats:
        """Share of right answers [n] in [0, 1] at each `confidence` [n].

        Raises:
            NotEnoughData: a confidence outside [0, 1], or NaN.
        """
        chances: Floats = expit(_features(as_shares(confidence, "confidence", least=0)) @ self.coefficients)
        return chances


@dataclass(frozen=True, slots=True)
class EstimatedAccuracy:
    """`share` in [0, 1] of `n` unlabelled answers that are right, by what confidences meant in `past` labelled ones.

    The 95% interval in [0, 1] is of the share of these n that labels would call right: it holds what is not known of
    that meaning, and what chance makes of n answers.
    """

    share: float
    interval: Interval
    n: int
    past: int


def meaning(confidence: ArrayLike, correct: ArrayLike, probabilities: ArrayLike | None = None) -> Meaning:
    """What confidences [n] in [0, 1] meant, by whether the answers were `correct` [n].

    `probabilities` [n] in (0, 1]: with which the answers were drawn for labelling; None: all alike.

    Beta calibration: Kull, Silva Filho and Flach (2017), "Beta calibration: a well-founded and easily implemented
    improvement on logistic calibration for binary classifiers", AISTATS; weighted by 1 / probability. Its covariance is
    the sandwich estimator: Binder (1983), "On the Variances of Asymptotically Normal Estimators from Complex Surveys",
    International Statistical Review 51. An isotonic fit, tried, covers 75 to 85% where confidences moved out of the
    range that was labelled; this one 92 to 97%.

    Raises:
        NotEnoughData: fewer than `MIN_PAST` rows, lengths that differ, or values out of range.
    """
    shares = as_shares(confidence, "confidence", least=MIN_PAST)
    right = as_outcomes(correct, "correct", least=MIN_PAST)
    if shares.size != right.size:
        raise NotEnoughData(f"{shares.size} confidences cannot be paired with {right.size} outcomes")
    drawn = as_probabilities(probabilities, "probabilities", right.size)
    weights = drawn.min() / drawn  # at most 1 however small a probability is
    return _fit(_features(shares), right, weights / weights.mean())


def estimate_accuracy(confidence: ArrayLike, known: Meaning, counts: ArrayLike | None = None) -> EstimatedAccuracy:
    """Accuracy of unlabelled answers by their `confidence` [m] in [0, 1].

    `counts` [m]: how many answers each confidence stands for (one, when None), as a histogram knows them.

    The mean of calibrated confidences: Garg, Balakrishnan, Lipton, Neyshabur and Sedghi (2022), "Leveraging Unlabeled
    Data to Predict Out-of-Distribution Performance", ICLR, there "average confidence"; NannyML's CBPE is the same.

    The interval is one of prediction, for the share of these very answers that labels would call right. Their mean
    chance has Wilson's interval, with as many labels as would be as sure; the count of right answers has quantiles of
    its own (`monitor.stats.poisson_binomial`), since of 50 answers that are right 98 times in 100 all may be. The
    distances of both to the estimate are added as squares: Zou and Donner (2008), "Construction of confidence limits
    about effect measures", Statistics in Medicine 27.

    From few mistakes of the past the variance is a bad guess and from none it is 0, so its design effect is averaged
    with that of weights which are tied to outcomes, as in `monitor.stats.weighted`: of 99 answers in 100 right, learnt
    from 100, a normal interval covers 60%, this one 95%.

    >>> past = meaning([0.2, 0.8] * 500, [0, 1, 0, 1, 0, 1, 0, 1, 1, 0] * 100)  # right one time in 5, and 4 in 5
    >>> round(estimate_accuracy([0.2, 0.8], past, counts=[300, 100]).share, 2)
    0.35

    Raises:
        NotEnoughData: no confidence, values out of range, or counts that do not belong to them.
    """
    asked = as_shares(confidence, "confidence")
    rows = np.ones_like(asked) if counts is None else as_vector(counts, "counts")
    if rows.size != asked.size or rows.min() < 0.0 or rows.sum() < 1.0:
        raise NotEnoughData("confidences need as many counts, none negative and not all 0")
    n, chances = float(rows.sum()), known.of(asked)
    share = min(float(rows @ chances) / n, 1.0)
    slope = (rows * chances * (1.0 - chances)) @ _features(asked) / n
    of_meaning = wilson_of_share(share, _as_sure(share, slope, known))
    right = PoissonBinomial.of(chances, rows)
    of_chance = Interval(*(right.quantile(level) / n for level in (_TAIL, 1.0 - _TAIL)))
    return EstimatedAccuracy(share, _both(share, of_meaning, of_chance), round(n), known.past)


def _as_sure(share: float, slope: Floats, known: Meaning) -> float:
    """How many labels would be as sure of a mean chance with that `slope` [3] by coefficient."""
    plain = share * (1.0 - share)
    if plain == 0.0:  # beyond what a float can tell from 0 or 1
        return known.past / known.design_effect
    of_design = known.past * float(slope @ known.covariance @ slope) / plain
    return known.past * (known.seen + PRIOR_ROWS) / (known.seen * of_design + PRIOR_ROWS * known.design_effect)


def _both(share: float, one: Interval, two: Interval) -> Interval:
    """Two sources of doubt about a `share`, independent of each other. A quantile of few answers may lie beyond it."""
    below = hypot(share - one.lower, max(share - two.lower, 0.0))
    above = hypot(one.upper - share, max(two.upper - share, 0.0))
    return Interval(max(share - below, 0.0), min(share + above, 1.0))


def _features(confidence: Floats) -> Floats:
    clipped = np.clip(confidence, _CLIP, 1.0 - _CLIP)
    return np.column_stack([np.ones_like(clipped), np.log(clipped), -np.log1p(-clipped)])


def _fit(rows: Floats, right: Floats, weights: Floats) -> Meaning:
    """Weighted logistic regression by Newton's method, each step halved until the posterior rises."""

    def loss(at: Floats) -> float:
        logits = rows @ at
        return float(weights @ (np.logaddexp(0.0, logits) - right * logits) + _PRIOR_WEIGHT @ (at - _PRIOR) ** 2 / 2.0)

    at = _PRIOR
    for _ in range(_STEPS):
        chances = expit(rows @ at)
        score = rows * (weights * (right - chances))[:, np.newaxis]
        curvature = (rows * (weights * chances * (1.0 - chances))[:, np.newaxis]).T @ rows + np.diag(_PRIOR_WEIGHT)
        step = np.linalg.solve(curvature, score.sum(axis=0) - _PRIOR_WEIGHT * (at - _PRIOR))
        now = loss(at)
        while loss(at + step) > now + 1e-12 * abs(now) and np.abs(step).max() > 1e-12:
            step = step / 2.0
        at = at + step
        if np.abs(step).max() < 1e-9:
            break
    inverse = np.linalg.inv(curvature)
    n = right.size
    covariance = inverse @ (score.T @ score) @ inverse * n / (n - at.size)
    sums = sums_of_weights(right, weights)
    return Meaning(at, covariance, n, sums.seen, sums.design_effect_of_ties)
