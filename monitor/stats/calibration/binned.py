"""Calibration errors of a reliability table: expected, root mean square, maximum, over-confidence, resolution."""

from __future__ import annotations

from typing import Final

import numpy as np

from monitor.stats.calibration.measured import DRAWS, Measured, chance, inverted, masses, reaching
from monitor.stats.calibration.reliability import ReliabilityBin
from monitor.stats.inputs import Floats
from monitor.stats.intervals import Interval, clopper_pearson_of_shares

_TINY: Final = 1e-12
_FEW: Final = 50.0
"""Answers of the rarer outcome."""


class BinnedErrors:
    """Measures of one table; `gaps` [b] are confidence - accuracy of its bins with answers, `share` [b] their weight.

    All are above 0 by chance alone, also for a calibrated model, and the usual bootstrap repeats that: its interval of
    the ECE covered 49 to 94% instead of 95%. So intervals come from an inverted test (`measured.inverted`), for which
    the chance of a bin is normal with variance a (1 - a) / n, where a = (accuracy n + 1) / (n + 2) keeps a bin without
    (or with nothing but) mistakes uncertain, and which answers fell into which bin is chance as well
    (`measured.masses`): with shares taken for known, the root mean square of a model that is 48 points under-confident
    in three answers of ten, and sound in the others, was covered 78%. Each interval reaches as far as that of
    abs(signed gap), which none of the measures can be below: with few mistakes the normal law is no good. What they
    cover is measured by `benchmarks/calibration.py`. The maximum has an interval of its own.
    """

    def __init__(self, table: tuple[ReliabilityBin, ...], gap: Interval, level: float) -> None:
        self._gap = gap
        filled = [row for row in table if row.n]
        self._level = level
        self.share = np.array([row.share for row in filled])
        self.confidence = np.array([row.confidence for row in filled], dtype=np.float64)
        self.accuracy = np.array([row.accuracy for row in filled], dtype=np.float64)
        self._n = np.array([row.effective_n for row in filled])
        self.gaps = self.confidence - self.accuracy
        careful = (self.accuracy * self._n + 1.0) / (self._n + 2.0)
        self.noise = chance(np.sqrt(careful * (1.0 - careful) / self._n))
        drawn = masses(self.share, self._n)
        self._shares = drawn / drawn.sum(axis=1, keepdims=True)

    def expected(self) -> Measured:
        """ECE: sum over bins of share times abs(gap). Naeini, Cooper and Hauskrecht (2015), "Obtaining Well Calibrated
        Probabilities Using Bayesian Binning", AAAI; Guo et al. (2017), equation 3."""
        return self._above_gap(inverted(self._absolute, self.gaps, self.noise, self._level))

    def debiased(self, expected: Measured) -> Measured:
        """ECE less its bias: 2 ECE - mean of ECE(gaps + chance), at least 0; all else is that of the ECE.

        With chance drawn from normal laws of variance accuracy (1 - accuracy) / n. Kumar, Liang and Ma (2019),
        "Verified Uncertainty Calibration", NeurIPS, as their package `uncertainty-calibration` does it.
        """
        deviation = np.sqrt(self.accuracy * (1.0 - self.accuracy) / self._n)
        bias = float(np.abs(self.gaps + chance(deviation)).mean(axis=0) @ self.share) - expected.value
        value = max(0.0, expected.value - bias)
        return Measured(value, expected.corrected, _holding(expected.interval, value))

    def root_mean_square(self) -> Measured:
        """Square root of the sum over bins of share times gap^2; `corrected` is the root of the unbiased estimate.

        The unbiased square is the sum of share times (gap^2 - accuracy (1 - accuracy) / (n - 1)), at least 0: Bröcker
        (2012), "Estimating reliability and resolution of probability forecasts through decomposition of the empirical
        score", Climate Dynamics 39; Kumar, Liang and Ma (2019). Bins of one answer have no such estimate and count
        as 0, as in their package.
        """
        found = self._above_gap(inverted(self._quadratic, self.gaps, self.noise, self._level))
        several = self._n > 1.0 + _TINY
        variance = self.accuracy * (1.0 - self.accuracy) / np.where(several, self._n - 1.0, 1.0)
        square = float(self.share @ np.where(several, self.gaps**2 - variance, 0.0))
        corrected = float(np.sqrt(max(0.0, square)))
        return Measured(found.value, corrected, _holding(found.interval, corrected))

    def maximum(self, whole: ReliabilityBin) -> Measured:
        """MCE: the largest abs(gap) of the bins that hold answers, however few. Naeini et al. (2015).

        `whole` is the table's answers as one bin. The interval is that of the largest true gap of these very bins, and
        takes no true gap for like the observed one. Lower end: the largest of the bins' own lower bounds, and of that
        of all answers together, whose gap the largest one cannot be below; Bonferroni's share of alpha for each. Upper
        end: the largest of the bins' upper bounds, each at the whole of its alpha, for to deny that any gap is as large
        all bins must deny it (Berger 1982, "Multiparameter Hypothesis Testing and Acceptance Sampling", Technometrics
        24). Bounds are Clopper and Pearson's: that answers of one bin have different chances makes their tails no
        heavier (Hoeffding 1956, "On the distribution of the number of successes in independent trials", Annals of
        Mathematical Statistics 27). A bin of few answers says nearly nothing: one of them makes the upper end large.
        """
        value = float(_largest(self.gaps))
        middle = inverted(_largest, self.gaps, self.noise, self._level).corrected
        alpha = (1.0 - self._level) / 2.0
        of_bins = np.stack([self.confidence, self.accuracy, self._n])
        of_all = np.array([[whole.confidence], [whole.accuracy], [whole.effective_n]], dtype=np.float64)
        parts = np.concatenate([of_bins, of_all], axis=1)
        lower = float(_sizes(parts, alpha / parts.shape[1])[0].max())
        upper = float(_sizes(of_bins, alpha)[1].max())
        return Measured(value, min(max(middle, lower), upper), Interval(lower, upper))

    def overconfidence(self) -> Measured:
        """Sum over bins of share times confidence times max(gap, 0): what confident mistakes add. Thulasidasan et al.
        (2019), "On Mixup Training: Improved Calibration and Predictive Uncertainty", NeurIPS."""
        claimed = float(self.share @ self.confidence)
        if claimed < _TINY:  # nobody is over-confident who claims nothing
            return Measured(0.0, 0.0, Interval(0.0, 0.0))
        over, under = np.maximum(self.gaps, 0.0), np.minimum(self.gaps, 0.0)
        found = inverted(self._claimed_above, over, under + self.noise, self._level)
        return reaching(found, claimed * self._gap.upper)

    def resolution(self, accuracy: float) -> Measured:
        """Square root of the sum over bins of share times (bin's accuracy - overall `accuracy`)^2, in [0, 0.5].

        Of few mistakes (or few right answers) hardly any falls where they are rare, so that bins look more alike than
        they are: the inverted test then covered 84 to 90%. There the interval reaches as far as resolutions do under
        the posterior of each bin's accuracy, whose prior is one answer of the overall accuracy.
        """
        noise = self.noise - (self.noise @ self.share)[:, None]
        found = inverted(self._quadratic, self.accuracy - accuracy, noise, self._level)
        right = self._n * self.accuracy
        if min(right.sum(), (self._n - right).sum()) >= _FEW or not 0.0 < accuracy < 1.0:
            return found
        draws = np.random.default_rng(0).beta(right + accuracy, self._n - right + 1.0 - accuracy, (DRAWS, right.size))
        possible = self._quadratic(draws - (draws @ self.share)[:, None])
        return reaching(found, float(np.quantile(possible, (1.0 + self._level) / 2.0)))

    def _above_gap(self, found: Measured) -> Measured:
        return reaching(found, max(abs(self._gap.lower), abs(self._gap.upper)))

    # Each statistic maps gaps, of the table [b] or of all draws [draws, b], to one number for each table.

    def _absolute(self, gaps: Floats) -> Floats:
        return self._mean(np.abs(gaps))

    def _quadratic(self, gaps: Floats) -> Floats:
        root: Floats = np.sqrt(self._mean(gaps * gaps))
        return root

    def _claimed_above(self, gaps: Floats) -> Floats:
        return self._mean(np.maximum(gaps, 0.0) * self.confidence)

    def _mean(self, values: Floats) -> Floats:
        """Over the bins by their shares: those of the table, or of each draw its own."""
        mean: Floats = np.vecdot(values, self.share if values.ndim == 1 else self._shares)
        return mean


def squared(root: Measured) -> Measured:
    """The measure whose square root was measured."""
    bounds = Interval(root.interval.lower**2, root.interval.upper**2)
    return Measured(root.value**2, root.corrected**2, bounds)


def _sizes(parts: Floats, alpha: float) -> tuple[Floats, Floats]:
    """One-sided lower and upper bounds [b] of abs(confidence - true accuracy), of confidences, accuracies, n [3, b]."""
    confidence, accuracy, n = parts
    low, high = clopper_pearson_of_shares(accuracy, n, alpha)
    return np.maximum(confidence - high, low - confidence).clip(0.0), np.maximum(confidence - low, high - confidence)


def _largest(gaps: Floats) -> Floats:
    largest: Floats = np.abs(gaps).max(axis=-1)
    return largest


def _holding(interval: Interval, value: float) -> Interval:
    return Interval(min(interval.lower, value), max(interval.upper, value))
