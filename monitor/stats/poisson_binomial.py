"""How many of n answers will be right, each with a chance of its own: the Poisson-binomial law.

Peköz, Röllin, Čekanavičius and Shwartz (2009), "A three-parameter binomial approximation", Journal of Applied
Probability 46: a binomial count and a constant have together its mean, variance and third moment. Where all chances are
alike that is the law itself; else its quantiles are at most 1 off.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from scipy.special import betainc

from monitor.stats.inputs import Floats


@dataclass(frozen=True, slots=True)
class PoissonBinomial:
    """Of `n` > 0 answers `always` will be right, and as many more as of `tries` succeed, each with `chance` in (0, 1).

    `tries` is 0 where nothing is left to chance.
    """

    n: float
    always: float
    tries: float
    chance: float

    @classmethod
    def of(cls, chances: Floats, rows: Floats) -> PoissonBinomial:
        """`rows` [m] >= 0 answers have each of the `chances` [m] in [0, 1]."""
        noise = rows * chances * (1.0 - chances)
        variance, mean, n = float(noise.sum()), float(rows @ chances), float(rows.sum())
        if variance == 0.0:
            return cls(n, mean, 0.0, 0.5)
        # p and 1 - p are both summed, so that neither is lost where the other is next to 1.
        chance, other = float(noise @ chances) / variance, float(noise @ (1.0 - chances)) / variance
        if min(chance, other) == 0.0:
            return cls(n, mean, 0.0, 0.5)
        return cls(n, max(mean - variance / other, 0.0), variance / (chance * other), chance)

    def quantile(self, level: float) -> float:
        """The least whole number, at most n, that is not exceeded with probability `level` in (0, 1).

        >>> import numpy as np
        >>> answers = PoissonBinomial.of(np.array([0.5]), np.array([10.0]))  # heads of ten coins
        >>> answers.quantile(0.025), answers.quantile(0.975)
        (2.0, 8.0)
        """
        if self.tries == 0.0:
            return self.always
        low, high = -1, ceil(self.n)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._at_most(middle) >= level else (middle, high)
        return min(float(high), self.n)

    def _at_most(self, count: int) -> float:
        """The probability of so many or fewer; between whole numbers of tries as the beta function has it."""
        of_tries = count - self.always
        if of_tries <= -1.0:
            return 0.0
        if of_tries >= self.tries:
            return 1.0
        return float(betainc(self.tries - of_tries, of_tries + 1.0, 1.0 - self.chance))
