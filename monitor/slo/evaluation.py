"""What is known of an SLO at one tick: frozen values, as stored and shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from monitor.domain.window import MINUTE
from monitor.slo import duration
from monitor.slo.exhaustion import Exhaustion
from monitor.slo.policy import Severity


class State(StrEnum):
    """Of a tier, and of an SLO: the first of these that one of its tiers has. Only `ok` is green."""

    FIRING = "firing"
    NO_DATA = "no_data"
    """Nothing to judge: no events in the long window, or none recent enough to say that it still burns."""
    INSUFFICIENT = "insufficient"
    """Events, but too few (or labels too young) to say either that it burns or that it does not."""
    OK = "ok"


class Standing(StrEnum):
    """How an SLO stands, for people: its last state, unless that is old, or the promise is broken all the same."""

    BURNING = "burning"
    NO_DATA = "no data"
    INSUFFICIENT = "not enough evidence"
    OK = "ok"
    OVERSPENT = "overspent"
    """Nothing burns now, and more was bad than the whole window allows."""
    LATE = "not evaluated lately"


LATE = 5 * MINUTE
"""SLOs are evaluated every minute; a state that is older than this is old news, which is no good news."""
_STANDINGS = {
    State.FIRING: Standing.BURNING,
    State.NO_DATA: Standing.NO_DATA,
    State.INSUFFICIENT: Standing.INSUFFICIENT,
    State.OK: Standing.OK,
}


@dataclass(frozen=True, slots=True)
class TierReading:
    """What one tier saw at one tick. Floats are for display; the decision was made on the integers."""

    name: str
    severity: Severity
    factor: float
    limit: float
    """Bad share beyond which the tier fires: factor x (1 - target)."""
    long_minutes: int
    short_window: str
    """In words: "5 min", or "latest 27 labels" for sampled labels."""
    long_bad: int
    long_total: int
    short_bad: int
    short_total: int
    burn_long: float | None
    """None without events."""
    burn_short: float | None
    lower_bound: float | None
    """Of the bad share in the long window; computed only when both windows exceed the limit."""
    burning: bool
    """Both windows exceed the limit: the plain rule, before it asks for evidence."""
    state: State
    reason: str

    @property
    def figures(self) -> str:
        """In words: "1 h: 31.2% bad (56 of 180), 31.2x the budget; 5 min: 40.0% bad (6 of 15), 40x the budget"."""
        long = _figure(duration.words(self.long_minutes), self.long_bad, self.long_total, self.burn_long)
        return f"{long}; {_figure(self.short_window, self.short_bad, self.short_total, self.burn_short)}"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An SLO at one tick."""

    slo: str
    tick: datetime
    state: State
    tiers: tuple[TierReading, ...]
    bad: int
    """Within the SLO's window."""
    total: int
    budget_remaining: float | None
    """1 - bad / ((1 - target) x total): 1 is untouched, negative is overspent, None is without events."""
    exhaustion: tuple[Exhaustion, ...]
    """From the windows that held an event, the shortest first."""
    covered_minutes: int
    """Of the SLO's window; less than its length while the history is younger."""
    mature_until: datetime
    """Later predictions may still get their labels; the tick itself for requests."""
    unseen: str = ""
    """Where there is no event: which name of the document nothing stored has; see `monitor.slo.unseen`."""

    @property
    def burn(self) -> float | None:
        """The highest burn rate of the tiers' long windows, for charts; None without events."""
        return max((tier.burn_long for tier in self.tiers if tier.burn_long is not None), default=None)

    def of(self, severity: Severity) -> tuple[TierReading, ...]:
        return tuple(tier for tier in self.tiers if tier.severity == severity)


def overspent(budget_remaining: float | None) -> bool:
    """Whether more was bad than the SLO's window allows: the promise is broken, even if nothing burns any longer."""
    return budget_remaining is not None and budget_remaining < 0


def standing(state: State, budget_remaining: float | None, age: timedelta) -> Standing:
    """What to call an SLO whose last evaluation, so long ago, found this.

    >>> standing(State.OK, -0.1, MINUTE), standing(State.FIRING, 0.9, MINUTE), standing(State.OK, 0.9, 6 * MINUTE)
    (<Standing.OVERSPENT: 'overspent'>, <Standing.BURNING: 'burning'>, <Standing.LATE: 'not evaluated lately'>)
    """
    if age > LATE:
        return Standing.LATE
    return Standing.OVERSPENT if state is State.OK and overspent(budget_remaining) else _STANDINGS[state]


def _figure(window: str, bad: int, total: int, burn: float | None) -> str:
    if burn is None:
        return f"{window}: no data"
    return f"{window}: {bad / total:.1%} bad ({bad:,} of {total:,}), {burn:.3g}x the budget"
