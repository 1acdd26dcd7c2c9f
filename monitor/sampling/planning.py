"""From how much traffic there was to the rates of label sampling: the budget is met, and no slice is left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

import numpy as np

from monitor.domain.histograms import CONFIDENCE_BINS, CONFIDENCE_MIDDLES
from monitor.domain.slices import Slice
from monitor.errors import NotEnoughData
from monitor.sampling.label_plan import Factors, LabelPlan, boosted
from monitor.stats.inputs import Floats

_RATES: Final = np.geomspace(1e-6, 1.0, 400)
_HALVINGS: Final = 50
_SAME: Final = 0.15
"""Rates that differ by less stay as they are: fewer plans, and shares that do not jump."""
_BASE_SHARE: Final = 0.5
"""Of the budget that minimums of slices cannot take from the sample of the base rate, which SLOs rest on."""


@dataclass(frozen=True, slots=True)
class Volume:
    """Answers a day of all traffic or of one slice.

    Raises:
        NotEnoughData: a negative volume, or shares that are none.
    """

    slice: Slice
    per_day: float
    confidence: tuple[float, ...] = (0.0,) * CONFIDENCE_BINS
    """Share of the answers in each bin of confidence; what is missing to 1 has none."""

    def __post_init__(self) -> None:
        are_shares = all(0 <= share <= 1 + 1e-9 for share in (*self.confidence, sum(self.confidence)))
        if not 0 <= self.per_day < inf or len(self.confidence) != CONFIDENCE_BINS or not are_shares:
            raise NotEnoughData(f"{self.slice}: not a volume and the shares of {CONFIDENCE_BINS} bins of confidence")


@dataclass(frozen=True, slots=True)
class Rates:
    """What a plan is made of."""

    base_rate: float
    factors: Factors
    minimum: float
    """Draws a day that every slice gets, unless it has fewer answers: as was asked, or what the budget allows."""
    draws: float
    """Expected a day; with several slice dimensions at most so many."""


def plan_rates(total: Volume, slices: Sequence[Volume], budget: float, minimum: float, boost: float) -> Rates:
    """The highest base rate at which the draws stay within the budget and every slice gets its minimum.

    A slice that would get less than `minimum` draws a day is drawn more often, by its factor. At least half of the
    budget goes to the base rate: where the minimums ask for more than the rest, they are lowered, all to the same
    number.

    Args:
        total: all traffic.
        slices: values of each dimension; those of one dimension are disjoint.
        budget: draws a day, > 0.
        minimum: draws a day of each slice, >= 0.
        boost: of the least sure answers, >= 1.

    Raises:
        NotEnoughData: no traffic, no budget, a negative minimum, or a boost below 1.
    """
    if total.per_day <= 0 or not 0 < budget < inf or not 0 <= minimum < inf or not 1 <= boost < inf:
        raise NotEnoughData("a sampling plan needs traffic, a budget above 0, a minimum of 0 or more, a boost >= 1")
    if total.per_day <= budget:
        return Rates(1.0, {}, minimum, total.per_day)
    everything, parts = _Traffic([total], boost), _Traffic(slices, boost)

    def draws(base_rate: float, floor: Floats) -> float:
        """Of all traffic, and what the floors of slices add; an answer in two such slices counts twice."""
        flat = np.full(len(slices), base_rate)
        added = parts.draws(np.maximum(floor, flat)) - parts.draws(flat)
        return float(everything.draws(np.array([base_rate])).sum() + added.sum())

    floor = parts.needed(minimum)
    base_rate = float(everything.needed(_BASE_SHARE * budget)[0])
    if draws(base_rate, floor) > budget:
        minimum = _highest(lambda most: draws(base_rate, parts.needed(most)), budget, 0.0, minimum)
        floor = parts.needed(minimum)
    else:  # with several dimensions the draws need not rise with the rate, so all rates are looked at
        fitting = [rate for rate in _RATES if rate > base_rate and draws(rate, floor) <= budget]
        base_rate = fitting[-1] if fitting else base_rate
        above = _RATES[base_rate < _RATES][:1]
        base_rate = _highest(lambda rate: draws(rate, floor), budget, base_rate, float(above[0]) if above.size else 1.0)
    base_rate = _rounded(base_rate)
    factors = {
        (one.slice.dimension, one.slice.value): _rounded(rate / base_rate)
        for one, rate in zip(slices, floor.tolist(), strict=True)
        if rate > base_rate * (1 + 1e-6)
    }
    return Rates(base_rate, factors, minimum, draws(base_rate, floor))


def still_fits(plan: LabelPlan, rates: Rates, boost: float) -> bool:
    """Is every rate within 15% of what it would be now? Then the plan stays in force."""
    if plan.boost != boost:
        return False
    keys = plan.factors.keys() | rates.factors.keys()
    pairs = [(plan.base_rate, rates.base_rate)] + [
        (plan.base_rate * plan.factors.get(key, 1.0), rates.base_rate * rates.factors.get(key, 1.0)) for key in keys
    ]
    return all(abs(old - new) <= _SAME * new for old, new in pairs)


class _Traffic:
    """Volumes as arrays: [slices], and by confidence [slices, bins + 1], the last bin without any."""

    def __init__(self, volumes: Sequence[Volume], boost: float) -> None:
        self._per_day = np.array([one.per_day for one in volumes])
        known = np.array([one.confidence for one in volumes]).reshape(len(volumes), CONFIDENCE_BINS)
        self._shares = np.column_stack([known, 1.0 - known.sum(axis=1)])
        self._boosts = np.array([boosted(one, boost) for one in (*CONFIDENCE_MIDDLES, None)])

    def draws(self, rates: Floats) -> Floats:
        """Expected a day, at a rate (base times factor) for each slice."""
        means = (self._shares * np.minimum(rates[:, None] * self._boosts, 1.0)).sum(axis=1)
        return np.asarray(self._per_day * means)

    def needed(self, wanted: float) -> Floats:
        """The lowest rate of each slice that brings so many draws a day, or all of its answers."""
        low, high = np.zeros(self._per_day.size), np.ones(self._per_day.size)
        most = np.minimum(wanted, self._per_day)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            enough = self.draws(middle) >= most
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return high


def _highest(function: Callable[[float], float], most: float, low: float, high: float) -> float:
    """The highest argument in [low, high] at which a rising function is at most `most`; `low` where none is."""
    if function(high) <= most:
        return high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) <= most else (low, middle)
    return low


def _rounded(rate: float) -> float:
    """Six digits, so that a plan can be read and written down."""
    return float(f"{rate:.6g}")
