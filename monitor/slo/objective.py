"""What a service promises: one SLO, exact and ready to be evaluated. `openslo.parse_objectives` makes them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from monitor.domain.slices import ALL_TRAFFIC, Slice
from monitor.slo.policy import DroppedTier, Severity, Tier


@dataclass(frozen=True, slots=True)
class Selector:
    """Part of the traffic; None is any."""

    model: str | None = None
    version: str | None = None
    variant: str | None = None
    task: str | None = None
    slice: Slice = ALL_TRAFFIC
    stream: str | None = None
    """Of drift; nothing else is known by stream."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What is counted: an SLI by its name, where, and beyond which value an event is bad."""

    sli: str
    sampled: bool
    """Its events are sampled labels."""
    selector: Selector
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class TimeSlice:
    """`budgetingMethod: Timeslices`: an event is a slice, good when its share of good events reaches `target`."""

    minutes: int
    target: Fraction


@dataclass(frozen=True, slots=True)
class Wishes:
    """What people want to hear of."""

    breaching: bool
    resolved: bool
    no_data: bool
    """Missing data opens an incident, too."""
    repeat_minutes: int
    """Between notifications of an incident that goes on."""


@dataclass(frozen=True, slots=True)
class Alerting:
    """What opens an incident of one severity, and who is told."""

    severity: Severity
    tiers: tuple[Tier, ...]
    dropped: tuple[DroppedTier, ...]
    """Default tiers that cannot be here, with the reason."""
    channels: tuple[str, ...]
    wishes: Wishes


@dataclass(frozen=True, slots=True)
class Objective:
    """One SLO, ready to be evaluated."""

    name: str
    display_name: str
    service: str
    description: str
    measure: Measure
    target: Fraction
    """Share of good events promised, in [0, 1), exactly as written."""
    window_minutes: int
    """Rolling."""
    time_slice: TimeSlice | None
    """None: `budgetingMethod: Occurrences`, every event counts."""
    alerting: tuple[Alerting, ...]
    """At most one per severity, the most urgent first."""
    label_delay_minutes: int
    """Within which most labels come; 0 for requests."""
    keep_firing_minutes: int
    close_without_data_minutes: int

    @property
    def budget(self) -> Fraction:
        """Share of events that may be bad."""
        return 1 - self.target

    @property
    def tiers(self) -> tuple[Tier, ...]:
        return tuple(tier for one in self.alerting for tier in one.tiers)

    @property
    def sampled(self) -> bool:
        return self.measure.sampled

    @property
    def noun(self) -> str:
        """What is counted, for messages."""
        return "time slices" if self.time_slice else "labels" if self.sampled else "requests"
