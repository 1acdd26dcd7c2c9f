"""What goes wrong in the demo's week, when, and where it shows.

Each incident alters an input (pictures, questions) or a switch of the service, and never an outcome. Neither the
service nor anything of Snellen imports this module: they meet an incident as production would, by its effects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType
from typing import Final

from msgspec import structs

from demo.cameras import Firmware
from demo.conditions import Conditions
from demo.service import MODEL
from monitor.domain.events import Deployment
from monitor.domain.window import Window

CHANGED_CAMERA: Final = "camera-3"
COLD_AND_SOFT: Final = Firmware(gains=(0.62, 0.94, 1.30), blur=1.1)
CAMPAIGN_SHARE: Final = 0.45
CANARY_SHARE: Final = 0.3


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing that goes wrong for a while."""

    name: str
    title: str
    day: int
    """Counted from the first midnight (UTC) of the week."""
    at: time
    lasts: timedelta
    alter: Callable[[Conditions], Conditions]
    shows: dict[str, str]
    """Page of the dashboard -> what it shows, for people."""
    deployments: tuple[Deployment, Deployment] | None = None
    """What the operators announce at its start and end, if they did anything; times are filled in."""

    def window(self, week_start: datetime) -> Window:
        """When it happens in a week that starts at `week_start`."""
        start = week_start.astimezone(UTC)
        midnight = datetime.combine(start.date(), time(), UTC)
        midnight += timedelta(days=self.day + (midnight < start))
        begins = datetime.combine(midnight.date(), self.at, UTC)
        return Window(begins, begins + self.lasts)


# What each incident alters.


def _camera(now: Conditions) -> Conditions:
    return replace(now, firmware=MappingProxyType({**now.firmware, CHANGED_CAMERA: COLD_AND_SOFT}))


def _campaign(now: Conditions) -> Conditions:
    return replace(now, campaign_share=CAMPAIGN_SHARE)


def _canary(now: Conditions) -> Conditions:
    return replace(now, serving=replace(now.serving, canary_share=CANARY_SHARE))


def _pairing(now: Conditions) -> Conditions:
    return replace(now, serving=replace(now.serving, prefetch=True))


def _latency(now: Conditions) -> Conditions:
    return replace(now, serving=replace(now.serving, audit=True))


def _announced(action: str, note: str, *, canary: bool = False) -> Deployment:
    return Deployment(
        model=MODEL,
        version="v2" if canary else "v1",
        ts=datetime.min.replace(tzinfo=UTC),
        action=action,  # type: ignore[arg-type]
        variant="canary" if canary else "stable",
        traffic_share=(CANARY_SHARE if action == "rollout" else 0.0) if canary else None,
        note=note,
    )


INCIDENTS: Final[dict[str, Incident]] = {
    incident.name: incident
    for incident in (
        Incident(
            "latency",
            "a slow call before every answer",
            day=1,
            at=time(9),
            lasts=timedelta(hours=2),
            alter=_latency,
            shows={
                "SLOs and alerts": "Latency pages within the hour, and resolves after the change is taken back",
                "On-call": "the configuration change of v1 before it",
            },
            deployments=(
                _announced("config", "write an audit record before each answer"),
                _announced("config", "audit records off again: answers were slow"),
            ),
        ),
        Incident(
            "canary",
            f"v2 with a preprocessing bug on {CANARY_SHARE:.0%} of the traffic",
            day=2,
            at=time(12),
            lasts=timedelta(hours=4),
            alter=_canary,
            shows={
                "SLOs and alerts": "Canary accuracy pages, and closes when v2 has no new labels any more",
                "Canary": "v2 is worse: told an hour or so after the rollout, from some ten of its labels",
                "On-call": "rollout and rollback of v2",
                "Slices": "version v2 beside v1, also among the slices that nobody had named",
            },
            deployments=(
                _announced("rollout", "faster preprocessing", canary=True),
                _announced("rollback", "wrong answers", canary=True),
            ),
        ),
        Incident(
            "camera",
            f"new firmware on {CHANGED_CAMERA}: cold colours, soft pictures",
            day=3,
            at=time(6),
            lasts=timedelta(hours=20),
            alter=_camera,
            shows={
                "Drift": f"images and their quality drift, most of all in device = {CHANGED_CAMERA}; prompts do not; "
                "what moved: sharpness, in that slice",
                "Slices": f"the accuracy of device = {CHANGED_CAMERA} falls",
                "Calibration": "in that slice confidence stays well above accuracy",
                "SLOs and alerts": f"Camera {CHANGED_CAMERA[-1]} accuracy pages hours later: labels take their time",
            },
        ),
        Incident(
            "campaign",
            f"a campaign: {CAMPAIGN_SHARE:.0%} of the requests ask long, new questions",
            day=4,
            at=time(10),
            lasts=timedelta(hours=10),
            alter=_campaign,
            shows={
                "Drift": "prompts, their texts and metadata drift; images do not; what moved: the length of prompts",
                "SLOs and alerts": "nothing fires, because the answers stay as good as they were",
            },
        ),
        Incident(
            "pairing",
            "a prefetch bug: questions meet the picture of the request before",
            day=5,
            at=time(8),
            lasts=timedelta(hours=2, minutes=30),
            alter=_pairing,
            shows={
                "Drift": "only the image-text agreement drifts and is named as what moved; images and prompts do not",
                "SLOs and alerts": "Label accuracy pages, and with it the accuracy of several cameras",
                "On-call": "the configuration change of v1 before it",
            },
            deployments=(
                _announced("config", "decode the next picture while the last one is answered"),
                _announced("config", "prefetching off again: answers did not fit the pictures"),
            ),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which incident happens when; any selection, at any time."""

    entries: tuple[tuple[Incident, Window], ...] = ()

    @classmethod
    def of_week(cls, start: datetime, without: Iterable[str] = ()) -> Schedule:
        """The demo's week, less the incidents named in `without`."""
        left_out = set(without)
        wanted = [incident for incident in INCIDENTS.values() if incident.name not in left_out]
        return cls(tuple((incident, incident.window(start)) for incident in wanted))

    def within(self, window: Window) -> Schedule:
        """Those that fit into a window."""
        return Schedule(tuple(one for one in self.entries if window.start <= one[1].start and one[1].end <= window.end))

    def including(self, incident: Incident, window: Window) -> Schedule:
        """This schedule with one more entry."""
        return Schedule((*self.entries, (incident, window)))

    def at(self, moment: datetime) -> Conditions:
        """What is in force at a moment."""
        conditions = Conditions()
        for incident, window in self.entries:
            if window.start <= moment < window.end:
                conditions = incident.alter(conditions)
        return conditions

    def deployments(self) -> list[Deployment]:
        """What the operators announce, in order of time."""
        announced = [
            structs.replace(deployment, ts=moment)
            for incident, window in self.entries
            if incident.deployments is not None
            for deployment, moment in zip(incident.deployments, (window.start, window.end), strict=True)
        ]
        return sorted(announced, key=lambda deployment: deployment.ts)
