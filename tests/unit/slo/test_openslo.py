from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest
import yaml

from monitor.domain.slices import Slice
from monitor.errors import SettingsError
from monitor.sli import SLIS
from monitor.slo.objective import Objective, Selector, TimeSlice
from monitor.slo.openslo import parse_objectives
from monitor.slo.policy import Severity

AVAILABILITY = """\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: captioner-availability
  displayName: Availability
  labels: {team: [vlm]}
  annotations: {example.com/owner: me}
spec:
  description: Requests are answered.
  service: vlm-captioner
  budgetingMethod: Occurrences
  timeWindow: [{duration: 30d, isRolling: true}]
  indicator:
    metadata: {name: answered}
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {type: Snellen, spec: {series: valid_requests, filter: {variant: stable, status: ok}}}}
        total: {metricSource: {type: Snellen, spec: {series: valid_requests, filter: {variant: stable}}}}
  objectives: [{displayName: Good, target: 0.999}]
  alertPolicies: [{alertPolicyRef: page}]
"""
LATENCY = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: captioner-latency}
spec:
  service: vlm-captioner
  budgetingMethod: Occurrences
  timeWindow: [{duration: 4w, isRolling: true}]
  indicator:
    metadata: {name: fast}
    spec:
      thresholdMetric:
        metricSource: {spec: {series: request_latency_ms, filter: {model: m, slice: {device: a}}}}
  objectives: [{op: lte, value: 300, targetPercent: 99.5}]
  alertPolicies: [{alertPolicyRef: page}]
"""
ACCURACY = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: captioner-accuracy, annotations: {snellen.dev/label-delay: 5h, snellen.dev/keep-firing: 3h}}
spec:
  service: vlm-captioner
  budgetingMethod: Occurrences
  timeWindow: [{duration: 7d, isRolling: true}]
  indicator:
    metadata: {name: wrong}
    spec:
      ratioMetric:
        bad: {metricSource: {spec: {series: sampled_labels, filter: {verdict: incorrect}}}}
        total: {metricSource: {spec: {series: sampled_labels}}}
  objectives: [{target: 0.85}]
  alertPolicies: [{alertPolicyRef: page}]
"""
ALERTING = """\
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: fast-burn, annotations: {snellen.dev/tiers: default}}
spec:
  severity: page
  condition: {kind: burnrate, op: gt, threshold: 14.4, lookbackWindow: 1h, alertAfter: 1m}
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: page}
spec:
  alertWhenBreaching: true
  alertWhenResolved: true
  alertWhenNoData: false
  conditions: [{conditionRef: fast-burn}]
  notificationTargets: [{targetRef: log}]
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: log}
spec: {target: log}
"""
EXPLICIT = """\
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: NAME}
spec:
  alertWhenBreaching: true
  alertWhenResolved: true
  alertWhenNoData: false
  conditions:
    - kind: AlertCondition
      metadata: {name: NAME, annotations: {snellen.dev/short-window: 10m}}
      spec: {severity: page, condition: {kind: burnrate, op: gt, threshold: 12.5, lookbackWindow: 2h, alertAfter: 1m}}
  notificationTargets: [{kind: AlertNotificationTarget, metadata: {name: hook}, spec: {target: webhook}}]
"""


def parse(*documents: str) -> tuple[Objective, ...]:
    return parse_objectives({"slos.yaml": "---\n".join(documents).encode()}, SLIS, ("log", "webhook"))


def faults(*documents: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(*documents)
    return caught.value.faults


def test_an_availability_objective() -> None:
    (slo,) = parse(AVAILABILITY, ALERTING)
    assert (slo.name, slo.display_name, slo.service) == ("captioner-availability", "Availability", "vlm-captioner")
    assert slo.description == "Requests are answered."
    assert (slo.measure.sli, slo.measure.threshold, slo.sampled) == ("availability", None, False)
    assert slo.measure.selector == Selector(variant="stable")
    assert (slo.target, slo.budget) == (Fraction(999, 1000), Fraction(1, 1000))
    assert slo.window_minutes == 43200
    assert (slo.label_delay_minutes, slo.keep_firing_minutes, slo.close_without_data_minutes) == (0, 15, 1440)
    (page,) = slo.alerting
    assert (page.severity, page.channels, page.wishes.repeat_minutes) == (Severity.PAGE, ("log",), 240)
    assert [(tier.name, tier.factor) for tier in page.tiers] == [("page_quick", Fraction("14.4")), ("page_slow", 6)]
    assert slo.noun == "requests"


def test_a_latency_objective_of_one_slice() -> None:
    (slo,) = parse(LATENCY, ALERTING)
    assert (slo.measure.sli, slo.measure.threshold) == ("latency", 300)
    assert slo.measure.selector == Selector(model="m", slice=Slice("device", "a"))
    assert slo.target == Fraction(995, 1000)
    assert slo.window_minutes == 28 * 1440


def test_a_label_objective_has_label_tiers_and_drops_those_shorter_than_its_label_delay() -> None:
    (slo,) = parse(ACCURACY, ALERTING)
    assert slo.sampled
    assert (slo.label_delay_minutes, slo.keep_firing_minutes) == (300, 180)
    (page,) = slo.alerting
    assert [tier.name for tier in page.tiers] == ["page_slow"]
    assert [drop.name for drop in page.dropped] == ["page_quick"]
    assert slo.noun == "labels"


def test_objects_refer_to_each_other_across_files_in_any_order() -> None:
    files = {"a.yaml": AVAILABILITY.encode(), "z.yaml": ALERTING.encode(), "b.yaml": LATENCY.encode()}
    found = parse_objectives(files, SLIS, ("log",))
    assert [slo.name for slo in found] == ["captioner-availability", "captioner-latency"]


def test_explicit_tiers_and_inline_objects() -> None:
    policies = "[{alertPolicyRef: mine}, {alertPolicyRef: page}]"
    slo_text = AVAILABILITY.replace("[{alertPolicyRef: page}]", policies)
    (slo,) = parse(slo_text, ALERTING, EXPLICIT.replace("NAME", "mine"))
    (page,) = slo.alerting
    assert page.channels == ("webhook", "log")
    assert [(tier.name, tier.long_minutes, tier.short_minutes) for tier in page.tiers] == [
        ("page_quick", 60, 5),
        ("mine", 120, 10),
        ("page_slow", 360, 30),
    ]
    mine = page.tiers[1]
    assert (mine.factor, mine.limit) == (Fraction("12.5"), Fraction("0.0125"))
    assert mine.budget_percent == Fraction("12.5") * 120 * 100 / 43200


def test_a_budget_gives_the_exact_factor_and_the_threshold_its_rounded_figure() -> None:
    annotated = EXPLICIT.replace("NAME", "page").replace("short-window: 10m", 'budget-percent: "11"')
    (slo,) = parse(LATENCY, annotated.replace("12.5, lookbackWindow: 2h", "1.03, lookbackWindow: 3d"))
    (tier,) = slo.tiers
    assert tier.factor == Fraction(11, 100) * 28 / 3
    assert tier.short_minutes == 360
    (fault,) = faults(LATENCY, annotated.replace("12.5, lookbackWindow: 2h", "1.1, lookbackWindow: 3d"))
    assert "its budget-percent gives 1.02667 in a window of 28 d, its threshold says 1.1" in fault


def test_time_slices_are_read() -> None:
    text = LATENCY.replace("Occurrences", "Timeslices").replace(
        "targetPercent: 99.5", "target: 0.95, timeSliceTarget: 0.9, timeSliceWindow: 10m"
    )
    (slo,) = parse(text, ALERTING)
    assert slo.time_slice == TimeSlice(10, Fraction(9, 10))
    assert slo.noun == "time slices"


def test_the_target_is_exactly_its_decimal_text() -> None:
    (slo,) = parse(AVAILABILITY.replace("target: 0.999}", "target: 0.999999999999}"), ALERTING)
    assert slo.budget == Fraction(1, 10**12)


def test_an_objective_without_a_tier_left_is_refused_and_says_why() -> None:
    (fault,) = faults(AVAILABILITY.replace("0.999", "0.8"), ALERTING)
    assert "no tier is left" in fault
    assert "page_quick can never fire: at a target of 0.8 everything failing burns 5 times too fast" in fault


def test_an_explicit_tier_that_can_never_fire_is_refused_with_the_reason() -> None:
    (fault,) = faults(AVAILABILITY.replace("0.999", "0.92"), EXPLICIT.replace("NAME", "page"))[:1]
    assert fault.startswith("slos.yaml, document 1: spec.alertPolicies: page: can never fire: at a target of 0.92")
    assert fault.endswith("change its threshold or window, or the target")


def test_two_policies_of_one_severity_must_agree() -> None:
    policies = "[{alertPolicyRef: mine}, {alertPolicyRef: page}]"
    differing = EXPLICIT.replace("NAME", "mine").replace("alertWhenResolved: true", "alertWhenResolved: false")
    (fault,) = faults(AVAILABILITY.replace("[{alertPolicyRef: page}]", policies), ALERTING, differing)
    assert "mine and page are both pages and share one incident" in fault


def cases(document: str) -> list[object]:
    """(what is replaced, by what, the fault) of wrong_documents.yaml."""
    table = yaml.safe_load((Path(__file__).parent / "wrong_documents.yaml").read_text())
    return [pytest.param(one["replace"], one["by"], one["fault"], id=one["case"]) for one in table[document]]


@pytest.mark.parametrize(("replace", "by", "fault"), cases("availability"))
def test_a_wrong_slo_is_refused_with_its_place(replace: str, by: str, fault: str) -> None:
    check(fault, faults(edited(AVAILABILITY, replace, by), ALERTING))


@pytest.mark.parametrize(("replace", "by", "fault"), cases("latency"))
def test_a_wrong_threshold_is_refused(replace: str, by: str, fault: str) -> None:
    check(fault, faults(edited(LATENCY, replace, by), ALERTING))


@pytest.mark.parametrize(("replace", "by", "fault"), cases("alerting"))
def test_wrong_alerting_is_refused(replace: str, by: str, fault: str) -> None:
    check(fault, faults(AVAILABILITY, edited(ALERTING, replace, by)))


def edited(text: str, replace: str, by: str) -> str:
    if replace == "WHOLE DOCUMENT":
        return by
    assert replace in text
    return text.replace(replace, by)


def check(fault: str, found: list[str]) -> None:
    assert any(fault in one for one in found), found
    assert all(re.match(r"slos\.yaml, document \d: ", one) for one in found)


def test_labels_cannot_be_counted_by_time_slices() -> None:
    text = ACCURACY.replace("Occurrences", "Timeslices").replace(
        "target: 0.85", "target: 0.85, timeSliceTarget: 1.0, timeSliceWindow: 1h"
    )
    assert any("time slice would hold one or two sampled labels" in one for one in faults(text, ALERTING))


def test_a_time_slice_target_must_be_possible() -> None:
    text = LATENCY.replace("Occurrences", "Timeslices").replace(
        "op: lte", "timeSliceTarget: 0.0, timeSliceWindow: 1h, op: lte"
    )
    assert any("timeSliceTarget: must be above 0 and at most 1" in one for one in faults(text, ALERTING))


def test_all_faults_of_all_files_come_at_once() -> None:
    files = {
        "a.yaml": AVAILABILITY.replace("0.999", "2").replace("30d", "30x").encode(),
        "b.yaml": LATENCY.replace("value: 300", "value: 301").encode(),
        "c.yaml": ALERTING.replace("op: gt", "op: lt").encode(),
        "d.yaml": b"[",
    }
    with pytest.raises(SettingsError) as caught:
        parse_objectives(files, SLIS, ("log",))
    places = [fault.split(": ")[0] for fault in caught.value.faults]
    assert {place.split(",")[0] for place in places} == {"a.yaml", "b.yaml", "c.yaml", "d.yaml"}
    assert sum(place.startswith("a.yaml") for place in places) == 2
    assert len(set(caught.value.faults)) == len(caught.value.faults)


@pytest.mark.parametrize(
    ("documents", "name"),
    [
        ((AVAILABILITY, AVAILABILITY, ALERTING), "captioner-availability"),
        ((AVAILABILITY, ALERTING, ALERTING), "fast-burn"),
    ],
)
def test_names_differ(documents: tuple[str, ...], name: str) -> None:
    assert any(f"named {name}; names must differ" in one for one in faults(*documents))


def test_a_faulty_policy_is_reported_once_and_not_again_as_missing() -> None:
    found = faults(AVAILABILITY, ALERTING.replace("alertAfter: 1m", "alertAfter: 1x"))
    assert len(found) == 1


def test_no_files_are_no_objectives() -> None:
    assert parse_objectives({}, SLIS, ()) == ()
