"""Tests of one window against another, built from their means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from monitor.errors import NotEnoughData
from monitor.stats.inputs import Floats, as_shares, as_vector, check_share

_NEARLY_ONE: Final = 0.99
"""Cauchy scores run to minus infinity as p goes to 1, and one such p would silence all others; p stops here."""

_TINY: Final = 1e-300


@dataclass(frozen=True, slots=True)
class PredictionLaw:
    """Law of a squared distance of a further unchanged window.

    The cube root of a (weighted) chi-squared variable is nearly normal (Wilson and Hilferty, 1931, PNAS 17), with
    `centre` and `deviation`. Where these were estimated from windows, `freedom` > 0 says how well the deviation is
    known, and `error` is the standard error of the centre: a further cube root is then Student's t. A plug-in normal at
    nominal 1% fires 7.3% with 3 windows and 1.7% with 24; this law stays near 1%, and at 1.5% in its worst case, a
    single degree of freedom.
    """

    centre: float
    deviation: float
    freedom: float
    error: float

    def p_value(self, distance: float) -> float:
        """P(a further unchanged window lies at `distance` or beyond), in (0, 1]: never exactly 0."""
        score = (float(np.cbrt(distance)) - self.centre) / self._predictive
        return max(float(stdtr(self.freedom, -score)), _TINY)

    def detectable(self, level: float, power: float) -> float:
        """How much the distance must rise so that a test at `level` fires with about probability `power`.

        Raises:
            NotEnoughData: level or power outside (0, 1).
        """
        check_share(level, "level")
        check_share(power, "power")
        threshold = self.centre - float(stdtrit(self.freedom, level)) * self._predictive
        return float((threshold + ndtri(power) * self.deviation) ** 3 - self.centre**3)

    @property
    def _predictive(self) -> float:
        """Deviation of a new window from a centre that was itself estimated."""
        return float(np.hypot(self.deviation, self.error))


def weighted_law(weights: Floats) -> tuple[float, float]:
    """Centre and deviation of the cube root of a mean of squared standard normals with `weights` [m] > 0.

    Satterthwaite (1946), "An Approximate Distribution of Estimates of Variance Components", Biometrics Bulletin 2: the
    degrees of freedom of the chi-squared variable with the same mean and variance; Wilson and Hilferty: its root. At 1%
    the tail is right within 15% for 32 weights that fall from 1 to 0.04, within 30% for one large and seven small.
    """
    freedom = float(weights.sum() ** 2 / (weights**2).sum())
    usual = float(np.cbrt(weights.mean()))
    return usual * (1.0 - 2.0 / (9.0 * freedom)), usual * float(np.sqrt(2.0 / (9.0 * freedom)))


def cauchy_combination(p_values: ArrayLike, weights: ArrayLike | None = None) -> float:
    """One p-value from several that may depend on each other in any way; accurate where it is small.

    Liu and Xie (2020), "Cauchy Combination Test", JASA 115: the mean of tan((1/2 - p) pi) is nearly Cauchy, with any
    `weights` [m] > 0 that were chosen without looking at the p-values; equal ones if there are none.

    >>> round(cauchy_combination([0.03, 0.03, 0.03]), 6), cauchy_combination([1e-12, 0.6, 0.9]) < 1e-11
    (0.03, True)

    Raises:
        NotEnoughData: no p-value, one that is not in [0, 1], or weights that do not match or are not above 0.
    """
    p = np.clip(as_shares(p_values, "p_values"), _TINY, _NEARLY_ONE)
    # cot(x) is 1/x to machine precision long before tan(pi/2 - x) loses its digits.
    scores = np.where(p < 1e-8, 1.0 / (np.pi * p), 1.0 / np.tan(np.pi * p))
    return float(np.arctan2(1.0, np.average(scores, weights=_as_weights(weights, p.size))) / np.pi)


def _as_weights(weights: ArrayLike | None, count: int) -> Floats:
    if weights is None:
        return np.ones(count)
    known = as_vector(weights, "weights")
    if known.size != count or not (known > 0.0).all():
        raise NotEnoughData(f"{count} p-values need as many weights above 0, not {known.size} from {known.min():g}")
    # The largest score times a large weight would be no number; a power of two takes no digit away.
    scaled: Floats = np.ldexp(known, -np.frexp(known.max())[1])
    return scaled


def separation(distance: float) -> float:
    """AUC of two normal populations whose means lie `distance` standard deviations apart, in [0.5, 1].

    The chance that a random row of one population is told from a random row of the other; Phi(distance / sqrt 2).

    Raises:
        NotEnoughData: a negative distance, or NaN.
    """
    if not distance >= 0.0:
        raise NotEnoughData(f"a distance cannot be {distance!r}")
    return float(ndtr(distance / np.sqrt(2.0)))
