"""How far one detector sees two windows apart, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from monitor.stats.noncentrality import TAIL, NoncentralLaw
from monitor.stats.two_sample import separation

Range = tuple[float, float]
"""Lower and upper end of an interval of 95%."""


@dataclass(frozen=True, slots=True, eq=False)
class Distance:
    """Of the means of a detector's features, in standard deviations of single rows.

    `estimate` >= 0 is what remains of it without the part that chance explains. `statistic` is the squared distance
    whose `law` is known, and `of` turns its surplus over what chance explains into a distance.
    """

    estimate: float
    statistic: float
    law: NoncentralLaw
    of: Callable[[float], float]

    @property
    def effect(self) -> float:
        """AUC of normal rows that far apart, in [0.5, 1]."""
        return separation(self.estimate)

    def interval(self, among: int = 1) -> Range:
        """Where the true distance lies with 95%; from 0 where the statistic is not surprising.

        Of the loudest `among` so many detectors: chosen for being loud, it is too loud more often than too quiet, so
        its lower end may miss in as small a part of the cases (Benjamini and Yekutieli 2005, "False Discovery
        Rate-Adjusted Multiple Confidence Intervals for Selected Parameters", JASA 100).
        """
        found = self.law.interval(self.statistic, lower=TAIL / among)
        # The estimate leaves out the mean that chance was seen to make, the law the one that it expects.
        return min(self.of(found.lower), self.estimate), max(self.of(found.upper), self.estimate)

    def effect_interval(self, among: int = 1) -> Range:
        """The same of the effect, from 0.5 to 1."""
        lower, upper = self.interval(among)
        return separation(lower), separation(upper)
