"""The policies that an SLO names -> what it alerts on, by severity, with every tier derived for this SLO."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from monitor.slo import duration
from monitor.slo.alert_policy import Policy
from monitor.slo.fields import Fields
from monitor.slo.objective import Alerting
from monitor.slo.policy import DroppedTier, Severity, Terms, Tier, bind, default_rules

ROUNDING = Fraction(5, 1000)
"""By which a written threshold may differ from the factor that its budget-percent gives."""


def alerting_of(spec: Fields, policies: Sequence[Policy], terms: Terms) -> tuple[Alerting, ...]:
    """One `Alerting` for each severity that the policies have, the most urgent first; faults go to `spec`."""
    found = []
    for severity in Severity:
        chosen = [one for one in policies if one.condition.severity is severity]
        if chosen:
            found.append(_merge(spec, severity, chosen, terms))
    if policies and not any(one.tiers for one in found):
        reasons = "; ".join(f"{drop.name} {drop.reason}" for one in found for drop in one.dropped)
        spec.fault("alertPolicies", f"no tier is left, so this SLO would never tell anybody: {reasons or 'see above'}")
    return tuple(found)


def _merge(spec: Fields, severity: Severity, policies: Sequence[Policy], terms: Terms) -> Alerting:
    """All tiers and all channels of one severity's policies; what they wish to hear of must agree."""
    first = policies[0]
    for policy in policies:
        if policy.wishes != first.wishes:
            spec.fault(
                "alertPolicies",
                f"{first.name} and {policy.name} are both {severity}s and share one incident: "
                "their alertWhen... flags and repeat-interval must agree",
            )
    bound = [tier for policy in policies for tier in _bind(spec, policy, terms)]
    return Alerting(
        severity=severity,
        tiers=tuple(sorted((one for one in bound if isinstance(one, Tier)), key=lambda tier: tier.long_minutes)),
        dropped=tuple(one for one in bound if isinstance(one, DroppedTier)),
        channels=tuple(dict.fromkeys(channel for policy in policies for channel in policy.channels)),
        wishes=first.wishes,
    )


def _bind(spec: Fields, policy: Policy, terms: Terms) -> list[Tier | DroppedTier]:
    """The tiers of one policy. A default tier that cannot be here is dropped; one that somebody wrote is a fault."""
    rule = policy.condition.rule
    if rule is None:
        return [bind(one, terms) for one in default_rules(policy.condition.severity, terms)]
    tier = bind(rule, terms)
    if isinstance(tier, DroppedTier):
        spec.fault("alertPolicies", f"{rule.name}: {tier.reason}; change its threshold or window, or the target")
        return []
    if rule.factor is not None and abs(tier.factor - rule.factor) > ROUNDING:
        derived = f"{float(tier.factor):.6g} in a window of {duration.words(terms.window_minutes)}"
        spec.fault(
            "alertPolicies",
            f"{rule.name}: its budget-percent gives {derived}, its threshold says {float(rule.factor):.6g}; "
            "correct one of them",
        )
    return [tier]
