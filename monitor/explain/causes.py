"""Causes: ranked on one half of the rows, measured and tested on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from monitor.domain.slices import ALL_TRAFFIC, Slice
from monitor.explain.candidates import KINDS, ROUNDING, Candidate, Kind
from monitor.explain.halves import Values, Windows
from monitor.explain.rows import Family
from monitor.stats.dominance import Dominance, share_interval
from monitor.stats.groups import spread_of_mean, welch_freedom
from monitor.stats.inputs import Floats
from monitor.stats.intervals import Interval
from monitor.stats.multiple_testing import holm

MOST_TRIED: Final = 12
WORTH_TRYING: Final = 0.05
"""The first half names at most so many causes, with p-values of at most so much there: each costs the others power."""
_OF_LENGTH: Final = ("word_length", "digits", "punctuation", "symbols", "repeated", "entropy", "distinct_words")
UPSTREAM: Final = {
    "brightness": ("contrast", "sharpness", "compression", "colourfulness"),
    "red_green": ("colourfulness",),
    "yellow_blue": ("colourfulness",),
    **{
        f"{text} {length}": tuple(f"{text} {name}" for name in _OF_LENGTH)
        for text in ("prompt", "answer")
        for length in ("characters", "words")
    },
}
"""Measurements from which others follow: with less light contrast and detail fade too, and in a longer question the
mark at its end is a smaller share of all characters; not the reverse."""
CLOSE: Final = 0.8
"""How near to a measurement that follows from it the upstream one must come, to be named first."""
SPECIFIC: Final = 0.7
"""A cause is told of the slice that carries the change, when it explains this part of what it does in all traffic."""
HARDLY: Final = 0.01
"""A reference varies hardly when its standard deviation is less than this part of the change: "rose by 4000 SD" says
nothing, and of a constant the deviation is 0, or what rounding left."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that moved, in the rows of `within`, which are `part` in [0, 1] of the current traffic.

    `before` and `now` are shares in [0, 1] where `is_share`, with the interval of `now`; else they are means in the
    measurement's own unit, with `change` in standard deviations of the reference rows and its interval. Where the
    reference hardly varied (`in_deviations` is false) there is no such measure: both are in the measurement's own unit.
    `effect` in [0, 1] is a size that all kinds have in common: `part` times the absolute Cliff's delta of `dominance`,
    which for a share is the traffic's absolute difference of shares. `adjusted_p` is Holm's over all that were tried.
    """

    kind: Kind
    name: str
    of: str
    """The kind of vectors, or the slice dimension, that it speaks of; empty where that says nothing."""
    within: Slice
    part: float
    is_share: bool
    before: float
    now: float
    change: float
    interval: Interval
    dominance: Dominance
    adjusted_p: float
    confirmed: bool
    in_deviations: bool = True

    @property
    def effect(self) -> float:
        return self.part * abs(self.dominance.delta)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate in the part of the traffic where it counts, and its effect in the first half."""

    candidate: Candidate
    within: Slice
    delta: float
    p_value: float
    effect: float

    @property
    def order(self) -> tuple[bool, float]:
        """Largest effect first; what has no name in words is no first cause."""
        return not self.candidate.in_words, -self.effect


def rank(
    half: Windows, families: Sequence[Family], carriers: Sequence[Slice], rng: np.random.Generator
) -> list[Ranked]:
    """The candidates with the largest effects, at most `MOST_TRIED`, each in all traffic or in a slice that carries the
    change. Of shares that add up to one, those that fell are left out where one rose more: they made room for it."""
    ranked = []
    for candidates in KINDS.values():
        for candidate in candidates(half.reference, half.current, families, rng):
            parts = (ALL_TRAFFIC, *(() if candidate.kind == "slice" else carriers))
            seen = [one for part in parts if (one := _measured(half, candidate, part)) is not None]
            if seen:
                ranked.append(_told(seen))
    risen: dict[tuple[str, str, str], float] = {}
    for one in ranked:
        if one.candidate.share and one.delta > 0.0:
            risen[one.candidate.sums_up] = max(one.effect, risen.get(one.candidate.sums_up, 0.0))
    kept = [one for one in ranked if one.p_value <= WORTH_TRYING and not _made_room(one, risen)]
    return _upstream_first(sorted(kept, key=lambda one: one.order)[:MOST_TRIED])


def confirm(ranked: Sequence[Ranked], half: Windows, alpha: float) -> tuple[Cause, ...]:
    """The causes as held-out rows show them: confirmed ones first, otherwise in the order given."""
    values = [half.values(one.candidate) for one in ranked]
    found = [half.compare(each, half.where(one.within)) for one, each in zip(ranked, values, strict=True)]
    known = [(one, each, seen) for one, each, seen in zip(ranked, values, found, strict=True) if seen is not None]
    if not known:
        return ()
    adjusted = holm([seen.p_value for _, _, seen in known]).tolist()
    causes = [
        _cause(half, one, each, seen, p, alpha) for (one, each, seen), p in zip(known, adjusted, strict=True)
    ]  # fmt: skip
    return tuple(sorted(causes, key=lambda one: not one.confirmed))


def _measured(half: Windows, candidate: Candidate, part: Slice) -> Ranked | None:
    where = half.where(part)
    found = half.compare(half.values(candidate), where)
    if found is None:
        return None
    return Ranked(candidate, part, found.delta, found.p_value, abs(found.delta) * float(where[1].mean()))


def _told(seen: Sequence[Ranked]) -> Ranked:
    """In the slice that carries the change, unless it explains much more in all traffic."""
    largest = max(one.effect for one in seen)
    inside = [one for one in seen if one.within != ALL_TRAFFIC and one.effect >= SPECIFIC * largest]
    return max(inside or seen, key=lambda one: one.effect)


def _upstream_first(ranked: list[Ranked]) -> list[Ranked]:
    """The measurement that the first cause follows from goes before it, when it moved about as far."""
    first = ranked[0] if ranked else None
    if first is None or first.candidate.kind != "feature":
        return ranked
    for one in ranked[1:]:
        follows = first.candidate.name in UPSTREAM.get(one.candidate.name, ())
        if one.candidate.kind == "feature" and follows and one.effect >= CLOSE * first.effect:
            return [one, *(other for other in ranked if other is not one)]
    return ranked


def _made_room(one: Ranked, risen: dict[tuple[str, str, str], float]) -> bool:
    return one.candidate.share and one.delta <= 0.0 and risen.get(one.candidate.sums_up, 0.0) >= one.effect


def _cause(half: Windows, ranked: Ranked, values: Values, found: Dominance, adjusted_p: float, alpha: float) -> Cause:
    candidate, where = ranked.candidate, half.where(ranked.within)
    before, now = (
        _Sample.of(one, side, rows.numbers)
        for one, side, rows in zip(values, where, (half.reference, half.current), strict=True)
    )
    scale = _scale(before, now)
    change, around = _change(before, now, half.confidence)
    return Cause(
        kind=candidate.kind,
        name=candidate.name,
        of=candidate.of,
        within=ranked.within,
        part=float(where[1].mean()),
        is_share=candidate.share,
        before=before.mean,
        now=now.mean,
        change=change / (scale or 1.0),
        interval=now.interval_of_share(half.confidence) if candidate.share else around.divided(scale or 1.0),
        dominance=found,
        adjusted_p=adjusted_p,
        confirmed=adjusted_p <= alpha,
        in_deviations=scale is not None,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """Values [n] and the numbers [n] of their groups; mean and deviation, and the variance of that mean with its
    degrees of freedom when rows of one group depend on each other."""

    values: Floats
    numbers: NDArray[np.int64]
    mean: float
    deviation: float
    variance: float
    freedom: float

    @classmethod
    def of(cls, values: Floats, where: NDArray[np.bool_], groups: NDArray[np.int64]) -> _Sample:
        keep = where & np.isfinite(values)
        chosen, numbers = values[keep], np.unique(groups[keep], return_inverse=True)[1]
        variance, freedom = spread_of_mean(chosen, numbers)
        return cls(chosen, numbers, float(chosen.mean()), float(chosen.std(ddof=1)), variance, freedom)

    def interval_of_share(self, confidence: float) -> Interval:
        return share_interval(self.values > 0.0, self.numbers, confidence)


def _change(before: _Sample, now: _Sample, confidence: float) -> tuple[float, Interval]:
    """Of the mean, in the measurement's own unit: Welch's interval, which leans on the side that varies."""
    change, variances = now.mean - before.mean, (before.variance, now.variance)
    quantile = float(stdtrit(welch_freedom(variances, (before.freedom, now.freedom)), (1.0 + confidence) / 2.0))
    half = quantile * float(np.sqrt(sum(variances)))
    return change, Interval(change - half, change + half)


def _scale(before: _Sample, now: _Sample) -> float | None:
    """Standard deviation of the reference rows; None where it is nothing beside their size or the change."""
    least = max(HARDLY * abs(now.mean - before.mean), ROUNDING * abs(before.mean))
    return before.deviation if before.deviation > least else None
