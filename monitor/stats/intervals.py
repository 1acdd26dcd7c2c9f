"""Intervals for a binomial proportion: Wilson for showing, Clopper-Pearson for deciding.

Wilson covers its nominal share on average, so it is the better picture; with one or two successes its one-sided
bound errs by several times alpha, so a page rests on Clopper-Pearson, which never exceeds alpha.
Brown, Cai and DasGupta (2001), "Interval Estimation for a Binomial Proportion", Statistical Science 16(2).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, ndtri

from monitor.errors import NotEnoughData
from monitor.stats.inputs import Floats, as_shares, as_vector, check_share, is_number


@dataclass(frozen=True, slots=True)
class Interval:
    """From `lower` to `upper`, both included, in the unit of the estimate."""

    lower: float
    upper: float

    def __contains__(self, value: float) -> bool:
        return self.lower <= value <= self.upper

    def divided(self, unit: float) -> Interval:
        """The same in another unit, > 0."""
        return Interval(self.lower / unit, self.upper / unit)


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Two-sided Wilson score interval of `successes` out of `n`, within [0, 1].

    Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22.

    >>> interval = wilson(81, 263)  # Newcombe (1998), table I: 0.2553 to 0.3662
    >>> round(interval.lower, 4), round(interval.upper, 4)
    (0.2553, 0.3662)

    Raises:
        NotEnoughData: n < 1, successes outside 0..n, or confidence outside (0, 1).
    """
    _check(successes, n)
    return wilson_of_share(successes / n, n, confidence)


def wilson_of_share(share: float, n: float, confidence: float = 0.95) -> Interval:
    """Wilson's interval of a `share` in [0, 1] that `n` > 0 observations gave; n may be an effective sample size.

    Raises:
        NotEnoughData: n not above 0 or infinite, a share outside [0, 1], or confidence outside (0, 1).
    """
    if not (0.0 < n < inf and 0.0 <= share <= 1.0):
        raise NotEnoughData(f"a share of {share!r} among {n!r} observations cannot be")
    check_share(confidence, "confidence")
    z = -float(ndtri((1.0 - confidence) / 2.0))  # the upper tail would round to 1 where confidence is near it
    return wilson_of_deviate(share, n, z)


def wilson_of_deviate(share: float, n: float, z: float) -> Interval:
    """The same for a deviate `z` >= 0 in place of a confidence, such as Student's where n is estimated."""
    return Interval(_wilson_bound(share, n, -z), _wilson_bound(share, n, z))


def clopper_pearson_lower(successes: int, n: int, alpha: float = 0.05) -> float:
    """One-sided exact lower bound: if the proportion is p, P(bound > p) <= `alpha` for every p and n.

    The `alpha` quantile of Beta(k, n - k + 1); 0 when there is no success.
    Clopper and Pearson (1934), "The use of confidence or fiducial limits", Biometrika 26.

    Raises:
        NotEnoughData: n < 1, successes outside 0..n, or alpha outside (0, 1).
    """
    _check(successes, n)
    check_share(alpha, "alpha")
    bound = 0.0 if successes == 0 else float(betaincinv(successes, n - successes + 1, alpha))
    return bound if bound >= 0.0 else 0.0  # betaincinv gives NaN where alpha is next to nothing


def clopper_pearson_upper(successes: int, n: int, alpha: float = 0.05) -> float:
    """One-sided exact upper bound: if the proportion is p, P(bound < p) <= `alpha` for every p and n.

    Raises:
        NotEnoughData: as `clopper_pearson_lower`.
    """
    _check(successes, n)
    check_share(alpha, "alpha")
    return 1.0 if successes == n else float(betaincinv(successes + 1, n - successes, 1.0 - alpha))


def clopper_pearson_of_shares(shares: ArrayLike, n: ArrayLike, alpha: float) -> tuple[Floats, Floats]:
    """One-sided exact lower and upper bounds [m] of `shares` [m] in [0, 1] that `n` [m] > 0 observations gave.

    As `clopper_pearson_lower` and `clopper_pearson_upper`; `n` may be effective sample sizes: the Beta laws take any
    number. Korn and Graubard (1998), "Confidence Intervals for Proportions With Small Expected Number of Positive
    Counts Estimated From Survey Data", Survey Methodology 24.

    Raises:
        NotEnoughData: shares outside [0, 1], an n that is not above 0 or infinite, lengths that differ, or alpha
            outside (0, 1).
    """
    check_share(alpha, "alpha")
    known, among = as_shares(shares, "shares", least=0), as_vector(n, "n", least=0)
    if known.size != among.size or not (among > 0.0).all():
        raise NotEnoughData(f"{known.size} shares need as many numbers of observations above 0")
    return _exact_lower(known, among, alpha), 1.0 - _exact_lower(1.0 - known, among, alpha)


def _exact_lower(shares: Floats, n: Floats, alpha: float) -> Floats:
    count = shares * n
    bound = betaincinv(np.where(count > 0.0, count, 1.0), n - count + 1.0, alpha)
    # betaincinv gives NaN where alpha is next to nothing; rounding must not leave the observed share outside.
    return np.where((count > 0.0) & (bound > 0.0), np.minimum(bound, shares), 0.0)


def _wilson_bound(share: float, n: float, z: float) -> float:
    margin = z * sqrt(n * share * (1.0 - share) + z * z / 4.0)
    bound = float((n * share + z * z / 2.0 + margin) / (n + z * z))
    # Rounding must not leave the observed share outside at the ends, where the exact bound is 0 or 1.
    return 0.0 if share == 0.0 and z < 0 else 1.0 if share == 1.0 and z > 0 else bound


def _check(successes: int, n: int) -> None:
    if not (is_number(n) and is_number(successes)):
        raise NotEnoughData(f"{successes!r} successes out of {n!r} trials are no numbers")
    if n < 1:
        raise NotEnoughData(f"a proportion needs at least one trial, not n = {n}")
    if not (0 <= successes <= n < inf and successes == int(successes) and n == int(n)):
        raise NotEnoughData(f"{successes} successes out of {n} trials cannot be")
