"""Means of scores with intervals that honour how the answers were drawn, and the jackknife for what is no mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit, ndtri, stdtrit

from monitor.errors import NotEnoughData
from monitor.stats.inputs import Floats, as_matrix, as_probabilities, as_shares, as_vector, check_share
from monitor.stats.intervals import Interval, wilson_of_share
from monitor.stats.proportions import LEVEL
from monitor.stats.weighted import PRIOR_ROWS, weighted_share

_VARIANCE_PRIOR: Final = 1.0
"""Rows of the largest variance: twenty equal scores are no certainty."""
_ROUNDING: Final = 1e-12
_EVEN: Final = 1e-6
"""Of its range: a figure that varies by less, or lies so near to an end, does not vary."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure of n answers with its interval."""

    value: float
    interval: Interval
    n: int


def mean_share(scores: ArrayLike, probabilities: ArrayLike | None = None, level: float = LEVEL) -> Estimate:
    """Mean of scores [n] in [0, 1] with an interval within [0, 1].

    `probabilities` [n] in (0, 1] are those with which each answer was drawn, None when they are equal: the mean is
    Hájek's, sum(w x) / sum(w) with w = 1 / probability. Scores that are all 0 or 1 are outcomes: their interval is that
    of `monitor.stats.weighted.weighted_share`. Of other scores it is Wilson's for the mean m of m (1 - m) / v answers,
    v being the linearised variance of the mean, sum(w² (x - m)²) / sum(w)²: no score within [0, 1] varies more than an
    outcome of the same mean, so that there are n or more of them. As there, few scores far from the rest make v a bad
    guess. So its two factors, variance and design effect, are averaged with the largest variance, m (1 - m), for one
    row, and with the design effect of scores that are tied to the weights, n sum(w³) / (sum(w) sum(w²)), for
    `PRIOR_ROWS` rows, against as many rows of the rarer side as Kish's number of rows would hold, n / effect
    min(m, 1 - m); and Student's t takes the place of the normal deviate.
    `benchmarks/task_metrics.py` measures what it covers.

    Hájek (1971), comment in "Foundations of Statistical Inference"; Wilson (1927), JASA 22; effective sample size: Korn
    and Graubard (1998), Survey Methodology 24; design effect: Kish (1992), Journal of Official Statistics 8.

    >>> estimate = mean_share([1] * 81 + [0] * 182)  # Newcombe (1998), table I: 0.2553 to 0.3662
    >>> round(estimate.interval.lower, 4), round(estimate.interval.upper, 4)
    (0.2553, 0.3662)

    Raises:
        NotEnoughData: no scores, scores outside [0, 1], probabilities of another length or outside (0, 1], of outcomes
            outside [1e-100, 1].
    """
    x = as_shares(scores, "scores")
    check_share(level, "level")
    if np.isin(x, (0.0, 1.0)).all():
        found = weighted_share(x, probabilities)
        return Estimate(found.share or 0.0, found.interval_at(level), found.n)
    w = hajek_weights(probabilities, x.size)
    mean = min(max(float(w @ x), 0.0), 1.0)
    largest, squares = mean * (1.0 - mean), w * w
    of_weights, of_ties = _design_effects(w)
    if largest < _ROUNDING:  # as good as all 0 or all 1: no variance that a float could hold
        return Estimate(mean, wilson_of_share(mean, x.size / of_ties, level), x.size)
    residuals = (x - mean) ** 2
    variance = float(w @ residuals)
    of_design = x.size * float(squares @ residuals) / variance if variance > 0.0 else of_ties
    rarer = x.size / of_weights * min(mean, 1.0 - mean)
    variance = (rarer * variance + _VARIANCE_PRIOR * largest) / (rarer + _VARIANCE_PRIOR)
    effect = (rarer * of_design + PRIOR_ROWS * of_ties) / (rarer + PRIOR_ROWS)
    effective = x.size * largest / (variance * effect) * _student(x.size, level)
    return Estimate(mean, wilson_of_share(mean, effective, level), x.size)


def mean_sign(signs: ArrayLike, probabilities: ArrayLike | None = None, level: float = LEVEL) -> Estimate:
    """Mean of signs [n] of -1, 0 or 1: the difference of two shares of the same answers, in [-1, 1].

    Bonett and Price (2012), "Adjusted Wald confidence interval for a difference of binomial proportions based on paired
    data", Journal of Educational and Behavioral Statistics 37(4): one answer is added to each of -1 and 1.
    `probabilities` as for `mean_share`, by an effective sample size, whose design effect is averaged as there, against
    the rows that Kish's number of rows would hold beside those of the commonest sign.

    >>> found = mean_sign([1] * 26 + [-1] * 4 + [0] * 18)  # R's statpsych::ci.prop.ps: 0.2548067 to 0.6251933
    >>> round(found.interval.lower, 6), round(found.interval.upper, 6)
    (0.254807, 0.625193)

    Raises:
        NotEnoughData: no signs, other values than -1, 0 and 1, or probabilities as `mean_share` refuses them.
    """
    d = as_vector(signs, "signs")
    if not np.isin(d, (-1.0, 0.0, 1.0)).all():
        raise NotEnoughData("signs must be -1, 0 or 1 for every row")
    w = hajek_weights(probabilities, d.size)
    check_share(level, "level")
    mean, apart = min(max(float(w @ d), -1.0), 1.0), min(float(w @ np.abs(d)), 1.0)
    varies, (of_weights, of_ties) = apart - mean**2, _design_effects(w)
    of_design = d.size * float((w * w) @ (d - mean) ** 2) / varies if varies > _ROUNDING else of_ties
    rarer = d.size / of_weights * (1.0 - max(float(w @ (d == sign)) for sign in (-1.0, 0.0, 1.0)))
    n = d.size * (rarer + PRIOR_ROWS) / (rarer * of_design + PRIOR_ROWS * of_ties)
    above, below = (n * (apart + mean) / 2 + 1) / (n + 2), (n * (apart - mean) / 2 + 1) / (n + 2)
    margin = float(ndtri((1 + level) / 2)) * sqrt((above + below - (above - below) ** 2) / (n + 2))
    centre = above - below
    # Below a level of 84% the added answers may draw the whole interval off a mean near the end.
    lower, upper = min(centre - margin, mean), max(centre + margin, mean)
    return Estimate(mean, Interval(max(lower, -1.0), min(upper, 1.0)), d.size)


def jackknife(
    parts: ArrayLike,
    statistic: Callable[[Floats], Floats],
    most: float,
    probabilities: ArrayLike | None = None,
    *,
    least: float = 0.0,
    level: float = LEVEL,
) -> list[Estimate]:
    """Figures that follow from weighted means of parts [n, c], with intervals from what each answer adds to them.

    `statistic` takes means of the parts [r, c] and gives the figures [r, k], each between `least` and `most`; one
    estimate comes back for each of the k. `probabilities` as for `mean_share`.

    The variance is the jackknife's, the sum of squares of what leaving one answer out changes: Miller (1974), "The
    jackknife: a review", Biometrika 61; with weights Wolter (2007), "Introduction to Variance Estimation", chapter 4,
    but that each answer varies for itself (HC3 of MacKinnon and White 1985, Journal of Econometrics 29). Its design
    effect, over what answers of equal weight would change, is averaged as that of `mean_share` is: without, intervals
    of scores whose few low ones are of rarely drawn answers cover as little as 77%. The interval is Student's with
    Kish's effective number of answers on the logit scale, which knows the ends and that figures near one of them err
    towards the other (Korn and Graubard 1999, "Analysis of Health Surveys", do so for shares). Where no answer differs,
    the rest of the range is held open as far as Wilson's bound for none of so many answers.

    Limit: where parts crowd far inside the range, as CIDEr-D does, nothing makes up for the odd ones that six heavy
    answers do not happen to hold; of such, 86% were covered.
    `benchmarks/task_metrics.py` measures what it covers.

    Raises:
        NotEnoughData: fewer than two rows, numbers that are not finite, figures outside their range, or probabilities
            as `mean_share` refuses them.
    """
    check_share(level, "level")
    table = as_matrix(parts, "parts", least=2)
    n = len(table)
    weights = hajek_weights(probabilities, n)
    order = np.lexsort((weights, *table.T))
    table, weights = table[order], weights[order]
    whole = weights @ table
    rest = (whole - weights[:, None] * table) / np.maximum(1.0 - weights, _ROUNDING)[:, None]
    values = statistic(np.vstack([whole, rest]))
    if not (np.isfinite(values).all() and values[0].min() >= least - _ROUNDING and values[0].max() <= most + _ROUNDING):
        raise NotEnoughData(f"figures between {least:g} and {most:g} were promised; found {values[0].tolist()}")
    shares = np.clip((values - least) / (most - least), 0.0, 1.0)
    deviations = _deviations(shares[1:] - shares[0], shares[0], weights)
    effective = 1.0 / float(weights @ weights)
    bounds = [_on_logits(*one, effective, level) for one in zip(shares[0].tolist(), deviations.tolist(), strict=True)]
    return [
        Estimate(float(value), Interval(*(least + (most - least) * end for end in ends)), n)
        for value, ends in zip(values[0], bounds, strict=True)
    ]


def _deviations(changes: Floats, shares: Floats, weights: Floats) -> Floats:
    """Standard errors [k] of the `shares` [k] of their range, from what leaving out each answer `changes` [n, k]."""
    squares = changes**2
    of_weights, of_ties = _design_effects(weights)
    # As of n answers of equal weight; one that weighs next to nothing changes less than rounding does.
    alike = (squares / np.maximum(weights, _ROUNDING)[:, None]).mean(axis=0)
    rarer = weights.size / of_weights * np.minimum(shares, 1.0 - shares)
    found: Floats = np.sqrt((rarer * squares.sum(axis=0) + PRIOR_ROWS * of_ties * alike) / (rarer + PRIOR_ROWS))
    return found


def _design_effects(weights: Floats) -> tuple[float, float]:
    """Kish's, and that of scores which are tied to the weights [n], which sum to 1."""
    squared = float(weights @ weights)
    return weights.size * squared, weights.size * float(weights**2 @ weights) / squared


def _on_logits(share: float, deviation: float, effective: float, level: float) -> tuple[float, float]:
    spread = share * (1.0 - share)
    if min(deviation, spread) < _EVEN:
        open_ = wilson_of_share(0.0, effective, level).upper
        return share - open_ * share, share + open_ * (1.0 - share)
    reach = -float(stdtrit(max(effective - 1.0, 0.5), (1.0 - level) / 2.0)) * deviation / spread
    centre = float(logit(share))
    return float(expit(centre - reach)), float(expit(centre + reach))


def _student(n: int, level: float) -> float:
    """Squared ratio of the normal deviate to Student's, in (0, 1]: what n answers are worth when their variance has to
    be estimated. One answer is given one degree of freedom."""
    tail = (1.0 - level) / 2.0
    return float((ndtri(tail) / stdtrit(max(n - 1, 1), tail)) ** 2)


def hajek_weights(probabilities: ArrayLike | None, n: int) -> Floats:
    """Weights [n] that sum to 1, each in proportion to 1 / probability; equal ones when there are no probabilities.

    Raises:
        NotEnoughData: probabilities outside (0, 1], or not n of them.
    """
    drawn = as_probabilities(probabilities, "probabilities", n)
    weights: Floats = drawn.min(initial=1.0) / drawn  # at most 1 however small a probability is
    weights /= weights.sum()
    return weights
