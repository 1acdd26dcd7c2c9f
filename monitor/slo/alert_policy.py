"""OpenSLO `AlertPolicy`, `AlertCondition` and `AlertNotificationTarget` -> who is told of what, and when.

OpenSLO has one burn-rate condition per policy and no word for a second window. So a tier is a condition whose
annotation `snellen.dev/short-window` names its short window (default: a twelfth of the long one), or a condition with
`snellen.dev/tiers: default`, which stands for all default tiers of its severity (windows.yaml).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

from monitor.slo import duration
from monitor.slo.fields import Annotations, Fields, read_metadata
from monitor.slo.objective import Wishes
from monitor.slo.policy import Severity, TierRule

ALERTING_KINDS = ("AlertNotificationTarget", "AlertCondition", "AlertPolicy")
"""In the order in which they refer to each other."""
SHORT_SHARE = 12
DEFAULT_REPEAT_MINUTES = {Severity.PAGE: 4 * duration.HOUR, Severity.TICKET: duration.DAY}
"""Alertmanager repeats after 4 h; a ticket lies on somebody's desk for a day."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Condition:
    """An AlertCondition. `rule` is None where the default tiers are meant."""

    severity: Severity
    rule: TierRule | None


@dataclass(frozen=True, slots=True)
class Policy:
    """An AlertPolicy with its condition and the channels of its targets."""

    name: str
    condition: Condition
    channels: tuple[str, ...]
    wishes: Wishes


class Library:
    """The alerting documents by name. One with faults is kept as None: a reference to it is no fault of its own."""

    def __init__(self, channels: Collection[str]) -> None:
        """`channels`: names that a target may have (`monitor.notify.CHANNELS`)."""
        self._channels = channels
        self._targets: dict[str, str | None] = {}
        self._conditions: dict[str, Condition | None] = {}
        self._policies: dict[str, Policy | None] = {}

    def add(self, kind: str, document: Fields) -> None:
        """Read one document of `ALERTING_KINDS`, those referred to first."""
        name = document.child("metadata").name("name")
        if kind == "AlertNotificationTarget":
            _keep(self._targets, name, self._read_target(document), document)
        elif kind == "AlertCondition":
            _keep(self._conditions, name, self._read_condition(document), document)
        else:
            _keep(self._policies, name, self._read_policy(document), document)

    def policies_of(self, spec: Fields) -> list[Policy]:
        """What `alertPolicies` of an SLO's spec names or holds; fewer after faults."""
        found = [
            _resolve(one, "alertPolicyRef", "AlertPolicy", self._policies, self._read_policy)
            for one in spec.children("alertPolicies")
        ]
        if not found and "alertPolicies" in spec:
            spec.fault("alertPolicies", "is empty; an SLO without a policy would never tell anybody")
        return [one for one in found if one is not None]

    def _read_policy(self, document: Fields) -> Policy | None:
        metadata = read_metadata(document, ("repeat-interval",))
        spec = document.child("spec")
        document.done()
        spec.text("description", required=False)
        conditions = [
            _resolve(one, "conditionRef", "AlertCondition", self._conditions, self._read_condition)
            for one in spec.children("conditions")
        ]
        if len(conditions) != 1 and "conditions" in spec:
            spec.fault(
                "conditions", f"exactly one condition is needed, not {len(conditions)}; write one policy for each"
            )
        targets = [
            _resolve(one, "targetRef", "AlertNotificationTarget", self._targets, self._read_target)
            for one in spec.children("notificationTargets")
        ]
        if not targets and "notificationTargets" in spec:
            spec.fault("notificationTargets", "is empty; name at least one target")
        repeat = metadata.annotations.minutes("repeat-interval")
        breaching, resolved, no_data = (
            spec.flag(f"alertWhen{one}", default=False) for one in ("Breaching", "Resolved", "NoData")
        )
        spec.done()
        condition = conditions[0] if len(conditions) == 1 else None
        if condition is None:
            return None
        channels = tuple(dict.fromkeys(one for one in targets if one is not None))
        wishes = Wishes(breaching, resolved, no_data, repeat or DEFAULT_REPEAT_MINUTES[condition.severity])
        return Policy(metadata.name, condition, channels, wishes)

    def _read_target(self, document: Fields) -> str | None:
        read_metadata(document)
        spec = document.child("spec")
        document.done()
        spec.text("description", required=False)
        channel = spec.choice("target", self._channels)
        spec.done()
        return channel or None

    def _read_condition(self, document: Fields) -> Condition | None:
        metadata = read_metadata(document, ("short-window", "budget-percent", "tiers"))
        spec = document.child("spec")
        document.done()
        spec.text("description", required=False)
        severity = spec.choice("severity", tuple(Severity))
        rule = _read_burn_rate(spec.child("condition"), metadata.name, severity, metadata.annotations)
        spec.done()
        if not severity or rule is None:
            return None
        if _wants_default_tiers(document, metadata.annotations):
            return Condition(Severity(severity), None)
        return Condition(Severity(severity), rule)


def _read_burn_rate(condition: Fields, name: str, severity: str, annotations: Annotations) -> TierRule | None:
    """The one kind of condition that OpenSLO v1 has."""
    condition.choice("kind", ("burnrate",))
    operator = condition.choice("op", ("gt", "gte", "lt", "lte"))
    if operator and operator != "gt":
        condition.fault("op", f"{operator} is not what a burn rate alerts on; write gt")
    threshold = condition.number("threshold")
    if threshold is not None and threshold <= 0:
        condition.fault("threshold", "a burn rate must be above 0")
    long = condition.minutes("lookbackWindow")
    if (condition.minutes("alertAfter", required=False) or 1) > 1:
        condition.fault("alertAfter", "must be 1m: the short window does the waiting, and a second one hides outages")
    condition.done()
    short = annotations.minutes("short-window")
    budget = annotations.number("budget-percent")
    if not severity or threshold is None or threshold <= 0 or long is None:
        return None
    short = short or max(1, long // SHORT_SHARE)
    if short >= long:
        condition.fault("lookbackWindow", f"must be longer than the short window of {duration.words(short)}")
    return TierRule(name, Severity(severity), long, short, budget, threshold)


def _wants_default_tiers(document: Fields, annotations: Annotations) -> bool:
    wish = annotations.text("tiers")
    if wish not in (None, "default"):
        document.fault("metadata.annotations.snellen.dev/tiers", f"must be default, not {wish!r}")
    return wish is not None


def _keep(known: dict[str, T | None], name: str, value: T | None, document: Fields) -> None:
    if name and name in known:
        document.fault("metadata.name", f"there is another one of this kind named {name}; names must differ")
    known[name] = value


def _resolve(
    entry: Fields,
    reference: str,
    kind: str,
    known: Mapping[str, T | None],
    read_inline: Callable[[Fields], T | None],
) -> T | None:
    """The object that a list entry refers to, or holds inline."""
    if reference not in entry:
        entry.choice("kind", (kind,))
        return read_inline(entry)
    name = entry.name(reference)
    entry.done()
    if name and name not in known:
        entry.fault(reference, f"there is no {kind} named {name}; there are: {', '.join(known) or 'none'}")
    return known.get(name)
