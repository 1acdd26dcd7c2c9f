"""When an error budget ends, if it goes on as it did of late."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.stats.intervals import clopper_pearson_lower, clopper_pearson_upper

TAIL = 0.025
"""Beyond each end of the forecast's 95% interval."""


@dataclass(frozen=True, slots=True)
class Exhaustion:
    """A forecast from the last `window_minutes`: as many events a minute, as large a share of them bad.

    While the history is younger than the SLO's window, events only come. From then on the oldest minutes leave, and
    what the window holds then is taken to leave evenly: each minute as many events, as large a share of them bad.
    """

    window_minutes: int
    bad: int
    total: int
    """At least 1."""
    budget: float
    """1 - target."""
    spare: float
    """Bad events that the SLO's window may still hold; negative when overspent."""
    pace: float
    """Events a minute, > 0."""
    slo_minutes: int
    missing_minutes: int
    """Of the SLO's window, before the history fills it."""

    @property
    def minutes(self) -> float | None:
        """From the tick; None when so small a share never ends the budget."""
        return self._at(self.bad / self.total)

    @property
    def earliest(self) -> float | None:
        """As `minutes`, if the true bad share is at the upper end of its 95% interval."""
        return self._at(clopper_pearson_upper(self.bad, self.total, TAIL))

    @property
    def latest(self) -> float | None:
        """As `minutes`, if the true bad share is at the lower end of its 95% interval."""
        return self._at(clopper_pearson_lower(self.bad, self.total, TAIL))

    def _at(self, bad_share: float) -> float | None:
        spent = self.pace * (bad_share - self.budget)
        if self.spare <= 0:
            return 0.0
        if spent < 0:
            return None
        if self.spare <= spent * self.missing_minutes:
            return self.spare / spent
        left = self.spare - spent * self.missing_minutes
        return self.missing_minutes + left / (spent + left / self.slo_minutes)
