"""Which answers are drawn for labelling, and with which probability: stratified, more often where the model is unsure.

Poisson sampling with one uniform number u per request: an answer is drawn when u < p, p = base rate x factor of its
slices x boost of its confidence, at most 1. Factors and boosts are at least 1, so no answer has a probability below
the base rate, and the answers with u < base rate are a sample in which all have the same probability. Estimates from
all drawn answers weigh each by 1 / p (Hájek 1971; Särndal, Swensson and Wretman, "Model Assisted Survey Sampling",
1992, sections 2.8, 3.5 and 5.7); counts that must be integers use the sample of the base rate alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.domain.slices import OTHER
from monitor.errors import NotEnoughData, SettingsError
from monitor.sampling.hashing import uniform, uniforms

LABEL_KEY: Final = "label"
"""Key of the label sampler's hash; another key draws another, independent sample."""
OVERLAP_KEY: Final = "label-overlap"
"""Key of the hash that says which tasks are given to two people."""
_ROUNDING: Final = 1e-12
"""Products of the same numbers in another order may differ by so much."""
Factors = Mapping[tuple[str, str], float]
"""(dimension, value) -> how much more often than at the base rate."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One throw of the label sampler's coin."""

    probability: float
    drawn: bool
    in_base: bool
    """Drawn at the base rate too."""
    plan: int


@dataclass(frozen=True, slots=True)
class LabelPlan:
    """Rates that hold from `effective_from` on, of event time.

    Raises:
        SettingsError: a rate outside [0, 1], or a boost or factor below 1.
    """

    base_rate: float
    boost: float = 1.0
    """Of an answer that is as likely wrong as right."""
    factors: Factors = field(default_factory=dict)
    version: int = 0
    effective_from: datetime | None = None
    highest: float = field(init=False)
    """No answer's probability is above this."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.base_rate <= 1.0:
            raise SettingsError(f"the base rate of label sampling must lie in [0, 1], not {self.base_rate!r}")
        if not all(1.0 <= one < float("inf") for one in (self.boost, *self.factors.values())):
            raise SettingsError("boost and factors of label sampling must be at least 1: none may fall below the base")
        highest = self.base_rate * self.boost * max(self.factors.values(), default=1.0)
        object.__setattr__(self, "highest", min(highest * (1 + _ROUNDING), 1.0))

    def probability(self, slices: Mapping[str, str], confidence: float | None) -> float:
        """Of being drawn, in [base rate, 1].

        Of several slice dimensions the largest factor counts. A value that the plan does not know counts as
        `__other__`.

        >>> plan = LabelPlan(0.1, boost=3.0, factors={("device", "rare"): 2.0})
        >>> [round(plan.probability(s, c), 3) for s, c in (({}, None), ({"device": "rare"}, 1.0), ({}, 0.5))]
        [0.1, 0.2, 0.3]
        """
        rate = self.base_rate * boosted(confidence, self.boost)
        if self.factors and slices:
            rate *= max(self._factor(dimension, value) for dimension, value in slices.items())
        return min(rate, 1.0)

    def draw(self, request_id: str, slices: Mapping[str, str], confidence: float | None) -> Draw:
        """The same for every replica and replay of the same request under the same plan."""
        probability, coin = self.probability(slices, confidence), uniform(request_id, LABEL_KEY)
        return Draw(probability, coin < probability, coin < self.base_rate, self.version)

    def _factor(self, dimension: str, value: str) -> float:
        known = self.factors.get((dimension, value))
        return self.factors.get((dimension, OTHER), 1.0) if known is None else known


def boosted(confidence: float | None, boost: float) -> float:
    """How much more often an answer of this confidence is drawn, in [1, boost].

    In proportion to the spread of a right-or-wrong outcome, sqrt(c (1 - c)), which is where a label tells most
    (Neyman 1934, "On the two different aspects of the representative method", JRSS 97). At a confidence of a half and
    below it stays at its highest: so low, confidences are rarely calibrated. Without a confidence it is 1.

    Raises:
        NotEnoughData: a confidence outside [0, 1].
    """
    if confidence is None or boost == 1.0:
        return 1.0
    if not 0.0 <= confidence <= 1.0:
        raise NotEnoughData(f"a confidence lies in [0, 1], not at {confidence!r}")
    spread = 2.0 * sqrt(confidence * (1.0 - confidence)) if confidence > 0.5 else 1.0
    return 1.0 + (boost - 1.0) * spread


class LabelPlans:
    """The plans by time; before the first one the rates of the settings hold."""

    def __init__(self, initial: LabelPlan, stored: Iterable[LabelPlan] = ()) -> None:
        """
        Args:
            stored: each with an `effective_from` of its own.
        """
        self._initial = initial
        self._newest_first: Sequence[tuple[datetime, LabelPlan]] = sorted(
            ((one.effective_from, one) for one in stored if one.effective_from is not None),
            key=lambda pair: pair[0],
            reverse=True,
        )
        self._highest = max(one.highest for one in (initial, *(one for _, one in self._newest_first)))

    def may_draw(self, request_ids: Sequence[str]) -> NDArray[np.bool_]:
        """[n]: false for nearly all, and then certain, whatever their times, slices and confidence: a cheap first look.

        >>> plans, ids = LabelPlans(LabelPlan(0.05, boost=2.0)), [f"r{n}" for n in range(1000)]
        >>> drawn = [plans.at(datetime.max).draw(one, {}, 0.4).drawn for one in ids]
        >>> sum(drawn), bool(plans.may_draw(ids)[drawn].all())
        (101, True)
        """
        return uniforms(request_ids, LABEL_KEY) < self._highest

    def at(self, ts: datetime) -> LabelPlan:
        """The plan in force at an event's own time."""
        for effective_from, plan in self._newest_first:
            if effective_from <= ts:
                return plan
        return self._initial


def annotators_needed(request_id: str, annotators: int, overlap: float) -> int:
    """How many people answer a task: `annotators`, and of a share `overlap` of the tasks at least two.

    The hash has a key of its own, so agreement is measured on a random part of what is drawn.
    """
    return max(annotators, 2) if uniform(request_id, OVERLAP_KEY) < overlap else annotators
