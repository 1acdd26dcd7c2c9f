"""The documents in slos/, and those in examples/slos/ for what the demo does not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.domain.slices import ALL_TRAFFIC
from monitor.notify import CHANNELS
from monitor.sli import SLIS
from monitor.slo.objective import Objective
from monitor.slo.openslo import parse_objectives
from monitor.slo.policy import Severity

ROOT = Path(__file__).parents[3]
DOCUMENTS = [*ROOT.glob("slos/*.yaml"), *ROOT.glob("examples/slos/*.yaml")]
OBJECTIVES = parse_objectives({path.name: path.read_bytes() for path in DOCUMENTS}, SLIS, CHANNELS)
EVERY = pytest.mark.parametrize("slo", OBJECTIVES, ids=lambda slo: slo.name)


def test_every_sli_has_one() -> None:
    assert {slo.measure.sli for slo in OBJECTIVES} == set(SLIS)


@EVERY
def test_it_pages_and_tickets_by_default_tiers_of_which_none_is_lost(slo: Objective) -> None:
    wakes_people = slo.measure.sli not in ("label_backlog", "drift")
    assert [one.severity for one in slo.alerting] == (list(Severity) if wakes_people else [Severity.TICKET])
    for alerting in slo.alerting:
        assert alerting.tiers
        assert alerting.dropped == ()
        assert alerting.channels == ("log", "webhook")


@EVERY
def test_its_traffic_suffices_to_tell_healthy_from_burning(slo: Objective) -> None:
    """At 3 requests a minute, of which 0.3 are labelled, on a camera with 0.22 and a canary with 0.3 of the traffic."""
    selector = slo.measure.selector
    share = 0.22 if selector.slice != ALL_TRAFFIC else 0.3 if selector.variant == "canary" else 1.0
    per_minute = 1 / slo.time_slice.minutes if slo.time_slice else 3 * share * (0.3 if slo.sampled else 1.0)
    for tier in slo.tiers:
        assert tier.events_to_clear <= per_minute * tier.long_minutes


def test_every_camera_of_the_demo_has_one() -> None:
    chosen = {
        slo.measure.selector.slice.value for slo in OBJECTIVES if slo.measure.selector.slice.dimension == "device"
    }
    assert chosen == {f"camera-{number}" for number in range(1, 5)}
