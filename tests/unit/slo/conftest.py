"""Objectives made without documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from fractions import Fraction

import pytest

from monitor.slo.objective import Alerting, Measure, Objective, Selector, TimeSlice, Wishes
from monitor.slo.policy import Severity, Terms, Tier, TierRule, bind

MakeObjective = Callable[..., Objective]


@pytest.fixture
def make_objective() -> MakeObjective:
    def make(
        target: str = "0.999",
        rules: Sequence[TierRule] = (),
        *,
        window_minutes: int = 43200,
        sampled: bool = False,
        label_delay_minutes: int = 0,
        time_slice: TimeSlice | None = None,
        wishes: Wishes = Wishes(breaching=True, resolved=True, no_data=False, repeat_minutes=240),  # noqa: B008 (frozen)
        keep_firing_minutes: int = 15,
        close_without_data_minutes: int = 1440,
    ) -> Objective:
        terms = Terms(Fraction(target), window_minutes, sampled, label_delay_minutes)
        tiers = [bind(rule, terms) for rule in rules]
        assert all(isinstance(tier, Tier) for tier in tiers), tiers
        return Objective(
            name="captioner-availability",
            display_name="Availability",
            service="captioner",
            description="",
            measure=Measure("label_accuracy" if sampled else "availability", sampled, Selector()),
            target=Fraction(target),
            window_minutes=window_minutes,
            time_slice=time_slice,
            alerting=tuple(
                Alerting(
                    severity,
                    tuple(tier for tier in tiers if isinstance(tier, Tier) and tier.severity is severity),
                    (),
                    ("log",),
                    wishes,
                )
                for severity in Severity
                if any(tier.severity is severity for tier in tiers)
            ),
            label_delay_minutes=label_delay_minutes,
            keep_firing_minutes=keep_firing_minutes,
            close_without_data_minutes=close_without_data_minutes,
        )

    return make


@pytest.fixture
def moment() -> Callable[[int], datetime]:
    """The tick at a minute since the epoch."""
    return lambda minute: datetime.fromtimestamp(minute * 60, tz=UTC)
