"""A share of rows that were drawn with unequal, known probabilities: its estimate and its interval."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

from numpy.typing import ArrayLike

from monitor.errors import NotEnoughData
from monitor.stats.inputs import LEAST_PROBABILITY, Floats, as_outcomes, as_probabilities, check_share
from monitor.stats.intervals import Interval, wilson_of_share
from monitor.stats.proportions import LEVEL

PRIOR_ROWS: Final = 3.0
"""How many rows of the rarer outcome a design effect known from the weights alone counts for. With none the interval
covers 92% at 20 labels, with 3 it covers 96% (`benchmarks/slice_accuracy.py`)."""

_ROUNDING: Final = 1e-9
_LOST: Final = 1e-12
"""Of a sum of weights: a difference as small is what rounding left."""


def _within(value: float, lower: float, upper: float, slack: float) -> float:
    """`value`, moved into its range when it lies outside by no more than `slack`."""
    nearest = min(max(value, lower), upper)
    return nearest if abs(value - nearest) <= slack else value


@dataclass(frozen=True, slots=True)
class WeightSums:
    """All that the estimate needs of its rows. With row i's weight w = 1 / probability and outcome y (0 or 1):

    `n` rows, `correct` sum y, `weight` sum w, `squared` sum w^2, `weight_correct` sum w y, `squared_correct` sum w^2 y,
    `cubed` sum w^3. Sums of parts add up, and the unit of the weights does not matter, so a database may count in whole
    units.
    """

    n: int = 0
    correct: int = 0
    weight: float = 0.0
    squared: float = 0.0
    weight_correct: float = 0.0
    squared_correct: float = 0.0
    cubed: float = 0.0

    def __add__(self, other: WeightSums) -> WeightSums:
        return WeightSums(
            self.n + other.n, self.correct + other.correct, self.weight + other.weight, self.squared + other.squared,
            self.weight_correct + other.weight_correct, self.squared_correct + other.squared_correct,
            self.cubed + other.cubed,
        )  # fmt: skip

    def __sub__(self, part: WeightSums) -> WeightSums:
        """The rows that are not in `part`; none where they weigh less than rounding takes from the whole.

        A difference is only as exact as what it is taken from, so it is moved by what rounding may have done to it into
        the range that sums of so many rows have.
        """
        n, correct, weight = self.n - part.n, self.correct - part.correct, self.weight - part.weight
        if n > 0 and abs(weight) <= _LOST * self.weight:
            return WeightSums()
        slack = _ROUNDING * self.squared
        squared = _within(self.squared - part.squared, weight**2 / max(n, 1), weight**2, slack)
        weight_right = _within(self.weight_correct - part.weight_correct, 0.0, weight, _ROUNDING * self.weight)
        squared_right = _within(self.squared_correct - part.squared_correct, 0.0, squared, slack)
        least = squared * (squared / weight) if n > 0 else 0.0
        most = max(squared, 0.0) ** 1.5
        cubed = _within(self.cubed - part.cubed, least, most, _ROUNDING * self.cubed)
        return WeightSums(n, correct, weight, squared, weight_right, squared_right, cubed)

    @property
    def design_effect_of_weights(self) -> float:
        """Kish's, >= 1: variance over that of as many rows with equal weights, if weights tell nothing of outcomes.

        Raises:
            NotEnoughData: sums that no rows can have.
        """
        effect = self.n * self.squared / self.weight**2 if self.weight > 0.0 else 0.0
        parts = ((self.correct, self.n), (self.weight_correct, self.weight), (self.squared_correct, self.squared))
        sound = all(-_ROUNDING * whole <= part <= whole * (1.0 + _ROUNDING) for part, whole in parts)
        if not (sound and 1.0 - _ROUNDING < effect < inf):
            raise NotEnoughData(f"no rows have these sums of weights: {self}")
        return max(effect, 1.0)

    @property
    def design_effect_of_ties(self) -> float:
        """The same if rows have the rarer outcome in proportion to their weights, at least Kish's: n sum w^3 /
        (sum w sum w^2).

        Raises:
            NotEnoughData: sums that no rows can have.
        """
        of_weights = self.design_effect_of_weights
        effect = self.n * (self.cubed / self.squared) / self.weight
        if not of_weights * (1.0 - _ROUNDING) <= effect < inf:
            raise NotEnoughData(f"no rows have these sums of weights: {self}")
        return max(effect, of_weights)

    @property
    def seen(self) -> float:
        """Rows of the rarer outcome, counted by the weight that they carry: n / d min(share, 1 - share), d Kish's.

        A hundred mistakes of small weight say nothing of those that large weights stand for.

        Raises:
            NotEnoughData: sums that no rows can have.
        """
        share = self.weight_correct / self.weight if self.weight > 0.0 else 0.0
        return self.n / self.design_effect_of_weights * max(min(share, 1.0 - share), 0.0)


@dataclass(frozen=True, slots=True)
class WeightedShare:
    """A share estimated from `n` rows of which `count` have the outcome.

    `share` in [0, 1] is None when n is 0. `effective_n` is the number of rows drawn with equal probabilities that would
    be as sure; it is n when the weights are equal, and may exceed n when the rarer outcome was drawn more often.
    """

    n: int
    count: int
    share: float | None
    effective_n: float

    @property
    def interval(self) -> Interval:
        """95% interval; 0 to 1 when n is 0, because then nothing is known."""
        return self.interval_at(LEVEL)

    def interval_at(self, confidence: float) -> Interval:
        """Wilson's interval with the effective sample size in place of n.

        Dean and Pagano (2015), "Evaluating Confidence Interval Methods for Binomial Proportions in Clustered Surveys",
        Journal of Survey Statistics and Methodology 3(4), found it the best of seven for shares near 0 and 1.

        Raises:
            NotEnoughData: confidence outside (0, 1).
        """
        check_share(confidence, "confidence")
        return Interval(0.0, 1.0) if self.share is None else wilson_of_share(self.share, self.effective_n, confidence)


def weighted_share(outcomes: ArrayLike, probabilities: ArrayLike | None = None) -> WeightedShare:
    """The Hájek estimate of the share of true `outcomes` [n] among all rows, drawn or not; n may be 0.

    `probabilities` [n] in (0, 1] are those with which each row was drawn, None when they are equal. Rows must have been
    drawn independently of each other (Poisson sampling, as by a hash of their ids). Then the interval holds for the
    rows that came, however alike they are. For such traffic in general it holds only if rows also come independently:
    where they come in bursts of 20 that are answered alike and 5% are drawn, nominal 95% cover the share among the rows
    that came 96% of the time, and that of such traffic 76% (`docs/slices.md`).

    - Estimate: sum w y / sum w with w = 1 / probability. Hájek (1971), comment on Basu, in "Foundations of Statistical
      Inference"; Särndal, Swensson and Wretman (1992), "Model Assisted Survey Sampling", section 5.7.
    - Variance: linearised, sum w^2 (y - share)^2 / (sum w)^2 (the same, sections 5.6 and 5.7), without the factor
      1 - probability: what is estimated is how the model does on such traffic, not only on the rows that came.
    - Effective n: share (1 - share) / variance, Korn and Graubard (1998), "Confidence Intervals for Proportions With
      Small Expected Number of Positive Counts", Survey Methodology 24. From few rows of the rarer outcome that variance
      is a bad guess (with none it is 0), so its design effect is averaged with one that follows from the weights,
      which counts for `PRIOR_ROWS` of them against those that were `WeightSums.seen`.
    - That design effect takes the chance of the rarer outcome for proportional to the weight: n sum w^3 / (sum w
      sum w^2). The usual d = n sum w^2 / (sum w)^2 of Kish (1992), "Weighting for Unequal Pi", Journal of Official
      Statistics 8, takes the two for unrelated, which few labels cannot tell: where 3 to 10 heavy rows hold the
      mistakes, intervals that rest on it cover as little as 78%, these 90% (`benchmarks/slice_accuracy.py --tied`).

    >>> found = weighted_share([1, 1, 1, 0], [0.1, 0.1, 0.1, 0.4])
    >>> found.count, round(found.share, 4)
    (3, 0.9231)
    >>> weighted_share([True, True, False], [0.5, 0.5, 0.5]) == weighted_share([True, True, False])
    True

    Raises:
        NotEnoughData: outcomes that are neither true nor false, probabilities outside [1e-100, 1], or lengths that
            differ.
    """
    return share_of_sums(weight_sums(outcomes, probabilities))


def weight_sums(outcomes: ArrayLike, probabilities: ArrayLike | None = None) -> WeightSums:
    """The sums of `weighted_share`'s rows.

    Raises:
        NotEnoughData: as `weighted_share`.
    """
    right = as_outcomes(outcomes, "outcomes", least=0)
    if probabilities is None:
        count = int(right.sum())
        return WeightSums(right.size, count, right.size, right.size, count, count, right.size)
    drawn = as_probabilities(probabilities, "probabilities", right.size, least=LEAST_PROBABILITY)
    return sums_of_weights(right, 1.0 / drawn)


def sums_of_weights(right: Floats, weights: Floats) -> WeightSums:
    """The same of checked outcomes [n] and their weights [n] > 0."""
    squares = weights * weights
    return WeightSums(
        right.size, int(right.sum()), float(weights.sum()), float(squares.sum()), float(weights @ right),
        float(squares @ right), float(squares @ weights),
    )  # fmt: skip


def share_of_sums(sums: WeightSums) -> WeightedShare:
    """The estimate of `weighted_share` from the sums of its rows.

    Raises:
        NotEnoughData: sums that no rows can have.
    """
    if sums.n == 0:
        return WeightedShare(0, 0, None, 0.0)
    of_weights, of_ties = sums.design_effect_of_weights, sums.design_effect_of_ties
    if of_weights <= 1.0 + _ROUNDING:
        return WeightedShare(sums.n, sums.correct, sums.correct / sums.n, float(sums.n))
    share = sums.weight_correct / sums.weight
    one_kind = sums.correct in (0, sums.n)
    if one_kind or not 0.0 < share < 1.0:  # the other outcome is not there, or weighs less than a float can tell
        return WeightedShare(sums.n, sums.correct, float(round(share)), sums.n / of_ties)
    squared_wrong = max(sums.squared - sums.squared_correct, 0.0)
    squared_residuals = (1.0 - share) ** 2 * sums.squared_correct + share * share * squared_wrong
    of_design = sums.n * squared_residuals / (sums.weight**2 * share * (1.0 - share))
    effect = (sums.seen * of_design + PRIOR_ROWS * of_ties) / (sums.seen + PRIOR_ROWS)
    return WeightedShare(sums.n, sums.correct, share, sums.n / effect)
