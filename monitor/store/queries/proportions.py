"""k out of n with its interval, and the difference of two such shares."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

from monitor.stats.intervals import Interval, wilson


@dataclass(frozen=True, slots=True)
class Proportion:
    """`count` out of `n`, both >= 0."""

    count: int
    n: int

    @property
    def share(self) -> float | None:
        """In [0, 1]; None when n is 0."""
        return self.count / self.n if self.n else None

    @property
    def interval(self) -> Interval:
        """95% Wilson interval; 0 to 1 when n is 0, because then nothing is known."""
        return wilson(self.count, self.n) if self.n else Interval(0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Change:
    """One share in two windows."""

    now: Proportion
    before: Proportion

    @property
    def difference(self) -> float | None:
        """now - before, in [-1, 1]; None when either window has no rows."""
        if self.now.share is None or self.before.share is None:
            return None
        return self.now.share - self.before.share

    @property
    def interval(self) -> Interval | None:
        """95% interval of the difference; None as `difference`.

        Newcombe (1998), "Interval estimation for the difference between independent proportions", Statistics in
        Medicine 17, method 10: the distances of each share to its own Wilson bounds, added as squares.

        >>> found = Change(Proportion(56, 70), Proportion(48, 80)).interval  # Newcombe's table II (a)
        >>> round(found.lower, 4), round(found.upper, 4)
        (0.0524, 0.3339)
        """
        if (difference := self.difference) is None:
            return None
        now, before = self.now.share or 0.0, self.before.share or 0.0
        of_now, of_before = self.now.interval, self.before.interval
        below = hypot(now - of_now.lower, of_before.upper - before)
        above = hypot(of_now.upper - now, before - of_before.lower)
        return Interval(difference - below, difference + above)

    @property
    def clear(self) -> bool:
        """Whether the interval of the difference leaves out 0."""
        return self.interval is not None and 0.0 not in self.interval
