"""The running service with its users and labellers: what they do, in order of time, as events to send."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np

from demo.cameras import CAMERAS, Firmware, photograph, to_jpeg
from demo.conditions import Conditions
from demo.incidents import Incident, Schedule
from demo.labeller import Labellers
from demo.scenes import render
from demo.service import Request, SceneVqa
from demo.traffic import Case, Traffic
from monitor.domain.events import Event
from monitor.domain.window import Window

BATCH: Final = 16
"""Most requests that the service answers together."""


class Simulation:
    """Everything outside Snellen.

    Args:
        images: folder into which pictures are uploaded.
    """

    def __init__(
        self, traffic: Traffic, schedule: Schedule, service: SceneVqa, labellers: Labellers, images: Path
    ) -> None:
        self._traffic = traffic
        self._schedule = schedule
        self._service = service
        self._labellers = labellers
        self._images = images
        self._announcements = schedule.deployments()
        self.requests = 0
        """Answered so far."""
        self.now = traffic.next_at
        """Up to when everything has happened."""

    @property
    def next_at(self) -> datetime:
        """When something happens next."""
        coming = [self._traffic.next_at, self._labellers.next_at]
        coming += [deployment.ts for deployment in self._announcements[:1]]
        return min(moment for moment in coming if moment is not None)

    def include(self, incident: Incident, window: Window) -> None:
        """Let one more incident happen."""
        self._schedule = self._schedule.including(incident, window)
        self._announcements = [one for one in self._schedule.deployments() if one.ts > self.now]

    def advance(self, until: datetime) -> Iterator[list[Event]]:
        """Let everything happen up to a moment (included), as fast as the machine can; yields the events of each
        micro-batch, its predictions first."""
        while self._traffic.next_at <= until:
            cases, conditions = self._take_batch(until)
            requests = [self._upload(case, conditions.firmware[case.device]) for case in cases]
            predictions = self._service.answer(requests, conditions.serving)
            for case, prediction in zip(cases, predictions, strict=True):
                self._labellers.look_at(case, prediction)
            self.requests, self.now = self.requests + len(cases), cases[-1].ts
            yield [*predictions, *self._others(self.now)]
        self.now = until
        yield self._others(until)

    def _take_batch(self, until: datetime) -> tuple[list[Case], Conditions]:
        """The next requests, of which all meet the same conditions."""
        conditions = self._schedule.at(self._traffic.next_at)
        cases = [self._traffic.take(conditions)]
        while (
            len(cases) < BATCH
            and self._traffic.next_at <= until
            and self._schedule.at(self._traffic.next_at) == conditions
        ):
            cases.append(self._traffic.take(conditions))
        return cases, conditions

    def _others(self, until: datetime) -> list[Event]:
        """Labels given, and changes announced, up to a moment."""
        announced = [one for one in self._announcements if one.ts <= until]
        self._announcements = self._announcements[len(announced) :]
        return [*self._labellers.given_by(until), *announced]

    def _upload(self, case: Case, firmware: Firmware) -> Request:
        """Take the picture and put it where the service finds it."""
        camera = CAMERAS[case.device]
        pixels = photograph(render(case.scene), camera, firmware, np.random.default_rng([case.scene.seed, 1]))
        content = to_jpeg(pixels, camera.quality)
        if case.truncated_to is not None:
            content = content[: int(len(content) * case.truncated_to)]
        folder = self._images / f"{case.ts:%Y-%m-%d}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{case.request_id}.jpg"
        path.write_bytes(content)
        return Request(
            case.request_id, case.ts, case.device, path, case.task, case.attribute, case.prompt, case.candidates
        )
