"""A slice on labels that had no part in finding it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from monitor.discovery.labelled import Labelled
from monitor.discovery.rules import Rule
from monitor.errors import NotEnoughData
from monitor.stats.inputs import Floats
from monitor.stats.weighted import WeightedShare, weighted_share

LEAST_ROWS: Final = 12
"""Of a slice, in either half."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """What a slice came to. `earlier` ones were tried before it, and their rows left out."""

    rule: Rule
    traffic: float
    inside: WeightedShare
    outside: WeightedShare
    p_value: float
    earlier: tuple[Rule, ...]

    @property
    def gap(self) -> float:
        return (self.inside.share or 0.0) - (self.outside.share or 0.0)


def tried(suspects: Sequence[Rule], half: Labelled) -> list[Trial]:
    """The suspects of the other half on this one, as far as each has rows and leaves some."""
    left, done = np.ones(len(half), dtype=bool), []
    weights = 1.0 / half.probabilities
    for place, rule in enumerate(suspects):
        members = rule.members(half)
        sides = half.take(np.flatnonzero(members & left)), half.take(np.flatnonzero(~members & left))
        if min(map(len, sides)) >= LEAST_ROWS:
            inside, outside = share_in_groups(*sides), share_in_groups(*sides[::-1])
            traffic = float(weights[members & left].sum() / weights.sum())
            p_value = worse_by_chance(inside, outside)
            done.append(Trial(rule, traffic, inside, outside, p_value, tuple(suspects[:place])))
        left &= ~members
    return done


def share_in_groups(rows: Labelled, rest: Labelled) -> WeightedShare:
    """The accuracy of `rows`, with as many effective rows as their groups leave: near-duplicates that are answered
    alike say little more than one of them.

    The design effect is the variance of the sums of groups over that of as many independent rows (Liang and Zeger,
    1986, "Longitudinal data analysis using generalized linear models", Biometrika 73), and never below 1. Residuals are
    taken from the share that one more group would leave which does as the `rest`: of a few groups that are all wrong,
    their own share would say that they do not differ.
    """
    own, elsewhere = (weighted_share(one.correct, one.probabilities) for one in (rows, rest))
    weights, numbers = 1.0 / rows.probabilities, np.unique(rows.groups, return_inverse=True)[1]
    more = 1.0 / (numbers.max() + 2)
    centre = (1.0 - more) * (own.share or 0.0) + more * (elsewhere.share or 0.0)
    return replace(own, effective_n=own.effective_n / _design_effect(weights * (rows.correct - centre), numbers))


def _design_effect(residuals: Floats, groups: NDArray[np.int64]) -> float:
    """Of groups, on the variance of a sum; 1 where each row is by itself, or none has a residual."""
    alone = float((residuals**2).sum())
    if alone == 0.0 or groups.max() + 1 == groups.size:
        return 1.0
    return max(float((np.bincount(groups, residuals) ** 2).sum()) / alone, 1.0)


def worse_by_chance(inside: WeightedShare, outside: WeightedShare) -> float:
    """P(so many errors inside, or more) were a slice as good as the rest, in (0, 1].

    Fisher's exact test on the errors; with unequal probabilities of being drawn on the effective numbers of rows, as
    many errors inside and as few outside counted as keeps the test cautious.

    Raises:
        NotEnoughData: a side without rows.
    """
    if inside.share is None or outside.share is None:
        raise NotEnoughData("a slice and the rest need labels to be compared")
    n, rest = (max(int(min(one.effective_n, one.n)), 1) for one in (inside, outside))
    errors = int(np.floor((1.0 - inside.share) * n + 1e-9))
    others = int(np.ceil((1.0 - outside.share) * rest - 1e-9))
    return float(max(hypergeom.sf(errors - 1, n + rest, errors + others, n), 1e-300))
