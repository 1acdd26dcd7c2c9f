"""k out of n with its interval, and the difference of two such shares."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from typing import Final, Generic, Protocol, TypeVar

from scipy.optimize import brentq
from scipy.special import ndtr

from monitor.errors import NotEnoughData
from monitor.stats.inputs import check_share
from monitor.stats.intervals import Interval, wilson

LEVEL: Final = 0.95
"""Of every interval that is shown."""

_NEAREST: Final = 1e-9
_FARTHEST: Final = 8.0
"""Normal deviates between which p-values are sought: beyond 8 a confidence of 1 - alpha rounds to 1."""


class Share(Protocol):
    """A share of 1 that knows how sure it is, as `Proportion` and `monitor.stats.weighted.WeightedShare` do."""

    @property
    def share(self) -> float | None:
        """In [0, 1]; None when nothing was counted."""

    def interval_at(self, confidence: float) -> Interval:
        """Two-sided interval within [0, 1]."""


@dataclass(frozen=True, slots=True)
class Proportion:
    """`count` out of `n`, both >= 0."""

    count: int
    n: int

    @property
    def share(self) -> float | None:
        """In [0, 1]; None when n is 0.

        Raises:
            NotEnoughData: a count outside 0..n.
        """
        if not 0 <= self.count <= self.n:
            raise NotEnoughData(f"{self.count} of {self.n} cannot be")
        return self.count / self.n if self.n else None

    @property
    def interval(self) -> Interval:
        """95% Wilson interval; 0 to 1 when n is 0, because then nothing is known.

        Raises:
            NotEnoughData: a count outside 0..n.
        """
        return self.interval_at(LEVEL)

    def interval_at(self, confidence: float) -> Interval:
        """Wilson interval; 0 to 1 when n is 0.

        Raises:
            NotEnoughData: confidence outside (0, 1), or a count outside 0..n.
        """
        check_share(confidence, "confidence")
        return Interval(0.0, 1.0) if self.share is None else wilson(self.count, self.n, confidence)


S = TypeVar("S", bound=Share)


@dataclass(frozen=True, slots=True)
class Change(Generic[S]):
    """One share in two windows, or in two parts of the traffic; the two must rest on different rows."""

    now: S
    before: S

    @property
    def difference(self) -> float | None:
        """now - before, in [-1, 1]; None when either window has no rows."""
        if self.now.share is None or self.before.share is None:
            return None
        return self.now.share - self.before.share

    @property
    def interval(self) -> Interval | None:
        """95% interval of the difference; None as `difference`."""
        return self.interval_at(LEVEL)

    def interval_at(self, confidence: float) -> Interval | None:
        """Interval of the difference within [-1, 1]; None as `difference`.

        Newcombe (1998), "Interval estimation for the difference between independent proportions", Statistics in
        Medicine 17, method 10: the distances of each share to its own Wilson bounds, added as squares. That the same
        holds for any two intervals that cover, those of weighted shares included, is Zou and Donner (2008),
        "Construction of confidence limits about effect measures", Statistics in Medicine 27.

        >>> found = Change(Proportion(56, 70), Proportion(48, 80)).interval  # Newcombe's table II (a)
        >>> round(found.lower, 4), round(found.upper, 4)
        (0.0524, 0.3339)

        Raises:
            NotEnoughData: confidence outside (0, 1).
        """
        if (difference := self.difference) is None:
            return None
        now, before = self.now.share or 0.0, self.before.share or 0.0
        of_now, of_before = self.now.interval_at(confidence), self.before.interval_at(confidence)
        below = hypot(now - of_now.lower, of_before.upper - before)
        above = hypot(of_now.upper - now, before - of_before.lower)
        return Interval(difference - below, difference + above)

    @property
    def clear(self) -> bool:
        """Whether the 95% interval of the difference leaves out 0."""
        return self.interval is not None and 0.0 not in self.interval

    @property
    def p_value(self) -> float | None:
        """Two-sided: the least alpha whose interval of confidence 1 - alpha leaves out 0; None as `difference`.

        So it never contradicts the interval that stands beside it: below 0.05 exactly when `clear`.

        >>> round(Change(Proportion(9, 10), Proportion(3, 10)).p_value, 3)
        0.005
        """
        if (difference := self.difference) is None:
            return None
        if difference == 0.0:
            return 1.0

        def reach(deviate: float) -> float:
            """How far the interval of this normal deviate reaches towards 0 and beyond."""
            found = self.interval_at(float(2.0 * ndtr(deviate) - 1.0)) or Interval(0.0, 0.0)
            return found.lower if difference > 0.0 else -found.upper

        if reach(_NEAREST) <= 0.0:
            return 1.0
        beyond = reach(_FARTHEST) > 0.0
        deviate = _FARTHEST if beyond else brentq(reach, _NEAREST, _FARTHEST, xtol=1e-9)
        return float(2.0 * ndtr(-deviate))
