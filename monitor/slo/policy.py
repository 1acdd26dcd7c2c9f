"""Alerting tiers: how fast is too fast, over which windows, and how much evidence a tier demands before it fires.

Multiwindow, multi-burn-rate alerts: Beyer et al., "The Site Reliability Workbook" (2018), chapter 5. The evidence is
ours: at a few requests a minute, or a few dozen labels an hour, the plain ratio fires on bad luck alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cache
from importlib import resources
from math import ceil, log, log1p

from monitor.slo import duration
from monitor.slo.documents import read_mapping
from monitor.slo.evidence import MIN_EVENTS, events_to_detect


class Severity(StrEnum):
    """What an incident asks of people; the order is that of urgency."""

    PAGE = "page"
    TICKET = "ticket"


ALPHA = {Severity.PAGE: 0.01, Severity.TICKET: 0.1}
"""Chance that the lower bound of the long window's bad share lies above the true one, in one look."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a tier must know of its SLO."""

    target: Fraction
    """In [0, 1)."""
    window_minutes: int
    sampled: bool = False
    """Its events are sampled labels."""
    label_delay_minutes: int = 0


@dataclass(frozen=True, slots=True)
class TierRule:
    """A tier before it meets an SLO: as windows.yaml or an AlertCondition states it."""

    name: str
    severity: Severity
    long_minutes: int
    short_minutes: int
    budget_percent: Fraction | None = None
    factor: Fraction | None = None
    """Given instead of a budget, or beside it as the rounded figure that the budget replaces."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier of one SLO. It fires when the bad share exceeds `limit`, strictly, with the evidence of its severity."""

    name: str
    severity: Severity
    long_minutes: int
    short_minutes: int
    factor: Fraction
    """Burn rate: how many times faster than the budget allows."""
    budget_percent: Fraction
    """Of the SLO window's error budget that burns within the long window at this factor."""
    limit: Fraction
    """factor x (1 - target), a share of events in (0, 1)."""
    alpha: float
    events_to_clear: int
    """With fewer events in the long window not even a clean record shows that the bad share is within the limit."""
    sampled: bool
    """Its short window is the latest labels, else a time."""

    @property
    def events_to_detect(self) -> int | None:
        """In the long window, to fire in one look with power 0.8 if twice the limit is bad, or halfway from it to 1."""
        limit = float(self.limit)
        short = None if self.sampled else self.short_minutes / self.long_minutes
        return events_to_detect(limit, min(2 * limit, (1 + limit) / 2), self.alpha, short)


@dataclass(frozen=True, slots=True)
class DroppedTier:
    """A default tier that this SLO cannot have, and why; shown beside the others."""

    name: str
    severity: Severity
    reason: str


def bind(rule: TierRule, terms: Terms) -> Tier | DroppedTier:
    """The tier for an SLO of these terms, or why it makes no sense there."""
    factor = _factor(rule, terms.window_minutes)
    limit = factor * (1 - terms.target)
    nonsense = _nonsense(rule, terms, factor)
    if nonsense is not None:
        return DroppedTier(rule.name, rule.severity, nonsense)
    alpha = ALPHA[rule.severity]
    return Tier(
        name=rule.name,
        severity=rule.severity,
        long_minutes=rule.long_minutes,
        short_minutes=rule.short_minutes,
        factor=factor,
        budget_percent=factor * rule.long_minutes / terms.window_minutes * 100,
        limit=limit,
        alpha=alpha,
        events_to_clear=max(MIN_EVENTS, ceil(log(alpha) / log1p(-float(limit)))),
        sampled=terms.sampled,
    )


def default_rules(severity: Severity, terms: Terms) -> tuple[TierRule, ...]:
    """The tiers of windows.yaml for request counts or for sampled labels, at any length of the SLO window."""
    catalogue = _catalogue()["labels" if terms.sampled else "requests"]
    period_minutes = terms.window_minutes
    # Nearest by ratio; of two equally near the longer, whose budgets are the smaller part of the window.
    nearest = min(
        catalogue, key=lambda period: (max(Fraction(period, period_minutes), Fraction(period_minutes, period)), -period)
    )
    scale = Fraction(nearest, period_minutes)
    return tuple(_scaled(rule, scale) for rule in catalogue[nearest] if rule.severity == severity)


def _nonsense(rule: TierRule, terms: Terms, factor: Fraction) -> str | None:
    """Why an SLO of these terms cannot have such a tier; None if it can."""
    window = duration.words(rule.long_minutes)
    if rule.long_minutes > terms.window_minutes:
        return f"its window of {window} is longer than the SLO's {duration.words(terms.window_minutes)}"
    if rule.long_minutes <= terms.label_delay_minutes:
        return f"its window of {window} is over before most of its labels come"
    if factor * (1 - terms.target) < 1:
        return None
    worst = f"everything failing burns {float(1 / (1 - terms.target)):.4g} times too fast"
    waits = f"it waits for more than {float(factor):.4g}"
    return f"can never fire: at a target of {float(terms.target):.5g} {worst}, and {waits}"


def _factor(rule: TierRule, period_minutes: int) -> Fraction:
    if rule.budget_percent is not None:
        return rule.budget_percent / 100 * period_minutes / rule.long_minutes
    assert rule.factor is not None, rule  # noqa: S101 (a rule has a budget or a factor; the parser sees to it)
    return rule.factor


def _scaled(rule: TierRule, scale: Fraction) -> TierRule:
    assert rule.budget_percent is not None, rule  # noqa: S101 (so it is in windows.yaml)
    return TierRule(rule.name, rule.severity, rule.long_minutes, rule.short_minutes, rule.budget_percent * scale)


@cache
def _catalogue() -> dict[str, dict[int, tuple[TierRule, ...]]]:
    """windows.yaml: kind of evidence -> period in minutes -> rules."""
    text = resources.files("monitor.slo").joinpath("windows.yaml").read_text("utf-8")
    return {
        kind: {duration.minutes(period): _rules(rows) for period, rows in periods.items()}
        for kind, periods in read_mapping(text).items()
    }


def _rules(rows: Sequence[dict[str, str | int]]) -> tuple[TierRule, ...]:
    return tuple(
        TierRule(
            name=str(row["name"]),
            severity=Severity(str(row["severity"])),
            long_minutes=duration.minutes(str(row["long"])),
            short_minutes=duration.minutes(str(row["short"])),
            budget_percent=Fraction(row["budget"]),
        )
        for row in rows
    )
