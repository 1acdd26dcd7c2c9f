"""How far a squared distance lies beyond what chance makes of it, with an interval."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import hypot, inf, sqrt
from typing import Final

from scipy.optimize import brentq
from scipy.special import stdtrit

from monitor.errors import NotEnoughData
from monitor.stats.inputs import check_share
from monitor.stats.intervals import Interval
from monitor.stats.two_sample import PredictionLaw

TAIL: Final = 0.025
"""Of an interval of 95%: the chance of missing at either end."""

_DOUBLINGS: Final = 200


@dataclass(frozen=True, slots=True)
class NoncentralLaw:
    """Law of a squared distance T of two windows that really differ: its mean is `usual` and a surplus >= 0.

    `variance` is that without a surplus; 4 `slope` times the surplus comes on top. A chi-squared variable with f
    degrees of freedom, over f, has `usual` 1, `variance` 2 / f, `slope` 1 / f; its noncentrality over f is the surplus.

    A power of T is nearly normal: the cube root without a surplus, as `PredictionLaw` has it, and the square root where
    it is large (Sankaran 1963, "Approximations to the Non-Central Chi-Square Distribution", Biometrika 50; Jensen and
    Solomon 1972, JASA 67, for weighted sums). `freedom` is that of Student's t in place of the normal law, `error` the
    centre's standard error in units of the deviation.
    """

    usual: float
    variance: float
    slope: float
    freedom: float = inf
    error: float = 0.0

    @classmethod
    def beyond(cls, law: PredictionLaw, slope: float) -> NoncentralLaw:
        """The law that is `law` where there is no surplus; its mean and variance by the rule of Wilson and Hilferty.

        The slope is at least `slope`, and at least that of a weighted chi-squared variable with these moments.

        Raises:
            NotEnoughData: a centre or deviation that is not above 0, or a slope below 0.
        """
        if not (law.centre > 0.0 and law.deviation > 0.0 and slope >= 0.0):
            raise NotEnoughData(f"no distance has centre {law.centre!r}, deviation {law.deviation!r}, slope {slope!r}")
        # The centre is u (1 - r^2) and the deviation u r, with u the cube root of the mean.
        ratio = law.deviation / law.centre
        r = 2.0 * ratio / (1.0 + sqrt(1.0 + 4.0 * ratio**2))
        usual = (law.deviation / r) ** 3
        variance = 9.0 * (usual * r) ** 2
        return cls(usual, variance, max(slope, variance / (2.0 * usual)), law.freedom, law.error / law.deviation)

    def scattered(self, extra: float) -> NoncentralLaw:
        """With noise along the difference that adds `extra` >= 0 to the mean of T: rows of now that vary more."""
        return replace(
            self, usual=self.usual + extra, variance=self.variance + 2.0 * extra**2, slope=self.slope + extra
        )

    def score(self, distance: float, surplus: float) -> float:
        """How many deviations the power of `distance` >= 0 lies above what a `surplus` >= 0 lets expect."""
        mean, added = self.usual + surplus, 4.0 * self.slope * surplus
        variance = self.variance + added
        power = 1.0 / 3.0 + (added / variance) ** 2 / 6.0
        spread, bend = variance / (2.0 * mean**2), (power - 1.0) * (1.0 - 3.0 * power)
        centre = 1.0 + power * spread * (power - 1.0 - 0.5 * (2.0 - power) * bend * spread)
        deviation = power * sqrt(2.0 * spread) * (1.0 + 0.5 * bend * spread)
        return (float((distance / mean) ** power) - centre) / (deviation * hypot(1.0, self.error))

    def surplus(self, distance: float, level: float) -> float:
        """The surplus >= 0 under which T exceeds `distance` with chance `level`; 0 if that is as likely without any.

        Raises:
            NotEnoughData: a distance that is negative or no number, or a level outside (0, 1).
        """
        if not 0.0 <= distance < inf:
            raise NotEnoughData(f"a squared distance cannot be {distance!r}")
        check_share(level, "level")
        threshold = -float(stdtrit(self.freedom, level))
        if self.score(distance, 0.0) <= threshold:
            return 0.0
        least = max(distance, self.usual)
        most = next(far for far in (least * 2.0**n for n in range(_DOUBLINGS)) if self.score(distance, far) < threshold)
        return float(brentq(lambda surplus: self.score(distance, surplus) - threshold, 0.0, most))

    def interval(self, distance: float, lower: float = TAIL, upper: float = TAIL) -> Interval:
        """Surpluses that `distance` is compatible with; `lower` and `upper` are the chances of missing at either end.

        Inversion of tests (Steiger and Fouladi 1997, "Noncentrality Interval Estimation and the Evaluation of
        Statistical Models"; Kent and Hainsworth 1995, "Confidence Intervals for the Noncentral Chi-squared
        Distribution", J. Statistical Planning and Inference 46). It begins at 0 where `distance` is not surprising.
        A distance below the usual one says no more than that one: by itself it would leave nothing but 0, or not even
        that, as Steiger and Fouladi warn, however few the rows.

        >>> law = NoncentralLaw(usual=1.0, variance=2.0 / 4, slope=1.0 / 4)  # chi-squared with 4 degrees, over 4
        >>> found = law.interval(25.0 / 4).divided(1.0 / 4)
        >>> round(found.lower, 1), round(found.upper, 1)  # by scipy's noncentral chi-squared: 6.9 and 44.9
        (6.9, 44.9)

        Raises:
            NotEnoughData: as `surplus`.
        """
        return Interval(self.surplus(distance, lower), self.surplus(max(distance, self.usual), 1.0 - upper))
